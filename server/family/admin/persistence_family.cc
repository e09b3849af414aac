#include "server/dispatch/admission.h"
#include "server/dispatch/arguments.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/server_handlers.h"
#include "server/persist/persistence.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

void lastsave(Context& ctx) { ctx.reply.integer(ctx.server.start_ms / 1000); }

// No replica can be attached yet, so none will acknowledge: answers at once, without waiting for the timeout.
void wait(Context& ctx) {
  int64_t replicas = 0;
  int64_t timeout_ms = 0;
  if (!parse_integer_arg(ctx, 1, replicas)) return;
  if (!parse_integer_arg(ctx, 2, timeout_ms, "ERR timeout is not an integer or out of range")) return;
  if (timeout_ms < 0) return ctx.reply.error("ERR timeout is negative");
  ctx.reply.integer(0);
}

// WAITAOF of Redis 7.2: its local part. What nothing is promised of, appendfsync no, is not waited for.
void waitaof(Context& ctx) {
  int64_t local = 0;
  int64_t replicas = 0;
  int64_t timeout_ms = 0;
  if (!parse_ranged_arg(ctx, 1, 0, 1, local) || !parse_positive_arg(ctx, 2, replicas)) return;
  if (!parse_integer_arg(ctx, 3, timeout_ms, "ERR timeout is not an integer or out of range")) return;
  if (timeout_ms < 0) return ctx.reply.error("ERR timeout is negative");
  const LogLink& log = ctx.server.append_log;
  if (local == 1 && !log.on.load()) {
    return ctx.reply.error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
  }
  const bool waits = local == 1 && !ctx.in_exec();
  const bool synced = ctx.worker.log_waiters.wait_for_sync(ctx.client, waits, timeout_ms);
  ctx.reply.array(2);
  ctx.reply.integer(synced ? 1 : 0);
  ctx.reply.integer(0);
}

void no_persistence(Context& ctx) { ctx.reply.error("ERR Persistence is not supported yet by Cloakroom"); }

void bgrewriteaof(Context& ctx) {
  switch (ctx.server.persistence->rewrite()) {
    case Persistence::Asked::kBegins:
      return ctx.reply.simple("Background append only file rewriting started");
    case Persistence::Asked::kUnderWay:
      return ctx.reply.error("ERR Background append only file rewriting already in progress");
    case Persistence::Asked::kNoLog:
      return ctx.reply.error(
          "ERR Background append only file rewriting needs the append-only file: appendonly is no");
  }
}

void bgsave(Context& ctx) {
  if (ctx.argc() > 1 && !(ctx.argc() == 2 && equals_nocase(ctx.arg(1), "schedule"))) {
    return ctx.reply.error(errors::kSyntax);
  }
  no_persistence(ctx);
}

constexpr const char* kAcl = "@admin @slow @dangerous";

constexpr CommandRow kRows[] = {
    {"lastsave", 1, "loading stale fast", "", "@admin @fast @dangerous", "nondeterministic_output", "server",
     "1.0.0", "O(1)", "Answers when data was last saved.", "", kNoTrait, lastsave},
    {"save", 1, "admin noscript no_async_loading no_multi", "", kAcl, "", "server", "1.0.0",
     "O(N) where N is the total number of keys in all databases", "Saves all data before it answers.", "",
     kNoTrait, no_persistence},
    {"bgsave", -1, "admin noscript no_async_loading", "", kAcl, "", "server", "1.0.0", "O(1)",
     "Saves all data in the background.", "[SCHEDULE{since=3.2.2}]", kNoTrait, bgsave},
    {"bgrewriteaof", 1, "admin noscript no_async_loading", "", kAcl, "", "server", "1.0.0", "O(1)",
     "Rewrites the append-only log in the background.", "", kNoTrait, bgrewriteaof},
    {"wait", 3, "noscript", "", "@slow @connection", "request_policy:all_shards response_policy:agg_min",
     "generic", "3.0.0", "O(1)", "Waits until replicas have the connection's writes.", "numreplicas timeout",
     kNoTrait, wait},
    {"waitaof", 4, "noscript blocking", "", "@slow @connection @blocking",
     "request_policy:all_shards response_policy:agg_min", "generic", "7.2.0", "O(1)",
     "Waits until the connection's writes are synced to the append-only file.",
     "numlocal numreplicas timeout", kNoTrait, waitaof},
};

}  // namespace

CommandRows persistence_commands() { return kRows; }

}  // namespace cloakroom::server
