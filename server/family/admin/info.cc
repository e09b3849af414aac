#include "server/family/admin/info.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>

#include "server/config/version.h"
#include "server/dispatch/client.h"
#include "server/dispatch/server_state.h"
#include "server/family/admin/info_sections.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

struct Section {
  std::string_view name;
  bool by_default;
  void (*write)(InfoWriter& out, Context& ctx);
};

constexpr std::array kSections = {
    Section{"server", true, info_server},
    Section{"clients", true, info_clients},
    Section{"memory", true, info_memory},
    Section{"persistence", true, info_persistence},
    Section{"stats", true, info_stats},
    Section{"replication", true, info_replication},
    Section{"cpu", true, info_cpu},
    Section{"modules", true, info_modules},
    Section{"commandstats", false, info_commands},
    Section{"errorstats", true, info_errors},
    Section{"latencystats", false, info_latencies},
    Section{"cluster", true, info_cluster},
    Section{"sessions", true, info_sessions},
    Section{"keyspace", true, info_keyspace},
};

bool wanted(const Section& section, std::span<const std::string_view> asked) {
  if (asked.empty()) return section.by_default;
  return std::any_of(asked.begin(), asked.end(), [&](std::string_view name) {
    if (equals_nocase(name, "all") || equals_nocase(name, "everything")) return true;
    if (equals_nocase(name, "default")) return section.by_default;
    return equals_nocase(name, section.name);
  });
}

size_t resident_bytes() {
  unsigned long total = 0;
  unsigned long resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string human_bytes(uint64_t bytes) {
  constexpr std::array<char, 5> kUnits = {'K', 'M', 'G', 'T', 'P'};
  if (bytes < 1024) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f}{}", value, kUnits[unit]);
}

MemoryFigures memory_figures(ServerState& server) {
  MemoryFigures figures;
  figures.used = server.used_memory_bytes();
  figures.overhead = server.overhead_bytes();
  figures.startup = server.startup_bytes;
  figures.peak = std::max(figures.used, server.peak_memory_bytes.load());
  figures.resident = resident_bytes();
  figures.total_system =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return figures;
}

storage::ShardCounts shard_counts(Context& ctx) {
  storage::ShardCounts sum;
  storage::Guard& guard = ctx.access.guard();
  for (storage::Shard* shard : ctx.access.keyspace().shards()) {
    const bool held = guard.holds(shard->index);
    if (!held) guard.take(shard->index);
    const storage::ShardCounts& c = shard->counts;
    sum.sessions += c.sessions;
    sum.user_sets += c.user_sets;
    sum.sessions_created += c.sessions_created;
    for (size_t i = 0; i < sum.sessions_ended.size(); ++i) sum.sessions_ended[i] += c.sessions_ended[i];
    sum.index_repairs += c.index_repairs;
    sum.pending_ids += shard->pending.size();
    sum.expired += c.expired;
    sum.evicted += c.evicted;
    if (c.lag_last_at_ms > sum.lag_last_at_ms) {
      sum.lag_last_at_ms = c.lag_last_at_ms;
      sum.lag_last_ms = c.lag_last_ms;
    }
    sum.lag_max_ms = std::max(sum.lag_max_ms, c.lag_max_ms);
    if (!held) guard.release();
  }
  return sum;
}

std::string info_text(Context& ctx, std::span<const std::string_view> asked) {
  InfoWriter out;
  for (const Section& section : kSections) {
    if (wanted(section, asked)) section.write(out, ctx);
  }
  return std::move(out.text);
}

}  // namespace cloakroom::server
