#include "server/config/config_table.h"
#include "storage/keyspace/key.h"

namespace cloakroom::server::directives {
namespace {

const char* check_pattern(ConfigValue& value) {
  storage::KeyPattern pattern;
  return storage::KeyPattern::parse(value.text, pattern)
             ? nullptr
             : "argument must hold one placeholder in braces and some text besides";
}

const char* check_defrag(ConfigValue& value) {
  if (value.number == 0) return nullptr;
  return "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified "
         "Jemalloc like the "
         "one shipped by default with the Redis source distribution";
}

constinit const Row kRows[] = {
    integer("databases", "16", 1, kIntMax).flags(kImmutable).into<&Config::databases>(),
    memory("maxmemory", "0", 0, UINT64_MAX).flags(kUnsigned).into<&Config::maxmemory>(),
    choice("maxmemory-policy", "noeviction",
           "volatile-lru, volatile-lfu, volatile-random, volatile-ttl, allkeys-lru, allkeys-lfu, "
           "allkeys-random, noeviction")
        .into(store_policy),
    integer("maxmemory-samples", "5", 1, kIntMax).into<&Config::maxmemory_samples>(),
    integer("maxmemory-eviction-tenacity", "10", 0, 100).into<&Config::maxmemory_eviction_tenacity>(),
    integer("lfu-log-factor", "10", 0, kIntMax).into<&Config::lfu_log_factor>(),
    integer("lfu-decay-time", "1", 0, kIntMax).into<&Config::lfu_decay_time>(),

    integer("hash-max-listpack-entries", "512", 0, INT64_MAX)
        .alias("hash-max-ziplist-entries")
        .into<&Config::hash_max_listpack_entries>(),
    memory("hash-max-listpack-value", "64", 0, INT64_MAX)
        .alias("hash-max-ziplist-value")
        .into<&Config::hash_max_listpack_value>(),
    integer("set-max-intset-entries", "512", 0, INT64_MAX).into<&Config::set_max_intset_entries>(),
    integer("zset-max-listpack-entries", "128", 0, INT64_MAX).alias("zset-max-ziplist-entries").not_yet(),
    memory("zset-max-listpack-value", "64", 0, INT64_MAX).alias("zset-max-ziplist-value").not_yet(),
    integer("list-max-listpack-size", "-2", INT32_MIN, kIntMax).alias("list-max-ziplist-size").not_yet(),
    integer("list-compress-depth", "0", 0, kIntMax).not_yet(),
    memory("hll-sparse-max-bytes", "3000", 0, INT64_MAX),
    memory("stream-node-max-bytes", "4096", 0, INT64_MAX),
    integer("stream-node-max-entries", "100", 0, INT64_MAX),

    integer("active-expire-effort", "1", 1, 10).not_yet(),
    boolean("lazyfree-lazy-eviction", false).not_yet(),
    boolean("lazyfree-lazy-expire", false).not_yet(),
    boolean("lazyfree-lazy-server-del", false).not_yet(),
    boolean("lazyfree-lazy-user-del", false).not_yet(),
    boolean("lazyfree-lazy-user-flush", false).not_yet(),
    special("notify-keyspace-events", "", kNotifyEvents).into<&Config::notify_keyspace_events>(),

    boolean("activerehashing", true),
    boolean("activedefrag", false).check(check_defrag),
    integer("active-defrag-cycle-min", "1", 1, 99),
    integer("active-defrag-cycle-max", "25", 1, 99),
    integer("active-defrag-threshold-lower", "10", 0, 1000),
    integer("active-defrag-threshold-upper", "100", 0, 1000),
    memory("active-defrag-ignore-bytes", "104857600", 1, INT64_MAX),
    integer("active-defrag-max-scan-fields", "1000", 1, INT64_MAX),

    // Our own.
    text("session-key-pattern", "session:{id}")
        .flags(kFixed)
        .check(check_pattern)
        .into<&Config::session_key_pattern>(),
    text("user-sessions-key-pattern", "user_sessions:{user}")
        .flags(kFixed)
        .check(check_pattern)
        .into<&Config::user_sessions_key_pattern>(),
    boolean("session-index", true).flags(kFixed).into<&Config::session_index>(),
    integer("session-index-pending-ms", "60000", 0, INT64_MAX).into<&Config::session_index_pending_ms>(),
};

}  // namespace

std::span<const Row> keyspace_rows() { return kRows; }

}  // namespace cloakroom::server::directives
