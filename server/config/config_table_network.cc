#include <thread>

#include "server/config/config_table.h"

namespace cloakroom::server::directives {
namespace {

std::string cores() {
  constexpr unsigned kMaxThreads = 128;
  return std::to_string(std::min(std::max(std::thread::hardware_concurrency(), 1u), kMaxThreads));
}

constinit const Row kRows[] = {
    special("bind", "* -::*", kBind).flags(kManyWords).into(store_bind),
    unset("bind-source-addr"),
    integer("port", "6379", 0, 65535).into<&Config::port>(),
    integer("tcp-backlog", "511", 0, kIntMax).flags(kImmutable).into<&Config::tcp_backlog>(),
    integer("tcp-keepalive", "300", 0, kIntMax).into<&Config::tcp_keepalive_s>(),
    integer("timeout", "0", 0, kIntMax).into<&Config::timeout_s>(),
    unset("unixsocket").flags(kImmutable).into<&Config::unixsocket>(),
    integer("unixsocketperm", "0", 0, 0777).flags(kImmutable | kOctal).into<&Config::unixsocketperm>(),
    integer("socket-mark-id", "0", 0, UINT32_MAX).flags(kImmutable),
    boolean("protected-mode", true).into<&Config::protected_mode>(),
    unset("requirepass").flags(kSensitive).into<&Config::requirepass>(),
    integer("maxclients", "10000", 1, UINT32_MAX).into<&Config::maxclients>(),
    memory("maxmemory-clients", "0", -100, INT64_MAX).flags(kPercent).into<&Config::maxmemory_clients>(),
    integer("io-threads", "", 1, 128).flags(kImmutable).starts_as(cores).into<&Config::io_threads>(),
    boolean("io-threads-do-reads", false).flags(kImmutable),
    memory("proto-max-bulk-len", "536870912", 1 << 20, INT64_MAX).into<&Config::proto_max_bulk_len>(),
    memory("client-query-buffer-limit", "1073741824", 1 << 20, INT64_MAX)
        .into<&Config::client_query_buffer_limit>(),
    special("client-output-buffer-limit",
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", kOutputLimits)
        .flags(kManyWords)
        .into(store_output_limits),
    integer("tracking-table-max-keys", "1000000", 0, INT64_MAX),
    choice("acl-pubsub-default", "resetchannels", "allchannels, resetchannels"),
    text("aclfile").flags(kImmutable).refused("ACL files are not supported yet; use requirepass"),
    integer("acllog-max-len", "128", 0, INT64_MAX),
};

}  // namespace

std::span<const Row> network_rows() { return kRows; }

}  // namespace cloakroom::server::directives
