#include <algorithm>
#include <vector>

#include "server/dispatch/arguments.h"
#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/connection/client_handlers.h"
#include "server/family/help.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

constexpr int64_t kLongestWaitMs = 100;  // between looks at the pause; a shutdown waits no longer than this

// One that goes on may close.
void resume_clients(Worker& worker) {
  std::vector<uint64_t> ids;
  worker.for_each_client([&](const Client& client) {
    if (client.is(Client::kParked)) ids.push_back(client.id);
  });
  for (const uint64_t id : ids) {
    if (Client* client = worker.find_client(id)) client->link.resume();
  }
}

// On the first thread, while there is a pause: ends it on time. As it begins, under all guards: else one that begins in the
// same moment would last without anybody to end it.
void watch_pause(ServerState& server) {
  if (server.stopping()) return;
  Worker& first = *server.workers[0];
  first.access.read_clock();
  first.access.guard().take_all();
  const int64_t left_ms = server.pause.until_ms.load() - first.steady_ms();
  if (left_ms <= 0) {
    server.pause.mode = Pause::kNoPause;
    server.keyspace->forbid_ending(storage::Keyspace::kPauseForbids, false);
  }
  first.access.finish();
  if (left_ms > 0) {
    return first.run_after(std::min(left_ms, kLongestWaitMs), [&server] { watch_pause(server); });
  }
  for (Worker* worker : server.workers) worker->post([worker] { resume_clients(*worker); });
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
  const bool watched = pause.mode.load() != Pause::kNoPause;
  const bool running = watched && pause.until_ms.load() > now_ms;
  if (!running && until_ms == 0) return ctx.reply.ok();
  // A running pause only gets longer and wider.
  pause.until_ms = running ? std::max(pause.until_ms.load(), until_ms) : until_ms;
  pause.mode = running ? std::max(pause.mode.load(), mode) : mode;
  ctx.server.keyspace->forbid_ending(storage::Keyspace::kPauseForbids, true);
  if (!watched) {
    Worker& first = *ctx.server.workers[0];
    first.append_task([&server = ctx.server] { watch_pause(server); });
    ctx.worker.wake_later(first);
  }
  ctx.reply.ok();
}

void client_unpause_command(Context& ctx) {
  ctx.server.pause.until_ms = 0;  // what watches the pause ends it soon
  ctx.server.keyspace->forbid_ending(storage::Keyspace::kPauseForbids, false);
  for (Worker* worker : ctx.server.workers) {
    worker->append_task([worker] { resume_clients(*worker); });
    ctx.worker.wake_later(*worker);
  }
  ctx.reply.ok();
}

}  // namespace cloakroom::server
