#include "server/server.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sodium.h>

#include <bit>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "server/dispatch/client_memory.h"
#include "server/dispatch/context.h"
#include "server/dispatch/redaction.h"
#include "server/family/families.h"
#include "server/net/connection.h"
#include "storage/keyspace/wall_step.h"

namespace cloakroom::server {
namespace {

namespace asio = boost::asio;

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
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return out;
}

uint32_t io_threads_of(const Config& config) {
  const auto wanted = static_cast<uint32_t>(config.io_threads);
  return wanted != 0 ? wanted : std::max(1u, std::thread::hardware_concurrency());
}

storage::KeyspaceOptions keyspace_options(const Config& config) {
  storage::KeyspaceOptions options;
  options.shards = std::min(storage::kMaxShards, std::bit_ceil(16 * io_threads_of(config)));
  options.databases = static_cast<uint32_t>(config.databases);
  options.session_pattern = config.session_key_pattern;
  options.user_sessions_pattern = config.user_sessions_key_pattern;
  options.session_index = config.session_index;
  options.single_threaded = io_threads_of(config) == 1;
  randombytes_buf(&options.hash_key, sizeof options.hash_key);
  return options;
}

// Every line looks where the log's path leads: this one, so that the file is there at once.
void reopen_log_on(asio::signal_set& hangups) {
  hangups.async_wait([&hangups](const boost::system::error_code& error, int) {
    if (error) return;
    log(LogLevel::kWarning, "Received SIGHUP: the log file is opened again");
    reopen_log_on(hangups);
  });
}

// One MONITOR line: +<unix time> [<db> <address>] "<arg>" ...
std::string monitor_line(int64_t now_us, uint32_t db, const std::string& address,
                         std::span<const std::string_view> args) {
  std::string line = fmt::format("+{}.{:06} [{} {}]", now_us / 1'000'000, now_us % 1'000'000, db, address);
  for (const std::string_view arg : args) {
    line += " \"";
    for (const char c : arg) {
      switch (c) {
        case '\\':
          line += "\\\\";
          break;
        case '"':
          line += "\\\"";
          break;
        case '\n':
          line += "\\n";
          break;
        case '\r':
          line += "\\r";
          break;
        case '\t':
          line += "\\t";
          break;
        case '\a':
          line += "\\a";
          break;
        case '\b':
          line += "\\b";
          break;
        default:
          if (c >= 32 && c < 127) {
            line += c;
          } else {
            line += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
          }
      }
    }
    line += '"';
  }
  return line + "\r\n";
}

}  // namespace

Server::Server(std::shared_ptr<ConfigStore> config_store, const storage::Clock& the_clock)
    : config(std::move(config_store)),
      clock(the_clock),
      commands(families()),
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
  for (uint32_t i = 0; i < io_threads_of(*settings); ++i)
    threads.push_back(std::make_unique<IoThread>(*this, i));
  apply_config(*settings);
  config->on_change({"hash-max-listpack-entries", "hash-max-listpack-value", "set-max-intset-entries",
                     "session-index-pending-ms", "maxmemory-policy", "lfu-log-factor", "lfu-decay-time",
                     "proto-max-bulk-len", "loglevel", "privacy", "maxmemory", "maxmemory-clients"},
                    [this](const Config&, const Config& after) {
                      apply_config(after);
                      return std::optional<std::string>();
                    });
  startup_bytes = mallinfo2().uordblks;
}

Server::~Server() = default;

void Server::calibrate_cycles() {
  const storage::SystemClock system_clock;
  const int64_t begin_us = system_clock.monotonic_us();
  const uint64_t begin = cycle_count();
  int64_t now_us = begin_us;
  while (now_us - begin_us < kCalibrationUs) now_us = system_clock.monotonic_us();
  us_per_cycle = static_cast<double>(now_us - begin_us) / static_cast<double>(cycle_count() - begin);
  cycles_per_100us = static_cast<uint64_t>(100 / us_per_cycle);
  slice_cycles = kSliceUs * cycles_per_100us / 100;
}

uint64_t Server::random_seed() const {
  uint64_t seed = 0;
  randombytes_buf(&seed, sizeof seed);
  return seed;
}

void Server::apply_config(const Config& c) {
  storage::KeyspaceSettings& settings = keyspace->settings();
  settings.hash_max_flat_entries = at_most<uint32_t>(c.hash_max_listpack_entries);
  settings.hash_max_flat_value_bytes = at_most<uint32_t>(c.hash_max_listpack_value);
  settings.set_max_int_entries = at_most<uint32_t>(c.set_max_intset_entries);
  settings.pending_ms = std::min(c.session_index_pending_ms, kLongestPendingMs);
  settings.policy = c.maxmemory_policy;
  settings.lfu_log_factor = at_most<uint32_t>(c.lfu_log_factor);
  settings.lfu_decay_minutes = at_most<uint32_t>(c.lfu_decay_time);
  parser_limits.max_bulk_bytes = c.proto_max_bulk_len;
  client_limit_bytes = client_memory_limit(c);
  configure_log(c.loglevel, c.logfile, c.privacy);
}

int Server::run() {
  listeners_ = std::make_unique<Listeners>(*this);
  asio::signal_set signals(threads[0]->context, SIGTERM, SIGINT);
  signals.async_wait([this](const boost::system::error_code& error, int number) {
    if (error) return;
    log(LogLevel::kWarning, number == SIGINT ? "Received SIGINT scheduling shutdown..."
                                             : "Received SIGTERM scheduling shutdown...");
    shutdown();
  });
  asio::signal_set hangups(threads[0]->context, SIGHUP);
  reopen_log_on(hangups);
  listeners_->start();
  for (size_t i = 1; i < threads.size(); ++i) {
    thread_handles_.emplace_back([this, i] { threads[i]->run(); });
  }
  log(LogLevel::kNotice, "Ready to accept connections");
  on_shutdown_ = [&signals, &hangups] {
    signals.cancel();
    hangups.cancel();
  };
  threads[0]->run();
  for (std::thread& thread : thread_handles_) thread.join();
  log(LogLevel::kWarning, "Cloakroom is now ready to exit, bye bye...");
  return exit_code_.load();
}

void Server::shutdown(int exit_code) {
  if (stopping_.exchange(true)) return;
  exit_code_ = exit_code;
  asio::post(threads[0]->context, [this] {
    listeners_->close();
    on_shutdown_();
    for (const auto& thread : threads) thread->stop();
  });
}

IoThread& Server::least_loaded_thread() {
  IoThread* best = threads[0].get();
  for (const auto& thread : threads) {
    if (thread->connection_count.load() < best->connection_count.load()) best = thread.get();
  }
  return *best;
}

void Server::on_all_threads(const std::function<void(IoThread&)>& fn) {
  for (const auto& thread : threads) {
    IoThread* target = thread.get();
    target->post([fn, target] { fn(*target); });
  }
}

void Server::set_monitor(Client& client, bool on) {
  if (client.is(Client::kMonitor) == on) return;
  client.set(Client::kMonitor, on);
  client.thread.set_monitor(client, on);
  on ? monitors.fetch_add(1) : monitors.fetch_sub(1);
}

void Server::feed_monitors(IoThread& from, const Client& client, const Command& command,
                           std::span<const std::string_view> args) {
  std::string address = client.texts().address;
  if (client.is(Client::kUnixSocket)) address = "unix:" + address.substr(0, address.rfind(':'));
  const std::string line = monitor_line(clock.wall_us(), client.db.load(), address, redacted(command, args));
  for (const auto& thread : threads) {
    if (!thread->monitored()) continue;
    thread->append_monitor_line(line);
    from.wake_later(*thread);
  }
}

void Server::note_slow(IoThread& thread, const Client& client, const Context& ctx, int64_t duration_us) {
  const Config& c = thread.config();
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

void Server::every_100ms() {
  measure_rates();
  if (const int64_t step_ms = storage::follow_wall_clock(threads[0]->access); step_ms != 0) {
    log(LogLevel::kWarning, fmt::format("The system's clock was set {} ms {}", std::abs(step_ms),
                                        step_ms > 0 ? "forward" : "back"));
  }
  const size_t used = used_memory_bytes();
  if (used > peak_memory_bytes) peak_memory_bytes = used;
}

void Server::measure_rates() {
  uint64_t processed = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  for (const auto& thread : threads) {
    processed += thread->stats.commands_processed.get();
    bytes_in += thread->stats.bytes_in.get();
    bytes_out += thread->stats.bytes_out.get();
  }
  const int64_t now_us = clock.monotonic_us();
  command_rate.sample(now_us, processed);
  input_rate.sample(now_us, bytes_in);
  output_rate.sample(now_us, bytes_out);
}

size_t Server::keys_count(storage::Access& access) const {
  size_t keys = 0;
  for (const storage::Shard* shard : keyspace->shards()) {
    const bool held = access.guard().holds(shard->index);
    if (!held) access.guard().take(shard->index);
    for (const auto& table : shard->tables) keys += table == nullptr ? 0 : table->size();
    if (!held) access.guard().release_unchanged();
  }
  return keys;
}

size_t Server::client_bytes() const {
  uint64_t sum = 0;
  for (const auto& thread : threads) sum += thread->client_own_bytes.get();
  return sum;
}

size_t Server::client_total_bytes() const {
  uint64_t sum = 0;
  for (const auto& thread : threads) sum += thread->client_total_bytes.get();
  return sum;
}

size_t Server::used_memory_bytes() const { return keyspace->memory_bytes() + overhead_bytes(); }

void drop_client_state(IoThread& thread, Client& client) {
  discard_transaction(thread.access, client);
  thread.access.finish();
  thread.server.set_monitor(client, false);
}

}  // namespace cloakroom::server
