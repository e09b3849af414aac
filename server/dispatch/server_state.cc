#include "server/dispatch/server_state.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <thread>

#include "server/dispatch/client_memory.h"
#include "server/dispatch/redaction.h"
#include "server/dispatch/worker.h"
#include "server/stats/log.h"
#include "storage/base/hex.h"
#include "storage/keyspace/wall_step.h"

namespace cloakroom::server {
namespace {

constexpr size_t kRunIdDigits = 40;
constexpr int64_t kCalibrationUs = 2000;
constexpr uint64_t kSliceUs = 500;  // a connection is served without a break
constexpr int64_t kLongestPendingMs = int64_t{1000} * 3600 * 24 * 365;  // added to a wall clock

// A setting that is no negative, where the largest of a narrower type is as good as no limit.
template <class Narrow>
Narrow at_most(int64_t setting) {
  return static_cast<Narrow>(std::min<int64_t>(setting, std::numeric_limits<Narrow>::max()));
}

std::string random_hex(size_t digits) {
  std::string bytes(digits / 2, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return storage::hex::text(bytes);
}

storage::KeyspaceOptions keyspace_options(const Config& config) {
  storage::KeyspaceOptions options;
  options.shards = std::min(storage::kMaxShards, std::bit_ceil(16 * io_threads(config)));
  options.databases = static_cast<uint32_t>(config.databases);
  options.session_pattern = config.session_key_pattern;
  options.user_sessions_pattern = config.user_sessions_key_pattern;
  options.session_index = config.session_index;
  options.single_threaded = io_threads(config) == 1;
  randombytes_buf(&options.hash_key, sizeof options.hash_key);
  return options;
}

}  // namespace

uint32_t io_threads(const Config& config) {
  const auto wanted = static_cast<uint32_t>(config.io_threads);
  return wanted != 0 ? wanted : std::max(1u, std::thread::hardware_concurrency());
}

ServerState::ServerState(std::shared_ptr<ConfigStore> config_store, const storage::Clock& the_clock,
                         std::span<const CommandRows> families)
    : config(std::move(config_store)),
      clock(the_clock),
      commands(families),
      start_ms(the_clock.wall_ms()),
      start_steady_ms(the_clock.monotonic_us() / 1000) {
  if (sodium_init() < 0) throw std::runtime_error("libsodium cannot be initialised");
  run_id = random_hex(kRunIdDigits);
  replication_id = random_hex(kRunIdDigits);
  calibrate_cycles();
  const auto settings = config->snapshot();
  for (const auto& [from, to] : settings->renamed_commands) {
    if (!commands.rename(from, to)) throw std::runtime_error("No such command in rename-command");
  }
  keyspace = std::make_unique<storage::Keyspace>(keyspace_options(*settings), clock);
  apply_config(*settings);
  config->on_change(
      {"hash-max-listpack-entries", "hash-max-listpack-value", "set-max-intset-entries",
       "session-index-pending-ms", "maxmemory-policy", "lfu-log-factor", "lfu-decay-time",
       "proto-max-bulk-len", "loglevel", "maxmemory", "maxmemory-clients", "notify-keyspace-events"},
      [this](const Config&, const Config& after) {
        apply_config(after);
        return std::optional<std::string>();
      });
}

void ServerState::calibrate_cycles() {
  const storage::SystemClock system_clock;
  const int64_t begin_us = system_clock.monotonic_us();
  const uint64_t begin = cycle_count();
  int64_t now_us = begin_us;
  while (now_us - begin_us < kCalibrationUs) now_us = system_clock.monotonic_us();
  us_per_cycle = static_cast<double>(now_us - begin_us) / static_cast<double>(cycle_count() - begin);
  cycles_per_100us = static_cast<uint64_t>(100 / us_per_cycle);
  slice_cycles = kSliceUs * cycles_per_100us / 100;
}

uint64_t ServerState::random_seed() const {
  uint64_t seed = 0;
  randombytes_buf(&seed, sizeof seed);
  return seed;
}

void ServerState::apply_config(const Config& c) {
  storage::KeyspaceSettings& settings = keyspace->settings();
  settings.hash_max_flat_entries = at_most<uint32_t>(c.hash_max_listpack_entries);
  settings.hash_max_flat_value_bytes = at_most<uint32_t>(c.hash_max_listpack_value);
  settings.set_max_int_entries = at_most<uint32_t>(c.set_max_intset_entries);
  settings.pending_ms = std::min(c.session_index_pending_ms, kLongestPendingMs);
  settings.policy = c.maxmemory_policy;
  const bool anywhere = (c.notify_keyspace_events & (kNotifyKeyspace | kNotifyKeyevent)) != 0;
  settings.event_classes = anywhere ? c.notify_keyspace_events : 0;
  notify_keyspace_events = c.notify_keyspace_events;
  settings.lfu_log_factor = at_most<uint32_t>(c.lfu_log_factor);
  settings.lfu_decay_minutes = at_most<uint32_t>(c.lfu_decay_time);
  parser_limits.max_bulk_bytes = c.proto_max_bulk_len;
  client_limit_bytes = client_memory_limit(c);
  configure_log(c.loglevel, c.logfile);
}

void ServerState::shutdown(int exit_code) {
  if (stopping_.exchange(true)) return;
  exit_code_ = exit_code;
  on_shutdown();
}

void ServerState::ask_to_shut_down() {
  if (!cron_paused) return shutdown();
  shutdown_asked_ = true;
}

bool ServerState::abort_shutdown() { return shutdown_asked_.exchange(false); }

void ServerState::note_slow(const Config& c, const Client& client, const Context& ctx, int64_t duration_us) {
  if (c.latency_monitor_threshold > 0 && duration_us / 1000 >= c.latency_monitor_threshold) {
    latency.add(ctx.command.is(kFast) ? "fast-command" : "command", clock.wall_ms() / 1000,
                duration_us / 1000);
  }
  if (c.slowlog_log_slower_than < 0 || duration_us < c.slowlog_log_slower_than ||
      ctx.command.is(kSkipSlowlog))
    return;
  const Client::Texts texts = client.texts();
  slowlog.add(clock.wall_ms() / 1000, duration_us, redacted(ctx.command, ctx.args), texts.address, texts.name,
              static_cast<size_t>(c.slowlog_max_len));
}

void ServerState::every_100ms(storage::Access& access) {
  if (shutdown_asked_) return shutdown();
  measure_rates();
  if (loading) return;
  if (const int64_t step_ms = storage::follow_wall_clock(access); step_ms != 0) {
    log(LogLevel::kWarning, fmt::format("The system's clock was set {} ms {}", std::abs(step_ms),
                                        step_ms > 0 ? "forward" : "back"));
  }
  const size_t used = used_memory_bytes();
  if (used > peak_memory_bytes) peak_memory_bytes = used;
}

void ServerState::measure_rates() {
  uint64_t processed = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  for (const Worker* worker : workers) {
    processed += worker->stats.commands_processed.get();
    bytes_in += worker->stats.bytes_in.get();
    bytes_out += worker->stats.bytes_out.get();
  }
  const int64_t now_us = clock.monotonic_us();
  command_rate.sample(now_us, processed);
  input_rate.sample(now_us, bytes_in);
  output_rate.sample(now_us, bytes_out);
}

uint64_t ServerState::changes() const {
  uint64_t sum = 0;
  for (Worker* worker : workers) sum += worker->access.counters().changes.get();
  return sum;
}

size_t ServerState::keys_count(storage::Access& access) const {
  size_t keys = 0;
  for (const storage::Shard* shard : keyspace->shards()) {
    const bool held = access.guard().holds(shard->index);
    if (!held) access.guard().take(shard->index);
    for (const auto& table : shard->tables) keys += table == nullptr ? 0 : table->size();
    if (!held) access.guard().release_unchanged();
  }
  return keys;
}

size_t ServerState::client_bytes() const {
  uint64_t sum = 0;
  for (const Worker* worker : workers) sum += worker->client_own_bytes.get();
  return sum;
}

size_t ServerState::client_total_bytes() const {
  uint64_t sum = 0;
  for (const Worker* worker : workers) sum += worker->client_total_bytes.get();
  return sum;
}

size_t ServerState::used_memory_bytes() const { return keyspace->memory_bytes() + overhead_bytes(); }

}  // namespace cloakroom::server
