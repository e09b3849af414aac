#include "server/dispatch/dispatcher.h"

#include <algorithm>

#include "server/dispatch/admission.h"
#include "server/dispatch/monitor.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "storage/base/assert.h"

namespace cloakroom::server {

Dispatcher::Dispatcher(ServerState& server, Worker& worker) : server_(server), worker_(worker) {}

void Dispatcher::begin_turn() {
  CLOAKROOM_ASSERT(worker_.access.guard().held().empty());
  worker_.refresh_config();
  clock_cycles_ = cycle_count();
  command_cycles_ = clock_cycles_;
  worker_.access.read_clock();
  if (__builtin_expect(server_.append_log.on.load(std::memory_order_relaxed), 0)) worker_.look_at_log();
}

void Dispatcher::prepare(const Client& client, PreparedBatch& batch) {
  storage::Access& access = worker_.access;
  access.select(client.db.load(std::memory_order_relaxed));
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    const std::span<const std::string_view> args = batch.requests[i].args;
    PreparedBatch::Item& item = batch.items[i];
    item.command = server_.commands.find_line(args);
    item.has_key = item.command != nullptr && item.command->names_keys && item.command->first_key == 1 &&
                   args.size() > 1;
    if (!item.has_key) continue;
    access.schema().fill(batch.first_keys[i], args[1]);
    access.prefetch_bucket(batch.first_keys[i], item.command->is(kWrite));
  }
}

void Dispatcher::prefetch_entries(const Client& client, const PreparedBatch& batch, size_t from) {
  worker_.access.select(client.db.load(std::memory_order_relaxed));
  const size_t end = std::min(from + kWindow, batch.requests.size());
  for (size_t i = from; i < end; ++i) {
    if (batch.items[i].has_key) worker_.access.prefetch_entry(batch.first_keys[i]);
  }
}

Outcome Dispatcher::dispatch(Client& client, const PreparedBatch& batch, size_t index,
                             protocol::ReplyWriter& reply) {
  const PreparedBatch::Item& item = batch.items[index];
  const protocol::Request& request = batch.requests[index];
  return dispatch_prepared(client, item.command, request.args,
                           item.has_key ? &batch.first_keys[index] : nullptr, &request, reply);
}

Outcome Dispatcher::dispatch_parked(Client& client, const std::vector<std::string>& args,
                                    protocol::ReplyWriter& reply) {
  command_cycles_ = cycle_count();
  worker_.access.read_clock();
  const std::vector<std::string_view> views(args.begin(), args.end());
  return dispatch_prepared(client, server_.commands.find_line(views), views, nullptr, nullptr, reply);
}

Outcome Dispatcher::dispatch_prepared(Client& client, const Command* command,
                                      std::span<const std::string_view> args,
                                      const storage::KeyRef* first_key, const protocol::Request* request,
                                      protocol::ReplyWriter& reply) {
  const uint32_t flags = client.flags.load(std::memory_order_relaxed);
  if (__builtin_expect(flags & (Client::kReplyOff | Client::kReplySkip), 0)) reply.mute(true);
  Outcome outcome = Outcome::kDone;
  if (__builtin_expect(command == nullptr, 0)) {
    reject_unknown(worker_, client, args, reply);
  } else {
    keys_.start(worker_.access.schema(), first_key);
    Context ctx{server_,  worker_, client, worker_.access, *command->row,
                *command, args,    reply,  keys_,          request};
    outcome = dispatch_known(client, *command, ctx);
  }
  if (outcome == Outcome::kParked) return outcome;
  const uint32_t after = client.flags.load(std::memory_order_relaxed);
  if (__builtin_expect((flags | after) & (Client::kReplyOff | Client::kReplySkip | Client::kReplySkipNext),
                       0)) {
    client.set(Client::kReplySkip, client.is(Client::kReplySkipNext));
    client.set(Client::kReplySkipNext, false);
    reply.mute(false);
  }
  return outcome;
}

Outcome Dispatcher::dispatch_known(Client& client, const Command& command, Context& ctx) {
  client.last_command.store(command.row, std::memory_order_relaxed);
  try {
    if (reject(ctx)) return Outcome::kDone;
    respect_pause(ctx);
    return queue_or_call(client, command, ctx);
  } catch (const Parked&) {
    worker_.access.finish();
    return Outcome::kParked;
  }
}

Outcome Dispatcher::queue_or_call(Client& client, const Command& command, Context& ctx) {
  if (__builtin_expect(client.is(Client::kInMulti), 0) && !command.has(kNotQueued | kLeavesMulti)) {
    CLOAKROOM_ASSERT(client.transaction != nullptr);
    client.transaction->queue(command, ctx.args);
    client.multi_count.store(static_cast<uint32_t>(client.transaction->queued()), std::memory_order_relaxed);
    ctx.reply.simple("QUEUED");
    return Outcome::kDone;
  }
  call(client, ctx);
  return Outcome::kDone;
}

void Dispatcher::run_with_guards(Context& ctx) {
  const storage::GuardPlan plan = planner_.plan(ctx);
  if (plan.keys.empty() && !plan.everything) {
    ctx.row.handler(ctx);
    return;
  }
  if (!storage::take_guards(ctx.access, plan)) park_for_a_turn(ctx);
  respect_pause(ctx);
  for (;;) {
    try {
      ctx.row.handler(ctx);
      return;
    } catch (const storage::GuardsNeeded& needed) {
      ctx.access.finish();
      if (!storage::take_guards_again(ctx.access, plan, needed.shards)) park_for_a_turn(ctx);
    }
  }
}

void Dispatcher::call(Client& client, Context& ctx) {
  storage::Access& access = ctx.access;
  CLOAKROOM_ASSERT(access.guard().held().empty() && access.changes_in_command() == 0);
  access.select(client.db.load(std::memory_order_relaxed));
  access.set_touch(!client.is(Client::kNoTouch));
  const uint64_t errors_before = ctx.reply.errors();
  queued_errors_ = 0;
  if (GuardPlanner::plans(ctx.command)) {
    run_with_guards(ctx);
  } else {
    ctx.row.handler(ctx);
  }
  show_monitors(ctx);
  access.finish();
  if (__builtin_expect(worker_.has_mail, 0)) worker_.deliver_mail();  // its events come before what is next
  planner_.clear();
  account(client, ctx, errors_before + queued_errors_);
}

void Dispatcher::run_queued(Client& client, const Command& command, std::span<const std::string_view> args,
                            const storage::KeyRef* first_key, protocol::ReplyWriter& reply) {
  CLOAKROOM_ASSERT(!command.has(kNotQueued | kLeavesMulti));
  keys_.start(worker_.access.schema(), first_key);
  Context ctx{server_, worker_, client, worker_.access, *command.row, command, args, reply, keys_, nullptr};
  worker_.access.select(client.db.load(std::memory_order_relaxed));
  worker_.access.next_command();
  const uint64_t errors_before = reply.errors();
  command.row->handler(ctx);
  show_monitors(ctx);
  account(client, ctx, errors_before);
  queued_errors_ += reply.errors() - errors_before;
}

void Dispatcher::run_loaded(Client& client, const Command& command, std::span<const std::string_view> args,
                            const storage::KeyRef* first_key, protocol::ReplyWriter& reply) {
  storage::Access& access = worker_.access;
  keys_.start(access.schema(), first_key);
  Context ctx{server_, worker_, client, access, *command.row, command, args, reply, keys_, nullptr};
  access.select(client.db.load(std::memory_order_relaxed));
  if (GuardPlanner::plans(command)) {
    const bool taken = storage::take_guards(access, planner_.plan(ctx));
    CLOAKROOM_ASSERT(taken);  // nothing is due
  }
  command.row->handler(ctx);
  access.finish();
  planner_.clear();
}

void Dispatcher::show_monitors(const Context& ctx) {
  if (__builtin_expect(server_.monitors.load(std::memory_order_relaxed) == 0, 1)) return;
  if (!ctx.command.is(kSkipMonitor) && !ctx.command.is(kAdmin)) {
    feed_monitors(worker_, ctx.client, ctx.command, ctx.args);
  }
}

void Dispatcher::account(Client& client, Context& ctx, uint64_t errors_before) {
  const uint64_t now = cycle_count();
  const uint64_t spent = now - command_cycles_;
  command_cycles_ = now;
  CommandStats& stats = worker_.stats.commands[ctx.command.number];
  stats.calls.add();
  stats.cycles.add(spent);
  worker_.stats.commands_processed.add();
  if (__builtin_expect(ctx.reply.errors() != errors_before, 0)) {
    stats.failed.add();
    worker_.stats.count_error(ctx.reply.last_error_code());
  }
  const double spent_us = static_cast<double>(spent) * server_.us_per_cycle;
  const Config& config = worker_.config();
  if (config.latency_tracking) stats.latency.record(spent_us);
  if (__builtin_expect(spent_us >= 100, 0) || config.slowlog_log_slower_than < 100) {
    server_.note_slow(config, client, ctx, static_cast<int64_t>(spent_us));
  }
  refresh_clock(now);
}

// The wall clock is read again once a tenth of a millisecond has gone by; never inside EXEC.
void Dispatcher::refresh_clock(uint64_t cycles) {
  if (cycles - clock_cycles_ < server_.cycles_per_100us || !worker_.access.guard().held().empty()) return;
  clock_cycles_ = cycles;
  worker_.access.read_clock();
}

}  // namespace cloakroom::server
