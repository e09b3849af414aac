#include "server/dispatch/guard_planner.h"

#include <span>

#include "server/dispatch/client.h"
#include "storage/base/number.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::server {
namespace {

using Arguments = std::span<const std::string_view>;

// What a command with very many keys needed is not kept.
template <class T>
void empty(std::vector<T>& items) {
  constexpr size_t kKeptItems = 1024;
  items.clear();
  if (__builtin_expect(items.capacity() > kKeptItems, 0)) items.shrink_to_fit();
}

// Adds the key of an argument. True: it takes all guards.
bool add_use(storage::Access& access, const Command& command, const KeyArg& arg, const storage::KeyRef& key,
             uint32_t db, std::vector<storage::KeyUse>& uses) {
  uses.push_back({&key, arg.write, db, !command.has(kNamesMembers)});
  return arg.write && command.has(kStoresSet) && storage::SessionIndex::concerns(access, key);
}

Arguments members_of(const Command& command, Arguments args) {
  if (command.has(kMembersFrom2)) return args.subspan(2);
  if (command.has(kMemberAt3)) return args.subspan(3);
  return {};
}

// Keys after a SELECT in the queue stand in the database it selects.
void follow_select(const Context& ctx, const Command& command, Arguments args, uint32_t& selected) {
  if (!command.has(kSelects)) return;
  const auto db = storage::parse_i64(args[1]);
  if (db && *db >= 0 && *db < static_cast<int64_t>(ctx.access.keyspace().databases())) {
    selected = static_cast<uint32_t>(*db);
  }
}

void plan_queued(const Context& ctx, const Transaction& transaction, size_t i, ExecScratch& scratch) {
  const Command& command = transaction.command(i);
  const auto first_arg = static_cast<uint32_t>(scratch.args.size());
  transaction.args(i, scratch.args);
  const Arguments args = std::span(scratch.args).subspan(first_arg);
  const auto first_key = static_cast<uint32_t>(scratch.keys.size());
  bool everything = command.has(kAllGuards | kOwnGuards | kOtherDatabases);
  follow_select(ctx, command, args, scratch.db);
  scratch.key_args.clear();
  collect_keys(command, args, scratch.key_args);
  for (const KeyArg& arg : scratch.key_args) {
    storage::KeyRef& key = scratch.keys.emplace_back();
    ctx.access.schema().fill(key, args[arg.index]);
    everything = add_use(ctx.access, command, arg, key, scratch.db, scratch.uses) || everything;
  }
  scratch.everything = scratch.everything || everything;
  const Arguments members = members_of(command, args);
  scratch.members.insert(scratch.members.end(), members.begin(), members.end());
  scratch.command_args.push_back({first_arg, static_cast<uint32_t>(args.size())});
  const bool leads = !scratch.key_args.empty() && scratch.key_args[0].index == 1;
  scratch.first_keys.push_back(leads ? static_cast<int32_t>(first_key) : -1);
}

}  // namespace

storage::GuardPlan GuardPlanner::plan(Context& ctx) {
  const Command& command = ctx.command;
  key_args_.clear();  // of one that was held back
  uses_.clear();
  if (command.one_key) {
    key_args_.push_back({1, command.keys[0].writes(), &command.keys[0]});
  } else {
    collect_keys(command, ctx.args, key_args_);
  }
  bool everything = command.has(kAllGuards);
  for (const KeyArg& arg : key_args_) {
    everything = add_use(ctx.access, command, arg, ctx.key(arg.index), ctx.access.db(), uses_) || everything;
  }
  return {.keys = uses_,
          .members = members_of(command, ctx.args),
          .ends_keys = command.has(kEndsKeys) || uses_.size() > 1,
          .everything = everything};
}

void GuardPlanner::clear() {
  empty(key_args_);
  empty(uses_);
}

storage::GuardPlan plan_queue(const Context& ctx, const Transaction& transaction, ExecScratch& scratch) {
  scratch.clear();
  scratch.db = ctx.client.db.load(std::memory_order_relaxed);
  scratch.keys.reserve(transaction.total_args() + transaction.watched.size());
  scratch.args.reserve(transaction.total_args());
  for (size_t i = 0; i < transaction.queued(); ++i) plan_queued(ctx, transaction, i, scratch);
  for (const Transaction::Watched& watched : transaction.watched) {
    storage::KeyRef& key = scratch.keys.emplace_back();
    ctx.access.schema().fill(key, watched.text);
    scratch.uses.push_back({&key, false, watched.db});
  }
  return {.keys = scratch.uses,
          .members = scratch.members,
          .ends_keys = true,
          .everything = scratch.everything,
          .every_database = scratch.everything};
}

}  // namespace cloakroom::server
