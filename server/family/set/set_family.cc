#include <vector>

#include "server/dispatch/arguments.h"
#include "server/family/families.h"
#include "server/family/set/set_handlers.h"

namespace cloakroom::server {

using storage::EndCause;
using storage::EventClass;
using storage::Found;
using storage::KeyRef;

void set_effect(Context& ctx, const KeyRef& key, std::string_view command,
                std::span<const std::string_view> members) {
  constexpr size_t kMembersPerEffect = 1024;
  if (!ctx.access.wants_effects()) return;
  std::vector<std::string_view> words;
  while (!members.empty()) {
    const auto part = members.first(std::min(members.size(), kMembersPerEffect));
    words.assign({command, key.raw()});
    words.insert(words.end(), part.begin(), part.end());
    ctx.access.effect(words);
    members = members.subspan(part.size());
  }
}

namespace {

// Reports a change by the members named from argument 2 on.
void report_members(Context& ctx, const KeyRef& key, std::string_view event, std::string_view command) {
  if (ctx.argc() == 3) {
    ctx.access.changed(key, EventClass::kSet, event, {command, key.raw(), ctx.arg(2)});
    return;
  }
  ctx.access.changed(key, EventClass::kSet, event, {});
  set_effect(ctx, key, command, ctx.args.subspan(2));
}

// The set at argument 1. When there is none, or something else, this has been answered and null is returned.
Found read_set(Context& ctx, int64_t answer_absent) {
  const Found found = ctx.access.read(ctx.key(1));
  if (!found) {
    ctx.reply.integer(answer_absent);
  } else if (!is_set(found)) {
    ctx.reply.error(errors::kWrongType);
    return {};
  }
  return found;
}

void sadd_command(Context& ctx) {
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  if (found && !is_set(found)) {
    ctx.reply.error(errors::kWrongType);
    return;
  }
  int64_t added = 0;
  for (const std::string_view member : ctx.args.subspan(2)) {
    added += storage::set_add(ctx.access, found, key, member);
  }
  if (added > 0) report_members(ctx, key, "sadd", "SADD");
  ctx.reply.integer(added);
}

void srem_command(Context& ctx) {
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  if (!found || !is_set(found)) {
    found ? ctx.reply.error(errors::kWrongType) : ctx.reply.integer(0);
    return;
  }
  int64_t removed = 0;
  bool empty = false;
  for (size_t i = 2; i < ctx.argc() && !empty; ++i) {
    if (!storage::set_remove(ctx.access, found, key, ctx.arg(i))) continue;
    ++removed;
    empty = storage::set_size(*found.entry) == 0;
  }
  if (removed > 0) report_members(ctx, key, "srem", "SREM");
  if (empty) ctx.access.end(found, key, EndCause::kDeleted);
  ctx.reply.integer(removed);
}

void sismember_command(Context& ctx) {
  const Found found = read_set(ctx, 0);
  if (found) ctx.reply.integer(storage::set_contains(*found.entry, ctx.arg(2)));
}

void smismember_command(Context& ctx) {
  const Found found = ctx.access.read(ctx.key(1));
  if (found && !is_set(found)) {
    ctx.reply.error(errors::kWrongType);
    return;
  }
  ctx.reply.array(ctx.argc() - 2);
  for (const std::string_view member : ctx.args.subspan(2)) {
    ctx.reply.integer(found && storage::set_contains(*found.entry, member));
  }
}

void scard_command(Context& ctx) {
  const Found found = read_set(ctx, 0);
  if (found) ctx.reply.integer(static_cast<int64_t>(storage::set_size(*found.entry)));
}

void smembers_command(Context& ctx) {
  const Found found = ctx.access.read(ctx.key(1));
  if (!found) {
    ctx.reply.set(0);
  } else if (!is_set(found)) {
    ctx.reply.error(errors::kWrongType);
  } else {
    ctx.reply.set(storage::set_size(*found.entry));
    storage::set_visit(*found.entry, [&](std::string_view member) { ctx.reply.bulk(member); });
  }
}

// Moves the member; both keys hold sets, or `to` nothing.
void move_member(Context& ctx, Found from, const KeyRef& from_key, const KeyRef& to_key) {
  const std::string_view member = ctx.arg(3);
  storage::Access& access = ctx.access;
  if (!storage::set_remove(access, from, from_key, member)) {
    ctx.reply.integer(0);
    return;
  }
  access.changed(from_key, EventClass::kSet, "srem", {"SREM", from_key.raw(), member});
  if (storage::set_size(*from.entry) == 0) access.end(from, from_key, EndCause::kDeleted);
  Found to = access.peek(to_key);
  if (storage::set_add(access, to, to_key, member)) {
    access.changed(to_key, EventClass::kSet, "sadd", {"SADD", to_key.raw(), member});
  }
  ctx.reply.integer(1);
}

void smove_command(Context& ctx) {
  const KeyRef& from_key = ctx.key(1);
  const KeyRef& to_key = ctx.key(2);
  ctx.access.write(from_key);
  Found to = ctx.access.write(to_key);
  const Found from = ctx.access.peek(from_key);  // the second lookup may have ended an expired key
  if (!from) {
    ctx.reply.integer(0);
  } else if (!is_set(from) || (to && !is_set(to))) {
    ctx.reply.error(errors::kWrongType);
  } else if (from.entry == to.entry) {
    ctx.reply.integer(storage::set_contains(*from.entry, ctx.arg(3)));
  } else {
    move_member(ctx, from, from_key, to_key);
  }
}

constexpr char kRead[] = "RO ACCESS @1 range 0 1 0";
constexpr char kProbe[] = "RO @1 range 0 1 0";
constexpr char kReadMany[] = "RO ACCESS @1 range -1 1 0";
constexpr char kStore[] = "OW UPDATE @1 range 0 1 0; RO ACCESS @2 range -1 1 0";
constexpr char kStoreInter[] = "RW UPDATE @1 range 0 1 0; RO ACCESS @2 range -1 1 0";
constexpr char kReadFast[] = "@read @set @fast";
constexpr char kReadSlow[] = "@read @set @slow";
constexpr char kWriteFast[] = "@write @set @fast";
constexpr char kWriteSlow[] = "@write @set @slow";
constexpr char kAnyOrder[] = "nondeterministic_output_order";
constexpr char kAnyOutput[] = "nondeterministic_output";
constexpr char kInterCost[] =
    "O(N*M) at worst, N being the size of the smallest set and M the number of sets";
constexpr char kUnionCost[] = "O(N), N being the members of all sets together";
constexpr char kDrawCost[] = "O(1), or O(N) with a count of N";
constexpr uint32_t kStores = kStoresSet | kEndsKeys;

// clang-format off
constexpr CommandRow kRows[] = {
    {"sadd", -3, "write denyoom fast", "RW INSERT @1 range 0 1 0", kWriteFast, "", "set", "1.0.0",
     "O(N), N being the number of members named",
     "Adds members to a set", "key member...", kMembersFrom2, sadd_command},
    {"scard", 2, "readonly fast", kProbe, kReadFast, "", "set", "1.0.0", "O(1)",
     "Answers the number of members of a set", "key", kNoTrait, scard_command},
    {"sdiff", -2, "readonly", kReadMany, kReadSlow, kAnyOrder, "set", "1.0.0", kUnionCost,
     "Answers the members of the first set that the others lack", "key...", kNoTrait, sdiff_command},
    {"sdiffstore", -3, "write denyoom", kStore, kWriteSlow, "", "set", "1.0.0", kUnionCost,
     "Stores the members of the first set that the others lack", "destination key...", kStores,
     sdiffstore_command},
    {"sinter", -2, "readonly", kReadMany, kReadSlow, kAnyOrder, "set", "1.0.0", kInterCost,
     "Answers the members common to all sets", "key...", kNoTrait, sinter_command},
    {"sintercard", -3, "readonly movablekeys", "RO ACCESS @1 keynum 0 1 1", kReadSlow, "", "set", "7.0.0", kInterCost,
     "Counts the members common to all sets", "numkeys key... [LIMIT limit]", kNoTrait, sintercard_command},
    {"sinterstore", -3, "write denyoom", kStoreInter, kWriteSlow, "", "set", "1.0.0", kInterCost,
     "Stores the members common to all sets", "destination key...", kStores, sinterstore_command},
    {"sismember", 3, "readonly fast", kProbe, kReadFast, "", "set", "1.0.0", "O(1)",
     "Tells whether a set has a member", "key member", kMembersFrom2, sismember_command},
    {"smembers", 2, "readonly", kRead, kReadSlow, kAnyOrder, "set", "1.0.0", "O(N), N being the size of the set",
     "Answers all members of a set", "key", kNoTrait, smembers_command},
    {"smismember", -3, "readonly fast", kRead, kReadFast, "", "set", "6.2.0",
     "O(N), N being the number of members named",
     "Tells of several members whether a set has them", "key member...", kMembersFrom2,
     smismember_command},
    {"smove", 4, "write fast", "RW ACCESS DELETE @1 range 0 1 0; RW INSERT @2 range 0 1 0", kWriteFast, "", "set",
     "1.0.0", "O(1)",
     "Moves a member from one set to another", "source destination member", kMemberAt3, smove_command},
    {"spop", -2, "write fast", "RW ACCESS DELETE @1 range 0 1 0", kWriteFast, kAnyOutput, "set", "1.0.0", kDrawCost,
     "Takes random members out of a set", "key [count{since=3.2.0}]", kNoTrait, spop_command},
    {"srandmember", -2, "readonly", kRead, kReadSlow, kAnyOutput, "set", "1.0.0", kDrawCost,
     "Answers random members of a set", "key [count{since=2.6.0}]", kNoTrait, srandmember_command},
    {"srem", -3, "write fast", "RW DELETE @1 range 0 1 0", kWriteFast, "", "set", "1.0.0",
     "O(N), N being the number of members named",
     "Removes members from a set", "key member...", kMembersFrom2, srem_command},
    {"sscan", -3, "readonly", kRead, kReadSlow, kAnyOutput, "set", "2.8.0",
     "O(1) a call, O(N) for a whole walk, N being the size of the set",
     "Walks the members of a set in steps", "key cursor [MATCH pattern] [COUNT count]", kNoTrait, sscan_command},
    {"sunion", -2, "readonly", kReadMany, kReadSlow, kAnyOrder, "set", "1.0.0", kUnionCost,
     "Answers the members of all sets", "key...", kNoTrait, sunion_command},
    {"sunionstore", -3, "write denyoom", kStore, kWriteSlow, "", "set", "1.0.0", kUnionCost,
     "Stores the members of all sets", "destination key...", kStores, sunionstore_command},
};
// clang-format on

}  // namespace

CommandRows set_commands() { return kRows; }

}  // namespace cloakroom::server
