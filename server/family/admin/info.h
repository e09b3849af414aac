#pragma once

#include <span>
#include <string>
#include <string_view>

#include "server/dispatch/context.h"
#include "server/stats/latency_histogram.h"

namespace cloakroom::server {

// The text of INFO for the sections asked for (none: the default ones), with Redis 7.0's sections, field
// names and order, and our own section Sessions. Reads counters of all threads; takes one guard at a time.
std::string info_text(Context& ctx, std::span<const std::string_view> sections);

// What INFO's memory section and MEMORY STATS share, in bytes.
struct MemoryFigures {
  size_t used = 0;      // keyspace and overhead
  size_t overhead = 0;  // of it, outside values
  size_t startup = 0;
  size_t peak = 0;
  size_t resident = 0;
  size_t total_system = 0;
  size_t dataset() const { return used > overhead ? used - overhead : 0; }
};
MemoryFigures memory_figures(ServerState& server);

// Of one database, over all shards, one guard at a time.
struct DatabaseFigures {
  size_t keys = 0;
  size_t expires = 0;
  double ttl_sum_ms = 0;  // of some of them
  size_t ttl_samples = 0;
};
DatabaseFigures database_figures(Context& ctx, uint32_t db);

// How long calls of a command took, on all threads.
LatencyDistribution latency_of(const ServerState& server, const Command& command);

// Sums over all shards, one guard at a time.
storage::ShardCounts shard_counts(Context& ctx);

// "1.50M" as Redis prints sizes.
std::string human_bytes(uint64_t bytes);

}  // namespace cloakroom::server
