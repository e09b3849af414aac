#include <algorithm>
#include <map>
#include <string>

#include "server/dispatch/admission.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/info.h"
#include "server/family/admin/info_sections.h"
#include "server/pubsub/pubsub.h"

namespace cloakroom::server {
namespace {

constexpr int kTtlSamples = 16;  // per shard and database, for avg_ttl

struct Totals {
  uint64_t connections = 0;
  uint64_t commands = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t output_limit_closes = 0;
  uint64_t query_limit_closes = 0;
  uint64_t evicted_clients = 0;
};

Totals totals_of(ServerState& server) {
  Totals t;
  for (Worker* worker : server.workers) {
    const ThreadStats& s = worker->stats;
    t.connections += s.connections_accepted.get();
    t.commands += s.commands_processed.get();
    t.bytes_in += s.bytes_in.get();
    t.bytes_out += s.bytes_out.get();
    t.reads += s.reads.get();
    t.writes += s.writes.get();
    t.hits += worker->access.counters().hits.get();
    t.misses += worker->access.counters().misses.get();
    t.output_limit_closes += s.output_limit_closes.get();
    t.query_limit_closes += s.query_limit_closes.get();
    t.evicted_clients += s.evicted_clients.get();
  }
  return t;
}

std::map<std::string, uint64_t> errors_of(ServerState& server) {
  std::map<std::string, uint64_t> sum;
  for (Worker* worker : server.workers) {
    const storage::Locked lock(worker->stats.error_mutex);
    for (const auto& [code, count] : worker->stats.errors) sum[code] += count;
  }
  return sum;
}

}  // namespace

DatabaseFigures database_figures(Context& ctx, uint32_t db) {
  DatabaseFigures figures;
  storage::Guard& guard = ctx.access.guard();
  for (storage::Shard* shard : ctx.access.keyspace().shards()) {
    const bool held = guard.holds(shard->index);
    if (!held) guard.take(shard->index);
    if (const storage::Table* table = shard->tables[db].get()) {
      figures.keys += table->size();
      figures.expires += table->volatile_size();
      for (int i = 0; i < kTtlSamples && table->volatile_size() > 0; ++i) {
        const storage::Place place = table->sample(ctx.access.random());
        const int64_t deadline = table->entry(place)->deadline_ms();
        if (deadline == 0) continue;
        figures.ttl_sum_ms += static_cast<double>(std::max<int64_t>(0, deadline - ctx.access.now_ms()));
        ++figures.ttl_samples;
      }
    }
    if (!held) guard.release_unchanged();
  }
  return figures;
}

void info_stats(InfoWriter& out, Context& ctx) {
  const Totals t = totals_of(ctx.server);
  const storage::ShardCounts counts = shard_counts(ctx);
  uint64_t errors = 0;
  for (const auto& [code, count] : errors_of(ctx.server)) errors += count;
  out.section("Stats");
  out.line("total_connections_received", t.connections);
  out.line("total_commands_processed", t.commands);
  out.line("instantaneous_ops_per_sec", static_cast<int64_t>(ctx.server.command_rate.per_second()));
  out.line("total_net_input_bytes", t.bytes_in);
  out.line("total_net_output_bytes", t.bytes_out);
  out.zeros({"total_net_repl_input_bytes", "total_net_repl_output_bytes"});
  constexpr double kKilo = 1024;
  out.line("instantaneous_input_kbps", fmt::format("{:.2f}", ctx.server.input_rate.per_second() / kKilo));
  out.line("instantaneous_output_kbps", fmt::format("{:.2f}", ctx.server.output_rate.per_second() / kKilo));
  out.line("instantaneous_input_repl_kbps", "0.00");
  out.line("instantaneous_output_repl_kbps", "0.00");
  out.line("rejected_connections", ctx.server.rejected_connections.load());
  out.zeros({"sync_full", "sync_partial_ok", "sync_partial_err"});
  out.line("expired_keys", counts.expired);
  out.line("expired_stale_perc", "0.00");
  out.zeros({"expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"});
  out.line("evicted_keys", counts.evicted);
  out.line("evicted_clients", t.evicted_clients);
  out.line("total_eviction_exceeded_time", ctx.server.memory_excess.total_us(ctx.server.clock) / 1000);
  out.line("current_eviction_exceeded_time", ctx.server.memory_excess.current_us(ctx.server.clock) / 1000);
  out.line("keyspace_hits", t.hits);
  out.line("keyspace_misses", t.misses);
  out.line("pubsub_channels", ctx.server.pubsub->count(PubSub::Kind::kChannel));
  out.line("pubsub_patterns", ctx.server.pubsub->count(PubSub::Kind::kPattern));
  out.line("pubsubshard_channels", ctx.server.pubsub->count(PubSub::Kind::kShardChannel));
  out.zeros({"latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys",
             "active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits",
             "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time",
             "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes",
             "unexpected_error_replies"});
  out.line("total_error_replies", errors);
  out.line("dump_payload_sanitizations", 0);
  out.line("total_reads_processed", t.reads);
  out.line("total_writes_processed", t.writes);
  out.zeros({"io_threaded_reads_processed", "io_threaded_writes_processed", "reply_buffer_shrinks",
             "reply_buffer_expands"});
  out.line("client_query_buffer_limit_disconnections", t.query_limit_closes);
  out.line("client_output_buffer_limit_disconnections", t.output_limit_closes);
}

void info_commands(InfoWriter& out, Context& ctx) {
  out.section("Commandstats");
  for (const auto& command : ctx.server.commands.all()) {
    uint64_t calls = 0;
    uint64_t cycles = 0;
    uint64_t rejected = 0;
    uint64_t failed = 0;
    for (Worker* worker : ctx.server.workers) {
      const CommandStats& s = worker->stats.commands[command->number];
      calls += s.calls.get();
      cycles += s.cycles.get();
      rejected += s.rejected.get();
      failed += s.failed.get();
    }
    if (calls + rejected == 0) continue;
    const double usec = static_cast<double>(cycles) * ctx.server.us_per_cycle;
    out.line(fmt::format("cmdstat_{}", command->full_name),
             fmt::format("calls={},usec={:.0f},usec_per_call={:.2f},rejected_calls={},failed_calls={}", calls,
                         usec, calls == 0 ? 0 : usec / static_cast<double>(calls), rejected, failed));
  }
}

void info_errors(InfoWriter& out, Context& ctx) {
  out.section("Errorstats");
  for (const auto& [code, count] : errors_of(ctx.server)) {
    out.line(fmt::format("errorstat_{}", code), fmt::format("count={}", count));
  }
}

LatencyDistribution latency_of(const ServerState& server, const Command& command) {
  LatencyDistribution sum;
  for (Worker* worker : server.workers) sum.add(worker->stats.commands[command.number].latency);
  return sum;
}

void info_latencies(InfoWriter& out, Context& ctx) {
  const Config& config = ctx.worker.config();
  out.section("Latencystats");
  if (!config.latency_tracking) return;
  for (const auto& command : ctx.server.commands.all()) {
    const LatencyDistribution latency = latency_of(ctx.server, *command);
    if (latency.total() == 0) continue;
    std::string text;
    for (const double percent : config.latency_tracking_info_percentiles) {
      text += fmt::format("{}p{}={:.3f}", text.empty() ? "" : ",", percent, latency.percentile(percent));
    }
    out.line(fmt::format("latency_percentiles_usec_{}", command->full_name), text);
  }
}

void info_sessions(InfoWriter& out, Context& ctx) {
  const storage::ShardCounts c = shard_counts(ctx);
  const auto ended = [&](storage::EndCause cause) { return c.sessions_ended[static_cast<size_t>(cause)]; };
  out.section("Sessions");
  out.line("session_index", ctx.access.keyspace().has_session_index() ? 1 : 0);
  out.line("sessions", c.sessions);
  out.line("users", c.user_sets);
  out.line("sessions_created", c.sessions_created);
  out.line("sessions_deleted", ended(storage::EndCause::kDeleted));
  out.line("sessions_expired", ended(storage::EndCause::kExpired));
  out.line("sessions_evicted", ended(storage::EndCause::kEvicted));
  out.line("sessions_replaced", ended(storage::EndCause::kReplaced));
  out.line("sessions_flushed", ended(storage::EndCause::kFlushed));
  out.line("pending_ids", c.pending_ids);
  out.line("index_repairs", c.index_repairs);
  out.line("expiry_lag_last_ms", c.lag_last_ms);
  out.line("expiry_lag_max_ms", c.lag_max_ms);
}

void info_keyspace(InfoWriter& out, Context& ctx) {
  out.section("Keyspace");
  for (uint32_t db = 0; db < ctx.access.keyspace().databases(); ++db) {
    const DatabaseFigures f = database_figures(ctx, db);
    if (f.keys == 0) continue;
    const double ttl = f.ttl_samples == 0 ? 0 : f.ttl_sum_ms / static_cast<double>(f.ttl_samples);
    out.line(fmt::format("db{}", db),
             fmt::format("keys={},expires={},avg_ttl={:.0f}", f.keys, f.expires, ttl));
  }
}

}  // namespace cloakroom::server
