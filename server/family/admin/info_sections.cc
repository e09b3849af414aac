#include "server/family/admin/info_sections.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "server/config/version.h"
#include "server/dispatch/client.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/info.h"
#include "storage/keyspace/access_clock.h"

namespace cloakroom::server {
namespace {

constexpr int64_t kSecondsPerDay = 86'400;

double ratio(size_t a, size_t b) { return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b); }

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

void info_server(InfoWriter& out, Context& ctx) {
  const ServerState& server = ctx.server;
  const Config& config = ctx.worker.config();
  utsname os{};
  uname(&os);
  const int64_t steady_ms = server.clock.monotonic_us() / 1000;
  const int64_t uptime_s = (steady_ms - server.start_steady_ms) / 1000;
  std::error_code ignored;
  out.section("Server");
  out.line("redis_version", kRedisVersion);
  out.line("redis_git_sha1", "00000000");
  out.line("redis_git_dirty", 0);
  out.line("redis_build_id", "0");
  out.line("redis_mode", "standalone");
  out.line("cloakroom_version", kVersion);
  out.line("os", fmt::format("{} {} {}", os.sysname, os.release, os.machine));
  out.line("arch_bits", sizeof(void*) * 8);
  out.line("monotonic_clock", "POSIX clock_gettime");
  out.line("multiplexing_api", "epoll");
  out.line("atomicvar_api", "c11-builtin");
  out.line("gcc_version", fmt::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
  out.line("process_id", getpid());
  out.line("process_supervised", config.supervised == "systemd" ? "systemd" : "no");
  out.line("run_id", server.run_id);
  out.line("tcp_port", config.port);
  out.line("server_time_usec", server.clock.wall_us());
  out.line("uptime_in_seconds", uptime_s);
  out.line("uptime_in_days", uptime_s / kSecondsPerDay);
  out.line("hz", config.hz);
  out.line("configured_hz", config.hz);
  out.line("lru_clock", storage::lru_clock(steady_ms));
  out.line("executable", std::filesystem::read_symlink("/proc/self/exe", ignored).string());
  out.line("config_file", server.config->file());
  out.line("io_threads_active", server.workers.size() > 1 ? 1 : 0);
}

void info_clients(InfoWriter& out, Context& ctx) {
  uint64_t largest_input = 0;
  uint64_t largest_output = 0;
  size_t parked = 0;
  ctx.server.clients.for_each([&](Client& client) {
    largest_input = std::max(largest_input, client.query_memory.load());
    largest_output = std::max(largest_output, client.output_bytes.load());
    parked += client.is(Client::kParked) ? 1 : 0;
  });
  out.section("Clients");
  out.line("connected_clients", ctx.server.clients.size());
  out.line("cluster_connections", 0);
  out.line("maxclients", ctx.worker.config().maxclients);
  out.line("client_recent_max_input_buffer", largest_input);
  out.line("client_recent_max_output_buffer", largest_output);
  out.line("blocked_clients", parked);
  out.zeros({"tracking_clients", "clients_in_timeout_table"});
}

void info_memory(InfoWriter& out, Context& ctx) {
  const MemoryFigures m = memory_figures(ctx.server);
  const Config& config = ctx.worker.config();
  const auto sized = [&](const std::string& name, size_t bytes) {
    out.line(name, bytes);
    out.line(name + "_human", human_bytes(bytes));
  };
  out.section("Memory");
  sized("used_memory", m.used);
  sized("used_memory_rss", m.resident);
  sized("used_memory_peak", m.peak);
  out.line("used_memory_peak_perc", fmt::format("{:.2f}%", 100 * ratio(m.used, m.peak)));
  out.line("used_memory_overhead", m.overhead);
  out.line("used_memory_startup", m.startup);
  out.line("used_memory_dataset", m.dataset());
  out.line("used_memory_dataset_perc",
           fmt::format("{:.2f}%", 100 * ratio(m.dataset(), m.used - std::min(m.used, m.startup))));
  out.line("allocator_allocated", m.used);
  out.line("allocator_active", m.resident);
  out.line("allocator_resident", m.resident);
  sized("total_system_memory", m.total_system);
  out.line("used_memory_lua", 0);
  out.line("used_memory_vm_eval", 0);
  out.line("used_memory_lua_human", "0B");
  out.zeros({"used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions",
             "number_of_libraries", "used_memory_vm_functions", "used_memory_vm_total"});
  out.line("used_memory_vm_total_human", "0B");
  out.zeros({"used_memory_functions", "used_memory_scripts"});
  out.line("used_memory_scripts_human", "0B");
  sized("maxmemory", config.maxmemory);
  out.line("maxmemory_policy", config.text("maxmemory-policy"));
  out.line("allocator_frag_ratio", fmt::format("{:.2f}", ratio(m.resident, m.used)));
  out.line("allocator_frag_bytes", static_cast<int64_t>(m.resident) - static_cast<int64_t>(m.used));
  out.line("allocator_rss_ratio", "1.00");
  out.line("allocator_rss_bytes", 0);
  out.line("rss_overhead_ratio", "1.00");
  out.line("rss_overhead_bytes", 0);
  out.line("mem_fragmentation_ratio", fmt::format("{:.2f}", ratio(m.resident, m.used)));
  out.line("mem_fragmentation_bytes", static_cast<int64_t>(m.resident) - static_cast<int64_t>(m.used));
  out.zeros({"mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers",
             "mem_clients_slaves"});
  out.line("mem_clients_normal", ctx.server.client_bytes());
  out.line("mem_cluster_links", 0);
  out.line("mem_aof_buffer", ctx.server.append_log.ring.waiting_bytes());
  out.line("mem_allocator", "arena");
  out.zeros({"active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"});
}

void info_replication(InfoWriter& out, Context& ctx) {
  out.section("Replication");
  out.line("role", "master");
  out.line("connected_slaves", 0);
  out.line("master_failover_state", "no-failover");
  out.line("master_replid", ctx.server.replication_id);
  out.line("master_replid2", std::string(40, '0'));
  out.line("master_repl_offset", 0);
  out.line("second_repl_offset", -1);
  out.line("repl_backlog_active", 0);
  out.line("repl_backlog_size", ctx.worker.config().text("repl-backlog-size"));
  out.zeros({"repl_backlog_first_byte_offset", "repl_backlog_histlen"});
}

void info_cpu(InfoWriter& out, Context&) {
  rusage self{};
  rusage children{};
  rusage thread{};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  getrusage(RUSAGE_THREAD, &thread);
  const auto line = [&](std::string_view name, const timeval& t) {
    out.line(name, fmt::format("{:.6f}", seconds(t)));
  };
  out.section("CPU");
  line("used_cpu_sys", self.ru_stime);
  line("used_cpu_user", self.ru_utime);
  line("used_cpu_sys_children", children.ru_stime);
  line("used_cpu_user_children", children.ru_utime);
  line("used_cpu_sys_main_thread", thread.ru_stime);
  line("used_cpu_user_main_thread", thread.ru_utime);
}

void info_modules(InfoWriter& out, Context&) { out.section("Modules"); }

void info_cluster(InfoWriter& out, Context&) {
  out.section("Cluster");
  out.line("cluster_enabled", 0);
}

}  // namespace cloakroom::server
