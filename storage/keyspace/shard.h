#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "storage/base/lock.h"
#include "storage/keyspace/arena.h"
#include "storage/keyspace/pending_ids.h"
#include "storage/keyspace/segment.h"
#include "storage/keyspace/table.h"
#include "storage/keyspace/watch.h"
#include "storage/keyspace/wheel.h"

namespace cloakroom::storage {

// Why a key ended, as counted by INFO.
enum class EndCause : uint8_t { kDeleted, kExpired, kEvicted, kReplaced, kFlushed, kCount };

// Changed under the shard's guard, summed by readers.
struct ShardCounts {
  int64_t sessions = 0;   // live entries under the session pattern
  int64_t user_sets = 0;  // sets under the user-sessions pattern
  uint64_t sessions_created = 0;
  std::array<uint64_t, static_cast<size_t>(EndCause::kCount)> sessions_ended{};
  size_t pending_ids = 0;      // in sums only
  uint64_t index_repairs = 0;  // ids that left because no session came
  uint64_t expired = 0;
  uint64_t evicted = 0;
  int64_t lag_last_at_ms = 0;
  int64_t lag_last_ms = 0;  // of reclaiming after the deadline
  int64_t lag_max_ms = 0;
};

// One part of the keyspace: all keys whose hash begins with its number. Everything in it but the lock, and
// what is atomic, belongs to the holder of its guard (guard.h).
struct alignas(64) Shard {
  Shard(uint32_t number, uint32_t databases, RegionSource& source, int64_t now_ms)
      : index(number),
        latest_ms(now_ms),
        arena(source),
        segments(source),
        wheel(segments, now_ms),
        tables(databases),
        pending(databases) {}

  // Bytes of entries, tables and what values own outside them.
  size_t memory_bytes() const { return memory.load(std::memory_order_relaxed); }
  // To be called before the guard is released after a change. Returns by how much the memory has grown.
  int64_t publish_memory() {
    const size_t now = arena.used_bytes() + segments.used_bytes() + external_bytes;
    const size_t before = memory.load(std::memory_order_relaxed);
    // A read must not make the line travel between cores.
    if (now != before) memory.store(now, std::memory_order_relaxed);
    return static_cast<int64_t>(now - before);
  }

  Lock lock;
  const uint32_t index;
  int64_t latest_ms;     // the latest instant at which anybody has looked at this shard
  uint32_t epoch = 0;    // of that instant
  uint64_t version = 0;  // bumped by every change
  // In the log behind its last change, or a change that another shard had beside it (EffectSink).
  uint64_t log_position = 0;
  Arena arena;
  SegmentPool segments;
  Wheel wheel;
  std::vector<std::unique_ptr<Table>> tables;   // by database; null until first used
  std::deque<std::unique_ptr<Table>> detached;  // flushed tables, freed in slices
  WatchTable watches;
  PendingIds pending;
  std::deque<DepartedSet> departed;  // user-sessions sets that ended, until waiting ids have been told
  size_t external_bytes = 0;
  ShardCounts counts;
  std::atomic<size_t> memory{0};
};

}  // namespace cloakroom::storage
