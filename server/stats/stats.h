#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/stats/latency_histogram.h"
#include "storage/keyspace/access.h"

namespace cloakroom::server {

using storage::Counter;

// Of one command on one thread: that thread writes, any reads.
struct CommandStats {
  Counter calls;
  Counter cycles;  // time-stamp counter; see Server::cycles_per_us
  Counter rejected;
  Counter failed;
  LatencyHistogram latency;  // with latency-tracking
};

// Of one I/O thread. INFO sums them; nothing on the data path is shared.
struct ThreadStats {
  explicit ThreadStats(size_t command_count) : commands(command_count) {}

  std::vector<CommandStats> commands;
  Counter commands_processed;
  Counter connections_accepted;
  Counter bytes_in;
  Counter bytes_out;
  Counter reads;
  Counter writes;
  Counter output_limit_closes;
  Counter query_limit_closes;
  Counter evicted_clients;

  // Error replies by their first word; errors are rare enough for a lock.
  void count_error(std::string_view code) {
    const std::lock_guard lock(error_mutex);
    ++errors[std::string(code)];
  }
  std::mutex error_mutex;
  std::map<std::string, uint64_t> errors;
};

inline uint64_t cycle_count() { return __builtin_ia32_rdtsc(); }

}  // namespace cloakroom::server
