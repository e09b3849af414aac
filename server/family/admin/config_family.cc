#include "server/dispatch/client.h"
#include "server/dispatch/context.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/families.h"
#include "server/family/help.h"
#include "server/stats/log.h"

namespace cloakroom::server {
namespace {

void config_get(Context& ctx) {
  const auto found = ctx.server.config->get(ctx.args.subspan(2));
  ctx.reply.map(found.size());
  for (const auto& [name, value] : found) {
    ctx.reply.bulk(name);
    ctx.reply.bulk(value);
  }
}

void config_set(Context& ctx) {
  const auto before = ctx.server.config->snapshot();
  if (const auto error = ctx.server.config->set(ctx.args.subspan(2), ctx.client.is_local())) {
    return ctx.reply.error(*error);
  }
  for (const std::string& notice : ctx.server.config->notices_since(*before)) log(LogLevel::kWarning, notice);
  ctx.worker.refresh_config();
  ctx.reply.ok();
}

void config_rewrite(Context& ctx) {
  if (const auto error = ctx.server.config->rewrite()) return ctx.reply.error(*error);
  log(LogLevel::kWarning, "CONFIG REWRITE executed with success.");
  ctx.reply.ok();
}

void reset_thread_stats(Worker& worker) {
  ThreadStats& s = worker.stats;
  for (CommandStats& command : s.commands) {
    command.calls.reset();
    command.cycles.reset();
    command.rejected.reset();
    command.failed.reset();
    command.latency.reset();
  }
  for (storage::Counter* counter :
       {&s.commands_processed, &s.connections_accepted, &s.bytes_in, &s.bytes_out, &s.reads, &s.writes,
        &s.output_limit_closes, &s.query_limit_closes, &s.evicted_clients, &worker.access.counters().hits,
        &worker.access.counters().misses}) {
    counter->reset();
  }
  const storage::Locked lock(s.error_mutex);
  s.errors.clear();
}

void config_resetstat(Context& ctx) {
  for (Worker* worker : ctx.server.workers) reset_thread_stats(*worker);
  storage::Guard& guard = ctx.access.guard();
  for (storage::Shard* shard : ctx.access.keyspace().shards()) {
    const bool held = guard.holds(shard->index);
    if (!held) guard.take(shard->index);
    storage::ShardCounts& counts = shard->counts;
    counts.expired = counts.evicted = 0;
    counts.lag_last_ms = counts.lag_max_ms = 0;
    if (!held) guard.release_unchanged();
  }
  ctx.server.rejected_connections = 0;
  ctx.server.memory_excess.reset();
  ctx.server.peak_memory_bytes = ctx.server.used_memory_bytes();
  ctx.reply.ok();
}

void config_help(Context& ctx) {
  reply_help(
      ctx, "CONFIG",
      {"GET <pattern>", "    Directives whose names match, with their values.", "SET <directive> <value>",
       "    Changes a directive.", "RESETSTAT", "    Sets the statistics of INFO back.", "REWRITE",
       "    Writes the configuration into its file."});
}

}  // namespace

CommandRows config_commands() {
  static constexpr CommandRow kRows[] = {
      {"config", -2, "", "", "@slow", "", "server", "2.0.0", "As the subcommand",
       "A container for configuration commands.", "", kNoTrait, nullptr},
      {"config|get", -3, "admin noscript loading stale", "", "@admin @slow @dangerous", "", "server", "2.0.0",
       "O(N) when N is the number of configuration parameters provided",
       "Answers directives and their values.", "parameter(parameter)...", kNoTrait, config_get},
      {"config|help", 2, "loading stale", "", "@slow", "", "server", "5.0.0", "O(1)",
       "Lists the subcommands.", "", kNoTrait, config_help},
      {"config|resetstat", 2, "admin noscript loading stale", "", "@admin @slow @dangerous", "", "server",
       "2.0.0", "O(1)", "Sets the statistics back to zero.", "", kOwnGuards, config_resetstat},
      {"config|rewrite", 2, "admin noscript loading stale", "", "@admin @slow @dangerous", "", "server",
       "2.8.0", "O(1)", "Writes the configuration into its file.", "", kNoTrait, config_rewrite},
      {"config|set", -4, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes response_policy:all_succeeded", "server", "2.0.0",
       "O(N) when N is the number of configuration parameters provided", "Changes directives.",
       "parameter_value(parameter value)...", kDirectives, config_set},
  };
  return kRows;
}

}  // namespace cloakroom::server
