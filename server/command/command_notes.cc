#include "server/command/command_notes.h"

namespace cloakroom::server {
namespace {

constexpr Deprecation kDeprecations[] = {
    {"cluster|slaves", "5.0.0", "`CLUSTER REPLICAS`"},
    {"cluster|slots", "7.0.0", "`CLUSTER SHARDS`"},
    {"getset", "6.2.0", "`SET` with the `!GET` argument"},
    {"hmset", "4.0.0", "`HSET` with multiple field-value pairs"},
    {"slaveof", "5.0.0", "`REPLICAOF`"},
    {"substr", "2.0.0", "`GETRANGE`"},
};

// Versions and options are Redis' history, the words are ours.
constexpr Change kChanges[] = {
    {"acl|getuser", "6.2.0", "Shows channel patterns."},
    {"acl|getuser", "7.0.0", "Shows selectors, and patterns of keys and channels as rules."},
    {"acl|setuser", "6.2.0", "Takes channel patterns."},
    {"acl|setuser", "7.0.0", "Takes selectors and permissions by key."},
    {"auth", "6.0.0", "Takes a user's name before the password."},
    {"bgsave", "3.2.2", "New option `SCHEDULE`."},
    {"client|kill", "2.8.12", "Takes filters."},
    {"client|kill", "2.8.12", "New filter `ID`."},
    {"client|kill", "3.2.0", "`TYPE` knows `master`."},
    {"client|kill", "5.0.0", "`TYPE` knows `replica`, formerly `slave`; both work."},
    {"client|kill", "6.2.0", "New filter `LADDR`."},
    {"client|list", "2.8.12", "New field `id`."},
    {"client|list", "5.0.0", "New filter `TYPE`."},
    {"client|list", "6.0.0", "New field `user`."},
    {"client|list", "6.2.0", "New filter `ID`; new fields `argv-mem`, `tot-mem`, `laddr` and `redir`."},
    {"client|list", "7.0.0", "New fields `resp`, `multi-mem`, `rbs` and `rbp`."},
    {"client|list", "7.0.3", "New field `ssub`."},
    {"client|pause", "6.2.0", "Takes a mode; new mode `WRITE`."},
    {"cluster|meet", "4.0.0", "Takes the port of the cluster bus."},
    {"cluster|slots", "4.0.0", "Shows the ids of nodes."},
    {"cluster|slots", "7.0.0", "Shows more about how to reach a node."},
    {"command|info", "7.0.0", "Without names it describes all commands."},
    {"config|get", "7.0.0", "Takes several patterns."},
    {"config|set", "7.0.0", "Takes several directives."},
    {"exists", "3.0.3", "Takes several keys."},
    {"expire", "7.0.0", "New options `NX`, `XX`, `GT` and `LT`."},
    {"expireat", "7.0.0", "New options `NX`, `XX`, `GT` and `LT`."},
    {"flushall", "4.0.0", "New mode `ASYNC`."},
    {"flushall", "6.2.0", "New mode `SYNC`."},
    {"flushdb", "4.0.0", "New mode `ASYNC`."},
    {"flushdb", "6.2.0", "New mode `SYNC`."},
    {"hdel", "2.4.0", "Takes several fields."},
    {"hello", "6.2.0", "Without arguments it describes the connection."},
    {"hset", "4.0.0", "Takes several pairs."},
    {"info", "7.0.0", "Takes several sections."},
    {"pexpire", "7.0.0", "New options `NX`, `XX`, `GT` and `LT`."},
    {"pexpireat", "7.0.0", "New options `NX`, `XX`, `GT` and `LT`."},
    {"pttl", "2.8.0", "Answers -2 when there is no key."},
    {"renamenx", "3.2.0", "Both names may be the same."},
    {"sadd", "2.4.0", "Takes several members."},
    {"scan", "6.0.0", "New option `TYPE`."},
    {"set", "2.6.12", "New options `EX`, `PX`, `NX` and `XX`."},
    {"set", "6.0.0", "New option `KEEPTTL`."},
    {"set", "6.2.0", "New options `GET`, `EXAT` and `PXAT`."},
    {"set", "7.0.0", "`NX` and `GET` go together."},
    {"shutdown", "7.0.0", "New options `NOW`, `FORCE` and `ABORT`."},
    {"slowlog|get", "4.0.0", "Shows address, port and name of the client."},
    {"spop", "3.2.0", "Takes a count."},
    {"srandmember", "2.6.0", "Takes a count."},
    {"srem", "2.4.0", "Takes several members."},
    {"ttl", "2.8.0", "Answers -2 when there is no key."},
};

}  // namespace

const Deprecation* deprecation_of(std::string_view command) {
  for (const Deprecation& deprecation : kDeprecations) {
    if (deprecation.command == command) return &deprecation;
  }
  return nullptr;
}

bool is_system_command(std::string_view command) { return command == "debug"; }

std::vector<const Change*> history_of(std::string_view command) {
  std::vector<const Change*> out;
  for (const Change& change : kChanges) {
    if (change.command == command) out.push_back(&change);
  }
  return out;
}

std::string_view key_note_of(std::string_view command) {
  if (command == "set") return "With GET the old value is read.";
  if (command == "getex") return "The deadline may change, so it writes.";
  return {};
}

}  // namespace cloakroom::server
