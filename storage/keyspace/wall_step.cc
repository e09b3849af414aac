#include "storage/keyspace/wall_step.h"

#include <cstdlib>

#include "storage/base/assert.h"
#include "storage/keyspace/expiry.h"

namespace cloakroom::storage {
namespace {

constexpr int64_t kSmallestStepUs = 1000 << Wheel::kTickShift;
constexpr int64_t kTrustedReadUs =
    1000;  // both clocks were read within this time, or nothing is said of them
// Ticks are compared by signed 32-bit differences; beyond this, where a bucket is filed says nothing any
// more.
constexpr int64_t kFarStepMs = int64_t{Wheel::kMaxAhead} << Wheel::kTickShift;

// How far the wall clock is from `offset_us` to the monotonic clock; 0 when they could not be read together.
int64_t deviation_us(const Clock& clock, int64_t offset_us) {
  const int64_t before_us = clock.monotonic_us();
  const int64_t wall_us = clock.wall_us();
  if (clock.monotonic_us() - before_us > kTrustedReadUs) return 0;
  return wall_us - before_us - offset_us;
}

}  // namespace

int64_t follow_wall_clock(Access& access) {
  Keyspace& keyspace = access.keyspace();
  const int64_t offset_us = keyspace.wall_offset_us_.load(std::memory_order_relaxed);
  const int64_t step_us = deviation_us(keyspace.clock(), offset_us);
  if (std::abs(step_us) <= kSmallestStepUs) return 0;
  const int64_t step_ms = step_us / 1000;
  access.read_clock();
  access.guard().take_all();
  // What somebody may have seen expired does not come back.
  for (Shard* shard : keyspace.shards()) {
    uint32_t unlimited = UINT32_MAX;
    ShardSet missing;
    const bool all = end_due(access, *shard, unlimited, missing);
    CLOAKROOM_ASSERT(all && missing.empty());
  }
  keyspace.wall_offset_us_.store(offset_us + step_us, std::memory_order_relaxed);
  keyspace.begin_epoch(access, std::abs(step_ms) >= kFarStepMs);
  for (Shard* shard : keyspace.shards()) shard->pending.shift(step_ms, access.now_ms());
  access.finish();
  return step_ms;
}

}  // namespace cloakroom::storage
