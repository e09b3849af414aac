#include <cctype>

#include "server/config/config_table.h"

namespace cloakroom::server::directives {
namespace {

const char* check_hostname(ConfigValue& value) {
  constexpr size_t kMaxHostname = 256;
  if (value.text.size() >= kMaxHostname) return "Hostnames must be less than 256 characters";
  for (const char c : value.text) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') {
      return "Hostnames may only contain alphanumeric characters, hyphens or dots";
    }
  }
  return nullptr;
}

const char* limit_backlog(ConfigValue& value) {
  constexpr int64_t kSmallestBacklog = 16 * 1024;
  if (value.number < kSmallestBacklog) value = {std::to_string(kSmallestBacklog), kSmallestBacklog};
  return nullptr;
}

constinit const Row kRows[] = {
    special("replicaof", "", kReplicaOf)
        .alias("slaveof")
        .flags(kImmutable | kManyWords | kEmptyIsUnset)
        .refused("replication is not supported yet"),
    unset("masteruser").flags(kSensitive),
    unset("masterauth").flags(kSensitive),
    integer("replica-priority", "100", 0, kIntMax).alias("slave-priority"),
    boolean("replica-serve-stale-data", true).alias("slave-serve-stale-data"),
    boolean("replica-read-only", true).alias("slave-read-only"),
    boolean("replica-ignore-maxmemory", true).alias("slave-ignore-maxmemory"),
    boolean("replica-lazy-flush", false).alias("slave-lazy-flush"),
    boolean("replica-ignore-disk-write-errors", false),
    boolean("replica-announced", true),
    unset("replica-announce-ip").alias("slave-announce-ip"),
    integer("replica-announce-port", "0", 0, 65535).alias("slave-announce-port"),
    integer("min-replicas-to-write", "0", 0, kIntMax)
        .alias("min-slaves-to-write")
        .into<&Config::min_replicas_to_write>(),
    integer("min-replicas-max-lag", "10", 0, kIntMax)
        .alias("min-slaves-max-lag")
        .into<&Config::min_replicas_max_lag_s>(),
    memory("repl-backlog-size", "1048576", 1, INT64_MAX).check(limit_backlog),
    integer("repl-backlog-ttl", "3600", 0, INT64_MAX),
    boolean("repl-disable-tcp-nodelay", false),
    choice("repl-diskless-load", "disabled", "disabled, on-empty-db, swapdb"),
    boolean("repl-diskless-sync", true),
    integer("repl-diskless-sync-delay", "5", 0, kIntMax),
    integer("repl-diskless-sync-max-replicas", "0", 0, kIntMax),
    integer("repl-ping-replica-period", "10", 1, kIntMax).alias("repl-ping-slave-period"),
    integer("repl-timeout", "60", 1, kIntMax),
    choice("propagation-error-behavior", "ignore", "ignore, panic, panic-on-replicas"),

    boolean("cluster-enabled", false).flags(kImmutable).refused("cluster mode is not supported yet"),
    text("cluster-config-file", "nodes.conf").flags(kImmutable),
    integer("cluster-node-timeout", "15000", 0, INT64_MAX),
    integer("cluster-port", "0", 0, 65535).flags(kImmutable),
    integer("cluster-announce-port", "0", 0, 65535),
    integer("cluster-announce-bus-port", "0", 0, 65535),
    integer("cluster-announce-tls-port", "0", 0, 65535),
    unset("cluster-announce-ip"),
    unset("cluster-announce-hostname").check(check_hostname),
    choice("cluster-preferred-endpoint-type", "ip", "ip, hostname, unknown-endpoint"),
    integer("cluster-migration-barrier", "1", 0, kIntMax),
    integer("cluster-replica-validity-factor", "10", 0, kIntMax).alias("cluster-slave-validity-factor"),
    boolean("cluster-replica-no-failover", false).alias("cluster-slave-no-failover"),
    boolean("cluster-require-full-coverage", true),
    boolean("cluster-allow-reads-when-down", false),
    boolean("cluster-allow-pubsubshard-when-down", true),
    boolean("cluster-allow-replica-migration", true),
    memory("cluster-link-sendbuf-limit", "0", 0, UINT64_MAX).flags(kUnsigned),
};

}  // namespace

std::span<const Row> replication_rows() { return kRows; }

}  // namespace cloakroom::server::directives
