#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "server/dispatch/arguments.h"
#include "server/family/connection/client_handlers.h"
#include "server/family/help.h"
#include "server/net/connection.h"
#include "server/net/io_thread.h"
#include "server/server.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

constexpr int64_t kLongestWaitMs = 100;  // between looks at the pause; a shutdown waits no longer than this

// A connection that goes on may close.
void resume_connections(IoThread& thread) {
  std::vector<uint64_t> ids;
  for (const auto& [id, connection] : thread.connections) {
    if (connection->client().is(Client::kPaused)) ids.push_back(id);
  }
  for (const uint64_t id : ids) {
    const auto at = thread.connections.find(id);
    if (at != thread.connections.end()) at->second->pause_ended();
  }
}

// On thread 0, while a pause lasts: ends it on time.
void watch_pause(Server& server) {
  if (server.stopping() || server.pause.mode.load() == Pause::kNoPause) return;
  const int64_t left_ms = server.pause.until_ms.load() - server.threads[0]->steady_ms();
  if (left_ms <= 0) {
    server.pause.mode = Pause::kNoPause;
    server.keyspace->may_end_keys = true;
    server.on_all_threads(resume_connections);
    return;
  }
  auto timer = std::make_shared<boost::asio::steady_timer>(
      server.threads[0]->context, std::chrono::milliseconds(std::min(left_ms, kLongestWaitMs)));
  timer->async_wait([&server, timer](const boost::system::error_code&) { watch_pause(server); });
}

}  // namespace

// Runs under all guards: when it answers no write is under way, no key expires and none is evicted. As in
// Redis a key whose deadline passes meanwhile is missing to who reads it, and ends when the pause does.
void client_pause_command(Context& ctx) {
  if (ctx.argc() > 4) return reply_subcommand_syntax(ctx);
  uint8_t mode = Pause::kPauseAll;
  if (ctx.argc() == 4) {
    if (equals_nocase(ctx.arg(3), "write")) {
      mode = Pause::kPauseWrites;
    } else if (!equals_nocase(ctx.arg(3), "all")) {
      return ctx.reply.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  int64_t timeout_ms = 0;
  if (!parse_integer_arg(ctx, 2, timeout_ms, "ERR timeout is not an integer or out of range")) return;
  if (timeout_ms < 0) return ctx.reply.error("ERR timeout is negative");
  const int64_t now_ms = ctx.access.steady_ms();
  int64_t until_ms = 0;  // 0, and what overflows, is no pause by itself
  if (timeout_ms > 0 && __builtin_add_overflow(timeout_ms, now_ms, &until_ms)) until_ms = 0;
  Pause& pause = ctx.server.pause;
  const bool running = pause.mode.load() != Pause::kNoPause && pause.until_ms.load() > now_ms;
  if (!running && until_ms == 0) return ctx.reply.ok();
  // A running pause only gets longer and wider.
  pause.until_ms = running ? std::max(pause.until_ms.load(), until_ms) : until_ms;
  pause.mode = running ? std::max(pause.mode.load(), mode) : mode;
  ctx.server.keyspace->may_end_keys = false;
  if (!running) {
    IoThread& first = *ctx.server.threads[0];
    first.append_task([&server = ctx.server] { watch_pause(server); });
    ctx.thread.wake_later(first);
  }
  ctx.reply.ok();
}

void client_unpause_command(Context& ctx) {
  ctx.server.pause.mode = Pause::kNoPause;
  ctx.server.keyspace->may_end_keys = true;
  for (const auto& thread : ctx.server.threads) {
    thread->append_task([&target = *thread] { resume_connections(target); });
    ctx.thread.wake_later(*thread);
  }
  ctx.reply.ok();
}

}  // namespace cloakroom::server
