// The unit of a table: 60 home buckets and 4 stash buckets of 12 slots, each bucket one cache line.
//
//   bucket: 12 tags (8 bits of the hash) | 12 handles | 12 used bits, 12 displaced bits, 8 bits overflow
//   count
//
// Invariants
//  1. An entry stands in its home bucket, in the next one (its slot is then marked displaced), or in a stash
//     bucket (it is then counted in the overflow count of its home).
//  2. Entries change place only when the segment splits, is merged into, or is freed.
//  3. timers[b].tick is at most the tick of the earliest deadline in bucket b; a bucket holding any deadline
//  is filed.
//
// Cost: 64 B / 12 slots = 5.3 B a slot + 1.3 B a slot for the timers; at 48-90 % fill 7-14 B an entry.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "storage/base/assert.h"
#include "storage/base/match_bytes.h"
#include "storage/keyspace/arena.h"

namespace cloakroom::storage {

class Table;

inline constexpr uint32_t kSlots = 12;
inline constexpr uint32_t kHomeBuckets = 60;
inline constexpr uint32_t kBuckets = 64;
inline constexpr uint32_t kAllSlots = (1u << kSlots) - 1;

struct alignas(64) Bucket {
  std::array<uint8_t, kSlots> tags;
  std::array<Handle, kSlots> slots;
  uint32_t meta;

  uint32_t used() const { return meta & kAllSlots; }
  uint32_t displaced() const { return meta >> kSlots & kAllSlots; }
  uint32_t overflow() const { return meta >> 24; }
  uint32_t free_slot() const { return static_cast<uint32_t>(std::countr_one(used())); }  // kSlots when full
  int count() const { return std::popcount(used()); }

  // Bit i: slot i is used and has this tag.
  uint32_t match(uint8_t tag) const { return match_16(tags.data(), tag) & used(); }
  void put(uint32_t slot, uint8_t tag, Handle handle, bool is_displaced) {
    CLOAKROOM_ASSERT(slot < kSlots && (used() >> slot & 1) == 0);
    tags[slot] = tag;
    slots[slot] = handle;
    meta |= 1u << slot | (is_displaced ? 1u << (kSlots + slot) : 0);
  }
  void clear(uint32_t slot) {
    CLOAKROOM_ASSERT((used() >> slot & 1) != 0);
    meta &= ~(1u << slot | 1u << (kSlots + slot));
  }
  void overflow_added() {
    CLOAKROOM_ASSERT(overflow() < (kBuckets - kHomeBuckets) * kSlots);
    meta += 1u << 24;
  }
  void overflow_removed() {
    CLOAKROOM_ASSERT(overflow() > 0);
    meta -= 1u << 24;
  }
};
static_assert(sizeof(Bucket) == 64);

// Place of a bucket in its shard's wheel: `segment number * 64 + bucket`; 0 is none.
using BucketRef = uint32_t;

struct BucketTimer {
  BucketRef next;
  BucketRef previous;
  uint32_t tick;        // when it is due (wheel.h)
  uint16_t wheel_slot;  // 1 + level * 64 + slot; 0: not filed
  uint16_t unused;
};
static_assert(sizeof(BucketTimer) == 16);

struct Segment {
  std::array<Bucket, kBuckets> buckets;
  std::array<BucketTimer, kBuckets> timers;
  Table* table;
  uint32_t number;  // in the pool; never 0
  uint16_t count;   // entries
  uint8_t depth;    // hash bits that select this segment
};

// Hash bits, from the top: shard (at most 10), directory (up to 32), bucket (14), tag (8).
inline uint8_t tag_of(uint64_t hash) { return static_cast<uint8_t>(hash); }
inline uint32_t home_of(uint64_t hash) {
  return static_cast<uint32_t>((hash >> 8 & 0x3fff) * kHomeBuckets >> 14);
}
inline uint32_t next_bucket(uint32_t home) { return home + 1 == kHomeBuckets ? 0 : home + 1; }

// Segments of one shard, numbered so that the wheel can link buckets by 32-bit references. Not thread-safe.
class SegmentPool {
 public:
  explicit SegmentPool(RegionSource& source) : source_(source) {}
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  Segment* take(Table* table, uint8_t depth);
  void give(Segment* segment);
  Segment& segment(BucketRef ref) { return *by_number_[ref >> 6]; }
  BucketTimer& timer(BucketRef ref) { return by_number_[ref >> 6]->timers[ref & 63]; }
  size_t used_bytes() const { return live_ * sizeof(Segment); }

  static BucketRef ref(const Segment& segment, uint32_t bucket) { return segment.number << 6 | bucket; }

 private:
  void add_region();

  RegionSource& source_;
  std::vector<char*> regions_;
  std::vector<Segment*> by_number_ = {nullptr};
  std::vector<uint32_t> free_;  // numbers; their memory stays in place
  size_t live_ = 0;
};

}  // namespace cloakroom::storage
