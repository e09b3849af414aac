#include <fmt/format.h>

#include <algorithm>

#include "server/dispatch/server_state.h"
#include "server/family/admin/info.h"
#include "server/family/admin/info_sections.h"
#include "server/persist/persistence.h"

namespace cloakroom::server {
namespace {

void loading_lines(InfoWriter& out, const Persistence::Loading& now) {
  const double part = now.total_bytes == 0
                          ? 0
                          : 100 * static_cast<double>(now.read_bytes) / static_cast<double>(now.total_bytes);
  out.line("loading_start_time", now.start_ms / 1000);
  out.line("loading_total_bytes", now.total_bytes);
  out.line("loading_rdb_used_mem", 0);
  out.line("loading_loaded_bytes", now.read_bytes);
  out.line("loading_loaded_perc", fmt::format("{:.2f}", part));
  out.line("loading_eta_seconds", now.eta_s);
}

void log_lines(InfoWriter& out, const LogLink& log, uint64_t base_bytes) {
  const storage::LogState& state = log.state;
  out.line("aof_current_size", state.file_bytes.load() + state.other_bytes.load());
  out.line("aof_base_size", base_bytes);
  out.line("aof_pending_rewrite", 0);
  out.line("aof_buffer_length", log.ring.head() - state.written.load());
  out.line("aof_pending_bio_fsync", state.syncing_since_us.load() != 0 ? 1 : 0);
  out.line("aof_delayed_fsync", log.delayed_syncs.load());
}

}  // namespace

void info_persistence(InfoWriter& out, Context& ctx) {
  ServerState& server = ctx.server;
  const uint64_t changes = server.changes();
  const bool loading = server.loading.load();
  const LogLink& log = server.append_log;
  out.section("Persistence");
  out.line("loading", loading ? 1 : 0);
  out.zeros({"async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"});
  out.line("current_fork_perc", "0.00");
  out.zeros({"current_save_keys_processed", "current_save_keys_total"});
  out.line("rdb_changes_since_last_save", changes - std::min(changes, server.changes_at_flush.load()));
  out.line("rdb_bgsave_in_progress", 0);
  out.line("rdb_last_save_time", server.start_ms / 1000);
  out.line("rdb_last_bgsave_status", "ok");
  out.line("rdb_last_bgsave_time_sec", -1);
  out.line("rdb_current_bgsave_time_sec", -1);
  out.zeros({"rdb_saves", "rdb_last_cow_size", "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded"});
  out.line("aof_enabled", log.on.load() ? 1 : 0);
  const Rewriting::Status rewriting =
      server.persistence == nullptr ? Rewriting::Status() : server.persistence->rewriting();
  out.line("aof_rewrite_in_progress", rewriting.in_progress ? 1 : 0);
  out.line("aof_rewrite_scheduled", 0);  // it begins at once
  out.line("aof_last_rewrite_time_sec", rewriting.last_s);
  out.line("aof_current_rewrite_time_sec", rewriting.current_s);
  out.line("aof_last_bgrewrite_status", rewriting.ok ? "ok" : "err");
  out.line("aof_rewrites", rewriting.rewrites);
  out.line("aof_rewrites_consecutive_failures", rewriting.ok ? 0 : 1);
  out.line("aof_last_write_status", log.state.write_error.load() == 0 ? "ok" : "err");
  out.zeros({"aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"});
  if (log.on.load()) log_lines(out, log, rewriting.base_bytes);
  if (loading && server.persistence != nullptr) loading_lines(out, server.persistence->loading());
}

}  // namespace cloakroom::server
