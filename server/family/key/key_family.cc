#include "server/dispatch/client.h"
#include "server/family/families.h"
#include "server/family/key/key_handlers.h"

namespace cloakroom::server {

using storage::Found;
using storage::KeyRef;

Found look_at(Context& ctx, const KeyRef& key) {
  const Found found = ctx.access.peek(key);
  if (found) {
    ctx.access.counters().hits.add();
  } else {
    ctx.access.counters().misses.add();
    ctx.access.event(key, storage::EventClass::kKeyMiss, "keymiss");
  }
  return found;
}

// Values are always freed after the guards are released: DEL and UNLINK are the same.
void del_command(Context& ctx) {
  int64_t deleted = 0;
  for (size_t i = 1; i < ctx.argc(); ++i) {
    const KeyRef& key = ctx.key(i);
    Found found = ctx.access.write(key);
    if (!found) continue;
    ctx.access.end(found, key, storage::EndCause::kDeleted);
    ++deleted;
  }
  ctx.reply.integer(deleted);
}

void exists_command(Context& ctx) {
  int64_t existing = 0;
  for (size_t i = 1; i < ctx.argc(); ++i) existing += look_at(ctx, ctx.key(i)) ? 1 : 0;
  ctx.reply.integer(existing);
}

// Marks the access even for a client that asked for CLIENT NO-TOUCH: that is what the command is for.
void touch_command(Context& ctx) {
  ctx.access.set_touch(true);
  int64_t existing = 0;
  for (size_t i = 1; i < ctx.argc(); ++i) existing += ctx.access.read(ctx.key(i)) ? 1 : 0;
  ctx.access.set_touch(!ctx.client.is(Client::kNoTouch));
  ctx.reply.integer(existing);
}

void type_command(Context& ctx) {
  const Found found = look_at(ctx, ctx.key(1));
  ctx.reply.simple(found ? storage::type_name(found->type()) : "none");
}

namespace {

constexpr const char* kWriteFast = "@keyspace @write @fast";
constexpr const char* kWriteSlow = "@keyspace @write @slow";
constexpr const char* kReadFast = "@keyspace @read @fast";
constexpr const char* kReadSlow = "@keyspace @read @slow";
constexpr const char* kUpdated = "RW UPDATE @1 range 0 1 0";
constexpr const char* kAsked = "RO ACCESS @1 range 0 1 0";
constexpr const char* kInspected = "RO @2 range 0 1 0";
constexpr const char* kSummed = "request_policy:multi_shard response_policy:agg_sum";
constexpr const char* kUnsteady = "nondeterministic_output";
constexpr const char* kFlushTips = "request_policy:all_shards response_policy:all_succeeded";
constexpr const char* kDelCost =
    "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than "
    "a string, "
    "the individual complexity for this key is O(M) where M is the number of elements in the list, set, "
    "sorted set or "
    "hash. Removing a single key that holds a string value is O(1).";
constexpr const char* kUnlinkCost =
    "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread "
    "in order "
    "to reclaim memory, where N is the number of allocations the deleted objects where composed of.";
constexpr const char* kKeysCost =
    "O(N) with N being the number of keys in the database, under the assumption that the key names in the "
    "database and "
    "the given pattern have limited length.";
constexpr const char* kScanCost =
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to "
    "return back "
    "to 0. N is the number of elements inside the collection.";
constexpr const char* kCopyCost =
    "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.";
constexpr uint32_t kMoves = kEndsKeys | kStoresSet;

// clang-format off
constexpr CommandRow kRows[] = {
    {"copy", -3, "write denyoom", "RO ACCESS @1 range 0 1 0;OW UPDATE @2 range 0 1 0", kWriteSlow, "", "generic",
     "6.2.0",
     kCopyCost, "Copies a value to another key", "source destination [DB destination-db] [REPLACE]",
     kMoves | kOtherDatabases, copy_command},
    {"dbsize", 1, "readonly fast", "", kReadFast, "request_policy:all_shards response_policy:agg_sum", "server",
     "1.0.0",
     "O(1)", "Counts the keys of the database", "", kOwnGuards, dbsize_command},
    {"del", -2, "write", "RM DELETE @1 range -1 1 0", kWriteSlow, kSummed, "generic", "1.0.0",
     kDelCost, "Deletes keys", "key...", kEndsKeys, del_command},
    {"exists", -2, "readonly fast", "RO @1 range -1 1 0", kReadFast, kSummed, "generic", "1.0.0",
     "O(N) where N is the number of keys to check.", "Counts which of the keys exist", "key...", kNoTrait,
     exists_command},
    {"expire", -3, "write fast", kUpdated, kWriteFast, "", "generic", "1.0.0", "O(1)",
     "Sets the time to live of a key in seconds", "key seconds [condition<NX | XX | GT | LT>{since=7.0.0}]",
     kNoTrait, expire_command},
    {"expireat", -3, "write fast", kUpdated, kWriteFast, "", "generic", "1.2.0", "O(1)",
     "Sets when a key expires, in Unix seconds", "key unix-time-seconds [condition<NX | XX | GT | LT>{since=7.0.0}]",
     kNoTrait, expireat_command},
    {"expiretime", 2, "readonly fast", kAsked, kReadFast, "", "generic", "7.0.0", "O(1)",
     "Answers when a key expires, in Unix seconds", "key", kNoTrait, expiretime_command},
    {"flushall", -1, "write", "", "@keyspace @write @slow @dangerous", kFlushTips, "server", "1.0.0",
     "O(N) where N is the total number of keys in all databases", "Empties all databases",
     "[async<ASYNC{since=4.0.0} | SYNC{since=6.2.0}>]", kOwnGuards,
     flushall_command},
    {"flushdb", -1, "write", "", "@keyspace @write @slow @dangerous", kFlushTips, "server", "1.0.0",
     "O(N) where N is the number of keys in the selected database", "Empties the selected database",
     "[async<ASYNC{since=4.0.0} | SYNC{since=6.2.0}>]",
     kOwnGuards, flushdb_command},
    {"keys", 2, "readonly", "", "@keyspace @read @slow @dangerous",
     "request_policy:all_shards nondeterministic_output_order",
     "generic", "1.0.0", kKeysCost, "Lists the keys that match a pattern", "pattern", kOwnGuards, keys_command},
    {"move", 3, "write fast", "RW ACCESS UPDATE @1 range 0 1 0", kWriteFast, "", "generic", "1.0.0", "O(1)",
     "Moves a key to another database", "key db", kMoves | kOtherDatabases, move_command},
    {"object", -2, "", "", "@slow", "", "generic", "2.2.3", "Depends on subcommand.",
     "Tells how values are kept", "", kNoTrait, nullptr},
    {"object|encoding", 3, "readonly", kInspected, kReadSlow, kUnsteady, "generic", "2.2.3", "O(1)",
     "Names the encoding of a value", "key", kNoTrait, object_encoding_command},
    {"object|freq", 3, "readonly", kInspected, kReadSlow, kUnsteady, "generic", "4.0.0", "O(1)",
     "Answers the logarithmic access counter of a key", "key", kNoTrait, object_freq_command},
    {"object|help", 2, "loading stale", "", "@keyspace @slow", "", "generic", "6.2.0", "O(1)",
     "Lists the subcommands", "", kNoTrait, object_help_command},
    {"object|idletime", 3, "readonly", kInspected, kReadSlow, kUnsteady, "generic", "2.2.3", "O(1)",
     "Answers the seconds since the last access to a key", "key", kNoTrait, object_idletime_command},
    {"object|refcount", 3, "readonly", kInspected, kReadSlow, kUnsteady, "generic", "2.2.3", "O(1)",
     "Answers how often a value is referred to", "key", kNoTrait, object_refcount_command},
    {"persist", 2, "write fast", kUpdated, kWriteFast, "", "generic", "2.2.0", "O(1)",
     "Takes the time to live from a key", "key", kNoTrait, persist_command},
    {"pexpire", -3, "write fast", kUpdated, kWriteFast, "", "generic", "2.6.0", "O(1)",
     "Sets the time to live of a key in milliseconds",
     "key milliseconds [condition<NX | XX | GT | LT>{since=7.0.0}]", kNoTrait, pexpire_command},
    {"pexpireat", -3, "write fast", kUpdated, kWriteFast, "", "generic", "2.6.0", "O(1)",
     "Sets when a key expires, in Unix milliseconds",
     "key unix-time-milliseconds [condition<NX | XX | GT | LT>{since=7.0.0}]", kNoTrait,
     pexpireat_command},
    {"pexpiretime", 2, "readonly fast", kAsked, kReadFast, "", "generic", "7.0.0", "O(1)",
     "Answers when a key expires, in Unix milliseconds", "key", kNoTrait, pexpiretime_command},
    {"pttl", 2, "readonly fast", kAsked, kReadFast, kUnsteady, "generic", "2.6.0", "O(1)",
     "Answers the time to live of a key in milliseconds", "key", kNoTrait, pttl_command},
    {"randomkey", 1, "readonly", "", kReadSlow, "request_policy:all_shards nondeterministic_output", "generic", "1.0.0",
     "O(1)", "Answers any key of the database", "", kOwnGuards, randomkey_command},
    {"rename", 3, "write", "RW ACCESS DELETE @1 range 0 1 0;OW UPDATE @2 range 0 1 0", kWriteSlow, "", "generic",
     "1.0.0",
     "O(1)", "Gives a key another name, replacing what has it", "key newkey", kMoves, rename_command},
    {"renamenx", 3, "write fast", "RW ACCESS DELETE @1 range 0 1 0;OW INSERT @2 range 0 1 0", kWriteFast, "", "generic",
     "1.0.0", "O(1)", "Gives a key another name that is free", "key newkey", kMoves, renamenx_command},
    {"scan", -2, "readonly", "", kReadSlow, "nondeterministic_output request_policy:special", "generic", "2.8.0",
     kScanCost, "Lists the keys of the database part by part",
     "cursor [MATCH pattern] [COUNT count] [TYPE type{since=6.0.0}]",
     kOwnGuards, scan_command},
    {"swapdb", 3, "write fast", "", "@keyspace @write @fast @dangerous", "", "server", "4.0.0",
     "O(N) where N is the count of clients watching or blocking on keys from both databases.",
     "Exchanges two databases", "index1 index2", kAllGuards, swapdb_command},
    {"touch", -2, "readonly fast", "RO @1 range -1 1 0", kReadFast, kSummed, "generic", "3.2.1",
     "O(N) where N is the number of keys that will be touched.", "Marks keys as accessed and counts them", "key...",
     kNoTrait, touch_command},
    {"ttl", 2, "readonly fast", kAsked, kReadFast, kUnsteady, "generic", "1.0.0", "O(1)",
     "Answers the time to live of a key in seconds", "key", kNoTrait, ttl_command},
    {"type", 2, "readonly fast", "RO @1 range 0 1 0", kReadFast, "", "generic", "1.0.0", "O(1)",
     "Names the type of a value", "key", kNoTrait, type_command},
    {"unlink", -2, "write fast", "RM DELETE @1 range -1 1 0", kWriteFast, kSummed, "generic", "4.0.0",
     kUnlinkCost, "Deletes keys without waiting for their memory", "key...", kEndsKeys, del_command},
};
// clang-format on

}  // namespace

CommandRows key_commands() { return kRows; }

}  // namespace cloakroom::server
