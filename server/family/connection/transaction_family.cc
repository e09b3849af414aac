#include <utility>

#include "server/dispatch/client.h"
#include "server/dispatch/context.h"
#include "server/dispatch/dispatcher.h"
#include "server/dispatch/errors.h"
#include "server/family/families.h"
#include "server/net/io_thread.h"
#include "server/server.h"
#include "storage/base/number.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::server {
namespace {

using storage::KeyRef;

Transaction& transaction_of(Client& client) {
  if (client.transaction == nullptr) client.transaction = std::make_unique<Transaction>();
  return *client.transaction;
}

// Back to no MULTI; watches stay.
void leave_multi(storage::Access& access, Client& client) {
  client.set(Client::kInMulti, false);
  client.set(Client::kDirtyExec, false);
  client.multi_count.store(0, std::memory_order_relaxed);
  client.transaction->clear_queue(access.garbage());
}

// An idle client keeps no transaction; one that EXEC is running (an UNWATCH may be queued in it) stays.
void drop_if_unused(storage::Access& access, Client& client) {
  const Transaction& transaction = *client.transaction;
  if (client.is(Client::kInMulti) || transaction.queued() != 0 || !transaction.watched.empty()) return;
  auto unwanted = client.thread.spare_transactions.give(std::move(client.transaction));
  if (unwanted != nullptr) access.garbage().emplace_back(std::move(unwanted));
}

void multi(Context& ctx) {
  if (ctx.client.is(Client::kInMulti)) return ctx.reply.error("ERR MULTI calls can not be nested");
  if (ctx.client.transaction == nullptr) ctx.client.transaction = ctx.thread.spare_transactions.take();
  ctx.client.set(Client::kInMulti, true);
  ctx.reply.ok();
}

void discard(Context& ctx) {
  if (!ctx.client.is(Client::kInMulti)) return ctx.reply.error("ERR DISCARD without MULTI");
  discard_transaction(ctx.access, ctx.client);
  ctx.reply.ok();
}

void watch(Context& ctx) {
  if (ctx.client.is(Client::kInMulti)) return ctx.reply.error("ERR WATCH inside MULTI is not allowed");
  Transaction& transaction = transaction_of(ctx.client);
  const uint32_t db = ctx.access.db();
  for (size_t i = 1; i < ctx.argc(); ++i) {
    const auto same = [&](const Transaction::Watched& w) { return w.db == db && w.text == ctx.arg(i); };
    if (std::any_of(transaction.watched.begin(), transaction.watched.end(), same)) continue;
    // A set is watched as it is without the sessions that are over.
    const KeyRef& key = ctx.key(i);
    const storage::KeyUse use{&key, false, db};
    if (!storage::take_guards(ctx.access, {.keys = {&use, 1}, .members = {}})) {
      ctx.thread.dispatcher.hold_back_a_turn(ctx.client);
    }
    ctx.access.watch(key, transaction.watcher);
    ctx.access.finish();
    transaction.add_watched(db, ctx.arg(i));
  }
  ctx.client.watch_count.store(static_cast<uint32_t>(transaction.watched.size()), std::memory_order_relaxed);
  ctx.reply.ok();
}

// Takes the guards it needs; in EXEC nothing is watched any more.
void unwatch(Context& ctx) {
  if (ctx.client.transaction != nullptr) {
    unwatch_all(ctx.access, ctx.client);
    drop_if_unused(ctx.access, ctx.client);
  }
  ctx.reply.ok();
}

// Keys after a SELECT in the queue stand in the database it selects.
void follow_select(Context& ctx, const Command& command, std::span<const std::string_view> args,
                   ExecScratch& scratch) {
  if (command.full_name != "select") return;
  const auto db = storage::parse_i64(args[1]);
  if (db && *db >= 0 && *db < static_cast<int64_t>(ctx.access.keyspace().databases())) {
    scratch.db = static_cast<uint32_t>(*db);
  }
}

void plan_command(Context& ctx, const Command& command, size_t i, ExecScratch& scratch) {
  const auto first_arg = static_cast<uint32_t>(scratch.args.size());
  ctx.client.transaction->args(i, scratch.args);
  const auto args = std::span(scratch.args).subspan(first_arg);
  const auto first_key = static_cast<uint32_t>(scratch.keys.size());
  const uint32_t traits = command.row->traits;
  scratch.everything = scratch.everything || (traits & (kAllGuards | kOwnGuards | kOtherDatabases)) != 0;
  follow_select(ctx, command, args, scratch);
  scratch.key_args.clear();
  collect_keys(command, args, scratch.key_args);
  for (const KeyArg& arg : scratch.key_args) {
    KeyRef& key = scratch.keys.emplace_back();
    ctx.access.schema().fill(key, args[arg.index]);
    scratch.uses.push_back({&key, arg.write, scratch.db, (traits & kNamesMembers) == 0});
    const bool stores = (traits & kStoresSet) != 0 && arg.write;
    if (stores && storage::SessionIndex::concerns(ctx.access, key)) scratch.everything = true;
  }
  const size_t first_member = traits & kMembersFrom2 ? 2 : traits & kMemberAt3 ? 3 : args.size();
  for (size_t k = first_member; k < args.size(); ++k) scratch.members.push_back(args[k]);
  scratch.command_args.push_back({first_arg, static_cast<uint32_t>(args.size())});
  const bool leads = !scratch.key_args.empty() && scratch.key_args[0].index == 1;
  scratch.first_keys.push_back(leads ? static_cast<int32_t>(first_key) : -1);
}

// Takes the guards of everything the queue and the watches name.
void take_exec_guards(Context& ctx, const Transaction& transaction, ExecScratch& scratch) {
  scratch.clear();
  scratch.db = ctx.client.db.load(std::memory_order_relaxed);
  scratch.keys.reserve(transaction.total_args() + transaction.watched.size());
  scratch.args.reserve(transaction.total_args());
  for (size_t i = 0; i < transaction.queued(); ++i) plan_command(ctx, transaction.command(i), i, scratch);
  for (const Transaction::Watched& watched : transaction.watched) {
    KeyRef& key = scratch.keys.emplace_back();
    ctx.access.schema().fill(key, watched.text);
    scratch.uses.push_back({&key, false, watched.db});
  }
  const bool ready = storage::take_guards(ctx.access, {.keys = scratch.uses,
                                                       .members = scratch.members,
                                                       .ends_keys = true,
                                                       .everything = scratch.everything,
                                                       .every_database = scratch.everything});
  if (!ready) ctx.thread.dispatcher.hold_back_a_turn(ctx.client);
}

// A watched key whose deadline has passed unseen counts as changed. All guards are held.
bool watched_expired(Context& ctx, const Transaction& transaction) {
  for (const Transaction::Watched& watched : transaction.watched) {
    const KeyRef key = ctx.access.schema().make(watched.text);
    ctx.access.select(watched.db);
    if (ctx.access.watched_expired(key, transaction.watcher)) return true;
  }
  return false;
}

// What a long transaction needed is not kept; it is freed after the guards are released.
struct EndOfScratch {
  storage::Access& access;
  ExecScratch& scratch;
  ~EndOfScratch() {
    if (scratch.memory_bytes() <= TransactionPool::kKeptBytes) return;
    access.garbage().emplace_back(std::make_shared<ExecScratch>(std::exchange(scratch, {})));
  }
};

void run_queue(Context& ctx, const Transaction& transaction, const ExecScratch& scratch) {
  ctx.reply.array(transaction.queued());
  const storage::EffectGroup group(ctx.access);
  for (size_t i = 0; i < transaction.queued(); ++i) {
    const bool unread = ctx.reply.overflowed() && transaction.command(i).is(kReadonly);
    if (unread) continue;
    const ExecScratch::Range args = scratch.command_args[i];
    const KeyRef* first_key =
        scratch.first_keys[i] < 0 ? nullptr : &scratch.keys[static_cast<size_t>(scratch.first_keys[i])];
    ctx.thread.dispatcher.run_queued(ctx.client, transaction.command(i),
                                     std::span(scratch.args).subspan(args.first, args.count), first_key,
                                     ctx.reply);
  }
}

void exec(Context& ctx) {
  Client& client = ctx.client;
  if (!client.is(Client::kInMulti)) return ctx.reply.error("ERR EXEC without MULTI");
  Transaction& transaction = *client.transaction;
  if (client.is(Client::kDirtyExec)) {
    ctx.reply.error("EXECABORT Transaction discarded because of previous errors.");
  } else {
    ExecScratch& scratch = ctx.thread.exec_scratch;
    const EndOfScratch end{ctx.access, scratch};
    take_exec_guards(ctx, transaction, scratch);
    ctx.thread.dispatcher.respect_pause(client, ctx.command);
    const bool dirty =
        transaction.watcher.dirty.load(std::memory_order_relaxed) || watched_expired(ctx, transaction);
    unwatch_all(ctx.access, client);
    if (dirty) {
      ctx.reply.null_array();
    } else {
      client.set(Client::kInMulti, false);  // commands see themselves outside MULTI
      run_queue(ctx, transaction, scratch);
    }
  }
  discard_transaction(ctx.access, client);
}

}  // namespace

void unwatch_all(storage::Access& access, Client& client) {
  if (client.transaction == nullptr) return;
  Transaction& transaction = *client.transaction;
  for (const Transaction::Watched& watched : transaction.watched) {
    const KeyRef key = access.schema().make(watched.text);
    const uint32_t shard = access.keyspace().shard_of(key.hash());
    const bool held = access.guard().holds(shard);
    if (!held) access.guard().take(shard);
    access.unwatch(watched.db, key, transaction.watcher);
    if (!held) access.guard().release();
  }
  transaction.clear_watched();
  transaction.watcher.dirty.store(false, std::memory_order_relaxed);
  client.watch_count.store(0, std::memory_order_relaxed);
}

void discard_transaction(storage::Access& access, Client& client) {
  if (client.transaction == nullptr) return;
  leave_multi(access, client);
  unwatch_all(access, client);
  drop_if_unused(access, client);
}

CommandRows transaction_commands() {
  static constexpr CommandRow kRows[] = {
      {.name = "multi",
       .arity = 1,
       .flags = "noscript loading stale fast allow_busy",
       .keys = "",
       .categories = "@fast @transaction",
       .tips = "",
       .group = "transactions",
       .since = "1.2.0",
       .complexity = "O(1)",
       .summary = "Begins a transaction: commands are queued until EXEC.",
       .syntax = "",
       .traits = kNoTrait,
       .handler = multi},
      {.name = "exec",
       .arity = 1,
       .flags = "noscript loading stale skip_slowlog",
       .keys = "",
       .categories = "@slow @transaction",
       .tips = "",
       .group = "transactions",
       .since = "1.2.0",
       .complexity = "Depends on commands in the transaction",
       .summary = "Runs the queued commands as one, unless a watched key has changed.",
       .syntax = "",
       .traits = kOwnGuards,
       .handler = exec},
      {.name = "discard",
       .arity = 1,
       .flags = "noscript loading stale fast allow_busy",
       .keys = "",
       .categories = "@fast @transaction",
       .tips = "",
       .group = "transactions",
       .since = "2.0.0",
       .complexity = "O(N), when N is the number of queued commands",
       .summary = "Forgets the queued commands and all watched keys.",
       .syntax = "",
       .traits = kOwnGuards,
       .handler = discard},
      {.name = "watch",
       .arity = -2,
       .flags = "noscript loading stale fast allow_busy",
       .keys = "RO @1 range -1 1 0",
       .categories = "@fast @transaction",
       .tips = "",
       .group = "transactions",
       .since = "2.2.0",
       .complexity = "O(1) for every key.",
       .summary = "Makes the next EXEC depend on keys staying unchanged.",
       .syntax = "key...",
       .traits = kOwnGuards,
       .handler = watch},
      {.name = "unwatch",
       .arity = 1,
       .flags = "noscript loading stale fast allow_busy",
       .keys = "",
       .categories = "@fast @transaction",
       .tips = "",
       .group = "transactions",
       .since = "2.2.0",
       .complexity = "O(1)",
       .summary = "Forgets all watched keys.",
       .syntax = "",
       .traits = kNoTrait,
       .handler = unwatch},
  };
  return kRows;
}

}  // namespace cloakroom::server
