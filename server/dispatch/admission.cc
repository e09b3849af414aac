#include "server/dispatch/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

constexpr size_t kUnknownCommandShown = 128;  // bytes of a name and of its arguments in the error

std::string_view up_to_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

// Whether the command, or what it would run of the queue, is one of those.
template <class Wanted>
bool any_to_run(const Context& ctx, Wanted&& wanted) {
  if (wanted(ctx.command)) return true;
  const Transaction* transaction = ctx.client.transaction.get();
  if (!ctx.command.has(kRunsQueue) || transaction == nullptr) return false;
  for (size_t i = 0; i < transaction->queued(); ++i) {
    if (wanted(transaction->command(i))) return true;
  }
  return false;
}

// An error before the command ran; it spoils a transaction being queued.
void answer_instead(Worker& worker, Client& client, protocol::ReplyWriter& reply, std::string_view error) {
  reply.error(error);
  if (client.is(Client::kInMulti)) client.set(Client::kDirtyExec, true);
  worker.stats.count_error(reply.last_error_code());
}

// The same, counted as a rejected call of the command. Always true.
bool reject_with(Context& ctx, std::string_view error) {
  ctx.worker.stats.commands[ctx.command.number].rejected.add();
  if (!ctx.command.has(kRunsQueue)) {
    answer_instead(ctx.worker, ctx.client, ctx.reply, error);
    return true;
  }
  discard_transaction(ctx.access, ctx.client);
  const std::string_view why = error.starts_with("ERR ") ? error.substr(4) : error;
  answer_instead(ctx.worker, ctx.client, ctx.reply,
                 fmt::format("EXECABORT Transaction discarded because of: {}", why));
  return true;
}

// Whether a full memory keeps the client from the command.
bool takes_memory(const Context& ctx) {
  if (ctx.client.is(Client::kInMulti) && !ctx.command.has(kLeavesMulti)) return true;
  return any_to_run(ctx, [](const Command& command) { return command.is(kDenyOom); });
}

bool reject_for_memory(Context& ctx) {
  Worker& worker = ctx.worker;
  if (worker.config().maxmemory == 0) return false;
  // Big arguments were counted while they were read, and still are.
  const size_t counted = ctx.client.query_memory.load(std::memory_order_relaxed);
  const size_t bytes = ctx.request == nullptr ? 0 : ctx.request->wire_bytes;
  switch (worker.memory_limit.admit(takes_memory(ctx), bytes - std::min(bytes, counted))) {
    case MemoryLimit::Verdict::kRun:
      return false;
    case MemoryLimit::Verdict::kWait:
      worker.memory_limit.wait(ctx.client);
      throw Parked{};
    case MemoryLimit::Verdict::kRefuse:
      break;
  }
  return reject_with(ctx, errors::kOutOfMemory);
}

// The log takes nothing: who would write waits, or is refused when the disk said no. As in Redis PING tells of it.
bool reject_for_log(Context& ctx) {
  const LogLink& log = ctx.server.append_log;
  if (!log.on.load(std::memory_order_relaxed)) return false;
  const int error = log.state.write_error.load(std::memory_order_relaxed);
  if (error != 0 && ctx.command.has(kTellsOfDisk)) return reject_with(ctx, errors::log_failed(error));
  if (log.takes_writes(ctx.server.clock.monotonic_us())) return false;
  const auto writes = [](const Command& command) { return command.is(kWrite); };
  if (!any_to_run(ctx, writes)) return false;
  if (error != 0) return reject_with(ctx, errors::log_failed(error));
  if (ctx.client.is(Client::kInMulti) && !ctx.command.has(kLeavesMulti)) return false;  // it is only queued
  ctx.worker.log_waiters.wait_for_room(ctx.client);
  throw Parked{};
}

bool reject_while_loading(Context& ctx) {
  if (ctx.command.is(kLoading)) return false;
  return reject_with(ctx, errors::kLoading);
}

// There are no replicas: who asks for some to be there does not want to write.
bool reject_for_replicas(Context& ctx) {
  const Config& config = ctx.worker.config();
  if (config.min_replicas_max_lag_s == 0) return false;
  const auto writes = [](const Command& command) { return command.is(kWrite); };
  return any_to_run(ctx, writes) && reject_with(ctx, errors::kNoReplicas);
}

// A monitoring client counts as a replica: it may not touch keys.
bool reject_for_monitor(Context& ctx) {
  const auto touches_keys = [](const Command& command) {
    return command.is(kWrite) || command.has(kMayReplicate) || command.is(kReadonly);
  };
  return any_to_run(ctx, touches_keys) && reject_with(ctx, "ERR Replica can't interact with the keyspace");
}

// In RESP2 nothing tells a message from a reply: who is subscribed may send little else.
bool reject_for_subscriber(Context& ctx) {
  if (ctx.reply.resp3() || ctx.command.has(kWhileSubscribed)) return false;
  return reject_with(
      ctx, fmt::format("ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                       "RESET are allowed in this context",
                       ctx.command.full_name));
}

// enable-debug-command: not for everybody.
bool reject_debug(Context& ctx) {
  if (!ctx.command.has(kDebugs)) return false;
  const AllowFor allowed = ctx.worker.config().enable_debug_command;
  if (allowed == AllowFor::kEverybody || (allowed == AllowFor::kLocal && ctx.client.is_local())) return false;
  return reject_with(
      ctx,
      "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it "
      "from a local connection, otherwise you need to set this option in the configuration file, and then "
      "restart the server.");
}

bool reject_unauthenticated(Context& ctx) {
  if (!ctx.worker.config().requirepass.empty()) return reject_with(ctx, errors::kNoAuth);
  ctx.client.set(Client::kAuthenticated, true);  // the password was removed meanwhile
  return false;
}

}  // namespace

bool reject(Context& ctx) {
  const Command& command = ctx.command;
  const Client& client = ctx.client;
  if (__builtin_expect(!ctx.row.takes(ctx.args.size()), 0)) {
    return reject_with(ctx, fmt::format("ERR wrong number of arguments for '{}' command", command.full_name));
  }
  if (__builtin_expect(command.is(kAdmin), 0) && reject_debug(ctx)) return true;
  if (__builtin_expect(!client.is(Client::kAuthenticated) && !command.is(kNoAuth), 0) &&
      reject_unauthenticated(ctx)) {
    return true;
  }
  if (__builtin_expect(command.is(kNoMulti) && client.is(Client::kInMulti), 0)) {
    return reject_with(ctx, "ERR Command not allowed inside a transaction");
  }
  return reject_for_memory(ctx) || reject_for_log(ctx) ||
         (__builtin_expect(ctx.worker.config().min_replicas_to_write != 0, 0) && reject_for_replicas(ctx)) ||
         (__builtin_expect(client.is(Client::kSubscriber), 0) && reject_for_subscriber(ctx)) ||
         (__builtin_expect(ctx.server.loading.load(std::memory_order_relaxed), 0) &&
          reject_while_loading(ctx)) ||
         (__builtin_expect(client.is(Client::kMonitor), 0) && reject_for_monitor(ctx));
}

void reject_unknown(Worker& worker, Client& client, std::span<const std::string_view> args,
                    protocol::ReplyWriter& reply) {
  // A browser made to talk to us: as in Redis, nothing behind it is run.
  if (equals_nocase(args[0], "post") || equals_nocase(args[0], "host:")) {
    client.set(Client::kCloseNow, true);
    return;
  }
  if (const Command* container = worker.server.commands.find(args[0])) {
    const std::string_view shown = up_to_nul(args[1]).substr(0, kUnknownCommandShown);
    answer_instead(
        worker, client, reply,
        fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", shown, upper(container->full_name)));
    return;
  }
  std::string shown;
  for (size_t i = 1; i < args.size() && shown.size() < kUnknownCommandShown; ++i) {
    shown += '\'';
    shown += up_to_nul(args[i]).substr(0, kUnknownCommandShown - (shown.size() - 1));
    shown += "' ";
  }
  answer_instead(worker, client, reply,
                 fmt::format("ERR unknown command '{}', with args beginning with: {}",
                             up_to_nul(args[0]).substr(0, kUnknownCommandShown), shown));
}

void respect_pause(const Context& ctx) {
  const Pause& pause = ctx.server.pause;
  const uint8_t mode = pause.mode.load(std::memory_order_relaxed);
  if (__builtin_expect(mode == Pause::kNoPause, 1)) return;
  if (pause.until_ms.load() <= ctx.access.steady_ms()) return;
  bool writes = ctx.command.is(kWrite) || ctx.command.has(kMayReplicate);
  if (ctx.command.has(kRunsQueue) && ctx.client.transaction != nullptr) {
    writes = ctx.client.transaction->writes();
  }
  if (mode == Pause::kPauseAll || writes) throw Parked{};
}

void park_for_a_turn(const Context& ctx) {
  ctx.worker.resume_next_turn(ctx.client);
  throw Parked{};
}

}  // namespace cloakroom::server
