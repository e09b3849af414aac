#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/stats/latency_histogram.h"
#include "storage/base/lock.h"
#include "storage/keyspace/access.h"

namespace cloakroom::server {

using storage::Counter;

// Of one command on one thread: that thread writes, any reads.
struct CommandStats {
  Counter calls;
  Counter cycles;  // see cycle_count()
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
    const storage::Locked lock(error_mutex);
    ++errors[std::string(code)];
  }
  storage::Mutex error_mutex;
  std::map<std::string, uint64_t> errors CLOAKROOM_GUARDED_BY(error_mutex);
};

// A counter that runs at a constant rate and is cheap to read: the time-stamp counter of x86, the virtual
// timer of ARM64, else nanoseconds. ServerState::us_per_cycle says what one is worth.
inline uint64_t cycle_count() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  uint64_t ticks = 0;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

}  // namespace cloakroom::server
