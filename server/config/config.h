#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/output_limits.h"
#include "storage/base/lock.h"
#include "storage/keyspace/keyspace.h"

namespace cloakroom::server {

// A directive's value: as CONFIG GET shows it, and as a number (integers, 0/1 of yes/no, position in a list
// of words).
struct ConfigValue {
  std::string text;
  int64_t number = 0;
};

enum class AllowFor : uint8_t { kNobody, kEverybody, kLocal };

// Bits of notify-keyspace-events beyond those of storage::EventClass.
inline constexpr uint32_t kNotifyModule = 1u << 11;    // d
inline constexpr uint32_t kNotifyKeyspace = 1u << 16;  // K
inline constexpr uint32_t kNotifyKeyevent = 1u << 17;  // E

struct SavePoint {
  int64_t seconds;
  int64_t changes;
};

// One immutable state of the configuration. Directives that act have a field; all are in `values`, by row of
// the table (config_table.h). Defaults come from the table: make one with ConfigStore.
struct Config {
  std::vector<ConfigValue> values;
  // CONFIG GET's text of a directive (canonical or alias name); empty for an unknown one.
  std::string_view text(std::string_view name) const;

  // network
  std::vector<std::string> bind;  // "-addr": may be missing
  uint16_t port = 0;              // 0: no TCP
  int64_t tcp_backlog = 0;
  std::string unixsocket;
  uint32_t unixsocketperm = 0;  // 0: leave to umask
  bool protected_mode = false;
  std::string requirepass;
  int64_t maxclients = 0;
  int64_t timeout_s = 0;        // 0: never
  int64_t tcp_keepalive_s = 0;  // 0: off
  int64_t io_threads = 0;
  int64_t proto_max_bulk_len = 0;
  int64_t client_query_buffer_limit = 0;
  protocol::OutputLimits client_output_buffer_limits;

  // keyspace
  int64_t databases = 0;
  uint64_t maxmemory = 0;         // bytes, 0: no limit
  int64_t maxmemory_clients = 0;  // bytes; negative: a percentage of maxmemory
  storage::EvictionPolicy maxmemory_policy{};
  int64_t maxmemory_samples = 0;
  int64_t maxmemory_eviction_tenacity = 0;
  int64_t lfu_log_factor = 0;
  int64_t lfu_decay_time = 0;  // minutes
  int64_t hash_max_listpack_entries = 0;
  int64_t hash_max_listpack_value = 0;
  int64_t set_max_intset_entries = 0;
  uint32_t notify_keyspace_events = 0;  // storage::EventClass | kNotify*

  // persistence
  int64_t auto_aof_rewrite_percentage = 0;  // 0: never by itself
  int64_t auto_aof_rewrite_min_size = 0;    // bytes

  // sessions
  std::string session_key_pattern;
  std::string user_sessions_key_pattern;
  bool session_index = false;
  int64_t session_index_pending_ms = 0;

  // replication
  int64_t min_replicas_to_write = 0;   // 0: none
  int64_t min_replicas_max_lag_s = 0;  // 0: any

  // operation
  int64_t hz = 0;
  int64_t slowlog_log_slower_than = 0;  // microseconds; negative: off
  int64_t slowlog_max_len = 0;
  int64_t latency_monitor_threshold = 0;  // milliseconds; 0: off
  bool latency_tracking = false;
  std::vector<double> latency_tracking_info_percentiles;
  std::string loglevel;
  std::string logfile;
  std::string dir;
  std::string pidfile;
  std::string supervised;
  AllowFor enable_debug_command{};
  AllowFor enable_protected_configs{};
  std::vector<SavePoint> save;
  std::vector<std::pair<std::string, std::string>> renamed_commands;  // in order; an empty new name removes
};

// The configuration of a running server. Thread-safe: readers take a snapshot, writers are serialized.
class ConfigStore {
 public:
  ConfigStore();  // every default
  // `file`: where rewrite() writes, empty for nowhere. `notices`: further lines for startup_notices().
  ConfigStore(Config initial, std::string file, std::vector<std::string> notices = {});

  std::shared_ptr<const Config> snapshot() const;
  // Changes with every successful set(): hot paths keep the snapshot until it does.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // CONFIG GET: name (as asked for when it is no glob) and value.
  std::vector<std::pair<std::string, std::string>> get(std::span<const std::string_view> globs) const;

  // CONFIG SET name value [name value ...]: all or nothing. Returns the error's text (without '-').
  // `local_client`: over loopback or a unix socket, which enable-protected-configs may ask for.
  std::optional<std::string> set(std::span<const std::string_view> name_value_pairs,
                                 bool local_client = false);

  // CONFIG REWRITE. `whole`: the defaults are written too.
  std::optional<std::string> rewrite(bool whole = false) const;

  // Called by set() when one of the directives has got another value, before the change is published; a text
  // refuses it. Appliers called before a refusal are called again the other way round. Register before the
  // server runs.
  using Applier = std::function<std::optional<std::string>(const Config& before, const Config& after)>;
  void on_change(std::initializer_list<std::string_view> names, Applier applier);

  // Lines to log once at start: what was accepted without having an effect.
  std::vector<std::string> startup_notices() const;
  // Likewise after a set(): of what differs from `before` only.
  std::vector<std::string> notices_since(const Config& before) const;

  const std::string& file() const { return file_; }  // absolute path, empty without one
  // A directive whose value must not be shown (slow log, MONITOR).
  static bool is_sensitive(std::string_view name);

 private:
  struct Registered {
    std::vector<size_t> rows;
    Applier apply;
  };
  std::optional<std::string> apply(const Config& before, const Config& after);

  std::string file_;
  std::vector<std::string> notices_;
  std::vector<Registered> appliers_;
  storage::Mutex set_mutex_;  // one set() at a time; taken first
  mutable storage::Mutex snapshot_mutex_;
  std::shared_ptr<const Config> current_ CLOAKROOM_GUARDED_BY(snapshot_mutex_);
  std::atomic<uint64_t> generation_{1};
};

}  // namespace cloakroom::server
