#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/request_parser.h"
#include "server/command/command_table.h"
#include "server/config/config.h"
#include "server/dispatch/client_registry.h"
#include "server/dispatch/log_link.h"
#include "server/dispatch/memory_limit.h"
#include "server/stats/latency_monitor.h"
#include "server/stats/rate_meter.h"
#include "server/stats/slowlog.h"
#include "storage/base/clock.h"
#include "storage/keyspace/keyspace.h"

namespace cloakroom::server {

class Client;
class Persistence;
class PubSub;
struct Context;
struct Worker;

// CLIENT PAUSE, readable from any thread.
struct Pause {
  enum Mode : uint8_t { kNoPause, kPauseWrites, kPauseAll };
  std::atomic<int64_t> until_ms{0};  // monotonic
  std::atomic<uint8_t> mode{kNoPause};
};

// With io-threads 0: as many as there are processors.
uint32_t io_threads(const Config& config);

// What all threads share, and outlives them; no sockets and no threads. Thread-safe where said.
struct ServerState {
  // Throws std::runtime_error when the configuration cannot be honoured (patterns, renamed commands).
  ServerState(std::shared_ptr<ConfigStore> config, const storage::Clock& clock,
              std::span<const CommandRows> families);
  ServerState(const ServerState&) = delete;
  ServerState& operator=(const ServerState&) = delete;

  // Stops accepting, lets every thread finish the turn it is in, then ends the process with this code. From
  // any thread.
  void shutdown(int exit_code = 0);
  // A signal's shutdown(): at once, or when DEBUG PAUSE-CRON is over. Until then abort_shutdown() calls it off;
  // false: there is nothing to call off. From any thread.
  void ask_to_shut_down();
  bool abort_shutdown();
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }
  int exit_code() const { return exit_code_.load(); }

  // SLOWLOG and LATENCY bookkeeping of a command that took long enough for either. `c`: the thread's.
  void note_slow(const Config& c, const Client& client, const Context& ctx, int64_t duration_us);

  // Memory outside the keyspace that maxmemory counts: fixed parts and what clients own.
  size_t overhead_bytes() const {
    return startup_bytes + client_bytes() + message_bytes.load(std::memory_order_relaxed);
  }
  size_t client_bytes() const;                       // without values shared with the keyspace or among them
  size_t client_total_bytes() const;                 // as CLIENT LIST shows it, added up
  size_t used_memory_bytes() const;                  // what INFO calls used_memory and maxmemory limits
  uint64_t changes() const;                          // of keys, since the start
  size_t keys_count(storage::Access& access) const;  // of all databases; one guard at a time
  void every_100ms(storage::Access& access);         // on one thread, whose it is
  uint64_t random_seed() const;
  // After CONFIG SET and at start: passes on what parts keep copies of.
  void apply_config(const Config& config);

  std::shared_ptr<ConfigStore> config;
  const storage::Clock& clock;
  std::unique_ptr<storage::Keyspace> keyspace;
  CommandTable commands;
  protocol::ParserLimits parser_limits;
  ClientRegistry clients;
  Slowlog slowlog;
  LatencyMonitor latency;
  Pause pause;
  std::vector<Worker*> workers;       // one a thread; as they are before the threads run
  std::atomic<uint32_t> monitors{0};  // clients with kMonitor
  LogLink append_log;
  // Keys are being read from disk: most commands are refused (persist/).
  std::atomic<bool> loading{false};
  Persistence* persistence = nullptr;               // as long as the server runs
  PubSub* pubsub = nullptr;                         // as long as there are clients
  std::atomic<uint64_t> changes_at_flush{0};        // of the keyspace, when save points were configured
  std::atomic<size_t> message_bytes{0};             // published and not yet with all subscribers
  std::atomic<uint32_t> notify_keyspace_events{0};  // storage::EventClass | kNotify*
  std::atomic<uint64_t> rejected_connections{0};
  size_t startup_bytes = 0;                   // what an empty server uses
  std::atomic<size_t> client_limit_bytes{0};  // maxmemory-clients (client_memory.h); 0: none
  std::atomic<size_t> peak_memory_bytes{0};
  MemoryExcess memory_excess;
  RateMeter command_rate;
  RateMeter input_rate;  // bytes
  RateMeter output_rate;
  std::atomic<bool> active_expire{true};  // DEBUG SET-ACTIVE-EXPIRE
  std::atomic<bool> cron_paused{false};   // DEBUG PAUSE-CRON
  const int64_t start_ms;
  const int64_t start_steady_ms;
  std::string run_id;  // 40 hex digits, random
  std::string replication_id;
  double us_per_cycle = 0.001;
  uint64_t cycles_per_100us = 100'000;
  std::atomic<uint64_t> slice_cycles{0};  // of a connection's turn; 0: one command

 protected:
  ~ServerState() = default;

  std::function<void()> on_shutdown = [] {};  // called once, by whoever calls shutdown()

 private:
  void calibrate_cycles();
  void measure_rates();

  std::atomic<bool> shutdown_asked_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> exit_code_{0};
};

}  // namespace cloakroom::server
