#include "server/dispatch/dispatcher.h"

#include <fmt/format.h>

#include <algorithm>

#include "server/dispatch/errors.h"
#include "server/family/admin/server_handlers.h"
#include "server/net/io_thread.h"
#include "server/server.h"
#include "storage/base/nocase.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::server {
namespace {

constexpr size_t kUnknownCommandShown = 128;  // bytes of a name and of its arguments in the error

std::string_view up_to_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

// What a command with very many keys needed is not kept.
template <class T>
void empty(std::vector<T>& items) {
  constexpr size_t kKeptItems = 1024;
  items.clear();
  if (__builtin_expect(items.capacity() > kKeptItems, 0)) items.shrink_to_fit();
}

// Commands that MULTI does not queue.
bool runs_inside_multi(const Command& command) {
  const std::string_view name = command.full_name;
  return name == "exec" || name == "discard" || name == "multi" || name == "watch" || name == "quit" ||
         name == "reset";
}

// Commands that a full memory cannot keep a client from: the ways out of MULTI.
bool leaves_multi(const Command& command) {
  const std::string_view name = command.full_name;
  return name == "exec" || name == "discard" || name == "quit" || name == "reset";
}

}  // namespace

Dispatcher::Dispatcher(Server& server, IoThread& thread) : server_(server), thread_(thread) {}

const Command* Dispatcher::find_command(std::span<const std::string_view> args) const {
  const Command* command = server_.commands.find(args[0]);
  if (command == nullptr || command->subcommands.empty() || args.size() < 2) return command;
  return server_.commands.find_sub(*command, args[1]);
}

void Dispatcher::begin_turn() {
  thread_.refresh_config();
  clock_cycles_ = cycle_count();
  command_cycles_ = clock_cycles_;
  thread_.access.read_clock();
}

void Dispatcher::prepare(const Client& client, PreparedBatch& batch) {
  storage::Access& access = thread_.access;
  access.select(client.db.load(std::memory_order_relaxed));
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    const std::span<const std::string_view> args = batch.requests[i].args;
    PreparedBatch::Item& item = batch.items[i];
    item.command = find_command(args);
    item.has_key = item.command != nullptr && item.command->first_key == 1 && args.size() > 1;
    if (!item.has_key) continue;
    access.schema().fill(batch.first_keys[i], args[1]);
    access.prefetch_bucket(batch.first_keys[i], item.command->is(kWrite));
  }
}

void Dispatcher::prefetch_entries(const Client& client, const PreparedBatch& batch, size_t from) {
  thread_.access.select(client.db.load(std::memory_order_relaxed));
  const size_t end = std::min(from + kWindow, batch.requests.size());
  for (size_t i = from; i < end; ++i) {
    if (batch.items[i].has_key) thread_.access.prefetch_entry(batch.first_keys[i]);
  }
}

Outcome Dispatcher::dispatch(Client& client, const PreparedBatch& batch, size_t index,
                             protocol::ReplyWriter& reply) {
  const PreparedBatch::Item& item = batch.items[index];
  const protocol::Request& request = batch.requests[index];
  return dispatch_prepared(client, item.command, request.args,
                           item.has_key ? &batch.first_keys[index] : nullptr, &request, reply);
}

Outcome Dispatcher::dispatch_held(Client& client, const std::vector<std::string>& args,
                                  protocol::ReplyWriter& reply) {
  command_cycles_ = cycle_count();
  thread_.access.read_clock();
  const std::vector<std::string_view> views(args.begin(), args.end());
  return dispatch_prepared(client, find_command(views), views, nullptr, nullptr, reply);
}

Outcome Dispatcher::dispatch_prepared(Client& client, const Command* command,
                                      std::span<const std::string_view> args,
                                      const storage::KeyRef* first_key, const protocol::Request* request,
                                      protocol::ReplyWriter& reply) {
  const uint32_t flags = client.flags.load(std::memory_order_relaxed);
  if (__builtin_expect(flags & (Client::kReplyOff | Client::kReplySkip), 0)) reply.mute(true);
  Outcome outcome = Outcome::kDone;
  if (__builtin_expect(command == nullptr, 0)) {
    unknown_command(client, args, reply);
  } else {
    keys_.start(thread_.access.schema(), first_key);
    Context ctx{server_,  thread_, client, thread_.access, *command->row,
                *command, args,    reply,  keys_,          request};
    outcome = dispatch_known(client, *command, ctx);
  }
  if (outcome == Outcome::kPaused) return outcome;
  const uint32_t after = client.flags.load(std::memory_order_relaxed);
  if (__builtin_expect((flags | after) & (Client::kReplyOff | Client::kReplySkip | Client::kReplySkipNext),
                       0)) {
    client.set(Client::kReplySkip, client.is(Client::kReplySkipNext));
    client.set(Client::kReplySkipNext, false);
    reply.mute(false);
  }
  return outcome;
}

void Dispatcher::unknown_command(Client& client, std::span<const std::string_view> args,
                                 protocol::ReplyWriter& reply) {
  if (equals_nocase(args[0], "post") || equals_nocase(args[0], "host:")) {
    client.set(Client::kCloseNow,
               true);  // a browser made to talk to us: as in Redis, nothing behind it is run
    return;
  }
  const Command* container = server_.commands.find(args[0]);
  if (container != nullptr) {
    const std::string name = upper(container->full_name);
    reject_with(client, nullptr, reply,
                fmt::format("ERR unknown subcommand '{}'. Try {} HELP.",
                            up_to_nul(args[1]).substr(0, kUnknownCommandShown), name));
    return;
  }
  std::string shown;
  for (size_t i = 1; i < args.size() && shown.size() < kUnknownCommandShown; ++i) {
    shown += '\'';
    shown += up_to_nul(args[i]).substr(0, kUnknownCommandShown - (shown.size() - 1));
    shown += "' ";
  }
  reject_with(client, nullptr, reply,
              fmt::format("ERR unknown command '{}', with args beginning with: {}",
                          up_to_nul(args[0]).substr(0, kUnknownCommandShown), shown));
}

// An error before the command ran: counted as rejected, and it spoils a transaction being queued.
void Dispatcher::reject_with(Client& client, const Command* command, protocol::ReplyWriter& reply,
                             std::string_view error) {
  if (command != nullptr && command->full_name == "exec" && client.is(Client::kInMulti)) {
    discard_transaction(thread_.access, client);
    const std::string_view why = error.starts_with("ERR ") ? error.substr(4) : error;
    reply.error(fmt::format("EXECABORT Transaction discarded because of: {}", why));
  } else {
    reply.error(error);
    if (client.is(Client::kInMulti)) client.set(Client::kDirtyExec, true);
  }
  if (command != nullptr) thread_.stats.commands[command->number].rejected.add();
  thread_.stats.count_error(reply.last_error_code());
}

// Whether a full memory keeps the client from the command.
bool Dispatcher::takes_memory(const Client& client, const Command& command) {
  if (!client.is(Client::kInMulti)) return command.is(kDenyOom);
  if (!leaves_multi(command)) return true;
  if (command.full_name != "exec") return false;
  bool any = false;
  for (size_t i = 0; i < client.transaction->queued(); ++i) {
    any = any || client.transaction->command(i).is(kDenyOom);
  }
  return any;
}

bool Dispatcher::reject_for_memory(Client& client, const Command& command, Context& ctx) {
  if (thread_.config().maxmemory == 0) return false;
  // Big arguments were counted while they were read, and still are.
  const size_t counted = client.query_memory.load(std::memory_order_relaxed);
  const size_t bytes = ctx.request == nullptr ? 0 : ctx.request->wire_bytes;
  const size_t argument_bytes = bytes - std::min(bytes, counted);
  switch (thread_.memory_limit.admit(takes_memory(client, command), argument_bytes)) {
    case MemoryLimit::Verdict::kRun:
      return false;
    case MemoryLimit::Verdict::kWait:
      thread_.memory_limit.wait(client);
      throw HeldBack{};
    case MemoryLimit::Verdict::kRefuse:
      break;
  }
  reject_with(client, &command, ctx.reply, errors::kOutOfMemory);
  return true;
}

// A monitoring client counts as a replica: it may not touch keys.
bool Dispatcher::reject_for_monitor(Client& client, const Command& command, Context& ctx) {
  const auto touches_keys = [](const Command& c) {
    return c.is(kWrite) || c.is(kMayReplicate) || c.is(kReadonly);
  };
  bool denied = touches_keys(command);
  if (command.full_name == "exec" && client.transaction != nullptr) {
    for (size_t i = 0; i < client.transaction->queued(); ++i) {
      denied = denied || touches_keys(client.transaction->command(i));
    }
  }
  if (denied) reject_with(client, &command, ctx.reply, "ERR Replica can't interact with the keyspace");
  return denied;
}

// enable-debug-command: not for everybody.
bool Dispatcher::reject_debug(Client& client, const Command& command, Context& ctx) {
  if (command.row->handler != debug_command) return false;
  const AllowFor allowed = thread_.config().enable_debug_command;
  if (allowed == AllowFor::kEverybody || (allowed == AllowFor::kLocal && client.is_local())) return false;
  reject_with(
      client, &command, ctx.reply,
      "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it "
      "from a local connection, otherwise you need to set this option in the configuration file, and then "
      "restart the server.");
  return true;
}

// The rules before a command runs. True when it was answered with an error.
bool Dispatcher::reject(Client& client, const Command& command, Context& ctx) {
  const int arity = command.row->arity;
  const auto count = static_cast<int>(ctx.args.size());
  if (__builtin_expect((arity > 0 && count != arity) || count < -arity, 0)) {
    reject_with(client, &command, ctx.reply,
                fmt::format("ERR wrong number of arguments for '{}' command", command.full_name));
    return true;
  }
  if (__builtin_expect(command.is(kAdmin), 0) && reject_debug(client, command, ctx)) return true;
  if (__builtin_expect(!client.is(Client::kAuthenticated) && !command.is(kNoAuth), 0)) {
    if (!thread_.config().requirepass.empty()) {
      reject_with(client, &command, ctx.reply, errors::kNoAuth);
      return true;
    }
    client.set(Client::kAuthenticated, true);  // the password was removed meanwhile
  }
  if (__builtin_expect(command.is(kNoMulti) && client.is(Client::kInMulti), 0)) {
    reject_with(client, &command, ctx.reply, "ERR Command not allowed inside a transaction");
    return true;
  }
  return reject_for_memory(client, command, ctx) ||
         (__builtin_expect(client.is(Client::kMonitor), 0) && reject_for_monitor(client, command, ctx));
}

Outcome Dispatcher::dispatch_known(Client& client, const Command& command, Context& ctx) {
  client.last_command.store(command.row, std::memory_order_relaxed);
  try {
    if (reject(client, command, ctx)) return Outcome::kDone;
    respect_pause(client, command);
    return queue_or_call(client, command, ctx);
  } catch (const HeldBack&) {
    thread_.access.finish();
    return Outcome::kPaused;
  }
}

void Dispatcher::respect_pause(const Client& client, const Command& command) const {
  const uint8_t paused = server_.pause.mode.load(std::memory_order_relaxed);
  if (__builtin_expect(paused == Pause::kNoPause, 1)) return;
  if (server_.pause.until_ms.load() <= thread_.access.steady_ms()) return;
  bool writes = command.is(kWrite) || command.is(kMayReplicate);
  if (command.full_name == "exec" && client.transaction != nullptr) writes = client.transaction->writes();
  if (paused == Pause::kPauseAll || writes) throw HeldBack{};
}

void Dispatcher::hold_back_a_turn(Client& client) const {
  client.set(Client::kWaitsForTurn, true);
  thread_.resume_next_turn(client.id);
  throw HeldBack{};
}

Outcome Dispatcher::queue_or_call(Client& client, const Command& command, Context& ctx) {
  if (__builtin_expect(client.is(Client::kInMulti), 0) && !runs_inside_multi(command)) {
    client.transaction->queue(command, ctx.args);
    client.multi_count.store(static_cast<uint32_t>(client.transaction->queued()), std::memory_order_relaxed);
    ctx.reply.simple("QUEUED");
    return Outcome::kDone;
  }
  call(client, ctx);
  return Outcome::kDone;
}

void Dispatcher::make_plan(Context& ctx, storage::GuardPlan& plan) {
  const CommandRow& row = ctx.row;
  key_args_.clear();  // of one that was held back
  uses_.clear();
  if (ctx.command.one_key) {
    uses_.push_back({&ctx.key(1), ctx.command.keys[0].writes(), ctx.access.db()});
  } else {
    collect_keys(ctx.command, ctx.args, key_args_);
    for (const KeyArg& arg : key_args_) uses_.push_back({&ctx.key(arg.index), arg.write, ctx.access.db()});
  }
  if (row.traits & kNamesMembers) {
    for (storage::KeyUse& use : uses_) use.whole = false;
  }
  plan.keys = uses_;
  plan.ends_keys = (row.traits & kEndsKeys) != 0 || uses_.size() > 1;
  plan.everything = (row.traits & kAllGuards) != 0;
  if (row.traits & kMembersFrom2) plan.members = ctx.args.subspan(2);
  if (row.traits & kMemberAt3) plan.members = ctx.args.subspan(3);
  if (row.traits & kStoresSet) {
    for (const storage::KeyUse& use : uses_) {
      plan.everything =
          plan.everything || (use.write && storage::SessionIndex::concerns(ctx.access, *use.key));
    }
  }
}

void Dispatcher::run_with_guards(Context& ctx) {
  storage::GuardPlan plan;
  make_plan(ctx, plan);
  if (plan.keys.empty() && !plan.everything) {
    ctx.row.handler(ctx);
    return;
  }
  if (!storage::take_guards(ctx.access, plan)) hold_back_a_turn(ctx.client);
  respect_pause(ctx.client, ctx.command);
  for (;;) {
    try {
      ctx.row.handler(ctx);
      return;
    } catch (const storage::GuardsNeeded& needed) {
      ctx.access.finish();
      if (!storage::take_guards_again(ctx.access, plan, needed.shards)) hold_back_a_turn(ctx.client);
    }
  }
}

void Dispatcher::call(Client& client, Context& ctx) {
  storage::Access& access = ctx.access;
  access.select(client.db.load(std::memory_order_relaxed));
  access.set_touch(!client.is(Client::kNoTouch));
  const uint64_t errors_before = ctx.reply.errors();
  queued_errors_ = 0;
  const bool keyless = ctx.command.keys.empty() && (ctx.row.traits & kAllGuards) == 0;
  if (keyless || (ctx.row.traits & kOwnGuards) != 0) {
    ctx.row.handler(ctx);
  } else {
    run_with_guards(ctx);
  }
  if (__builtin_expect(server_.monitors.load(std::memory_order_relaxed) != 0, 0) &&
      !ctx.command.is(kSkipMonitor) && !ctx.command.is(kAdmin)) {
    server_.feed_monitors(thread_, client, ctx.command, ctx.args);
  }
  access.finish();
  empty(key_args_);
  empty(uses_);
  account(client, ctx, errors_before + queued_errors_);
}

void Dispatcher::run_queued(Client& client, const Command& command, std::span<const std::string_view> args,
                            const storage::KeyRef* first_key, protocol::ReplyWriter& reply) {
  keys_.start(thread_.access.schema(), first_key);
  Context ctx{server_, thread_, client, thread_.access, *command.row, command, args, reply, keys_, nullptr};
  thread_.access.select(client.db.load(std::memory_order_relaxed));
  const uint64_t errors_before = reply.errors();
  command.row->handler(ctx);
  if (server_.monitors.load(std::memory_order_relaxed) != 0 && !command.is(kSkipMonitor) &&
      !command.is(kAdmin)) {
    server_.feed_monitors(thread_, client, command, args);
  }
  account(client, ctx, errors_before);
  queued_errors_ += reply.errors() - errors_before;
}

void Dispatcher::account(Client& client, Context& ctx, uint64_t errors_before) {
  const uint64_t now = cycle_count();
  const uint64_t spent = now - command_cycles_;
  command_cycles_ = now;
  CommandStats& stats = thread_.stats.commands[ctx.command.number];
  stats.calls.add();
  stats.cycles.add(spent);
  thread_.stats.commands_processed.add();
  if (__builtin_expect(ctx.reply.errors() != errors_before, 0)) {
    stats.failed.add();
    thread_.stats.count_error(ctx.reply.last_error_code());
  }
  const double spent_us = static_cast<double>(spent) * server_.us_per_cycle;
  const Config& config = thread_.config();
  if (config.latency_tracking) stats.latency.record(spent_us);
  if (__builtin_expect(spent_us >= 100, 0) || config.slowlog_log_slower_than < 100) {
    server_.note_slow(thread_, client, ctx, static_cast<int64_t>(spent_us));
  }
  refresh_clock(now);
}

// The wall clock is read again once a tenth of a millisecond has gone by; never inside EXEC.
void Dispatcher::refresh_clock(uint64_t cycles) {
  if (cycles - clock_cycles_ < server_.cycles_per_100us || !thread_.access.guard().held().empty()) return;
  clock_cycles_ = cycles;
  thread_.access.read_clock();
}

}  // namespace cloakroom::server
