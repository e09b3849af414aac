#include <utility>

#include "server/dispatch/admission.h"
#include "server/dispatch/client.h"
#include "server/dispatch/context.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/guard_planner.h"
#include "server/dispatch/worker.h"
#include "server/family/families.h"

namespace cloakroom::server {
namespace {

using storage::KeyRef;

Transaction& transaction_of(Client& client) {
  if (client.transaction == nullptr) client.transaction = std::make_unique<Transaction>();
  return *client.transaction;
}

void multi(Context& ctx) {
  if (ctx.client.is(Client::kInMulti)) return ctx.reply.error("ERR MULTI calls can not be nested");
  if (ctx.client.transaction == nullptr) ctx.client.transaction = ctx.worker.spare_transactions.take();
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
    if (!storage::take_guards(ctx.access, {.keys = {&use, 1}, .members = {}})) park_for_a_turn(ctx);
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
  for (size_t i = 0; i < transaction.queued(); ++i) {
    const bool unread = ctx.reply.overflowed() && transaction.command(i).is(kReadonly);
    if (unread) continue;
    const ExecScratch::Range args = scratch.command_args[i];
    const KeyRef* first_key =
        scratch.first_keys[i] < 0 ? nullptr : &scratch.keys[static_cast<size_t>(scratch.first_keys[i])];
    ctx.worker.dispatcher.run_queued(ctx.client, transaction.command(i),
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
    ExecScratch& scratch = ctx.worker.exec_scratch;
    const EndOfScratch end{ctx.access, scratch};
    if (!storage::take_guards(ctx.access, plan_queue(ctx, transaction, scratch))) park_for_a_turn(ctx);
    respect_pause(ctx);
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
       .traits = kNotQueued,
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
       .traits = kOwnGuards | kLeavesMulti | kRunsQueue,
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
       .traits = kOwnGuards | kLeavesMulti,
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
       .traits = kOwnGuards | kNotQueued,
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
