// Big sets and hashes: a table of members, each optionally with a value, one heap block a member.
// Extendible hashing (Fagin et al. 1979) as in table.h, cut down: no timers, no arena, segments of 1 KiB.
//
//   block    member length | value length | member | value      lengths in 7 bits a byte
//   bucket   8 tags (8 bits of the hash) | 8 block pointers of 48 bits | used, displaced, overflow count
//   segment  14 home buckets and 2 stash buckets, each one cache line
//   hash     directory (32 bits from the top) | home bucket (14) | tag (8)
//
// Invariants
//  1. An item stands in its home bucket, in the next one (its slot is then marked displaced), or in a stash
//     bucket (then counted in its home).
//  2. Items change place only when their segment splits or is merged: no call moves more than one segment's.
//  3. The home bucket comes from other hash bits than the segment, so an item's home number never changes.
//     SCAN goes home by home, and for each home through the directory: what it has emitted is at any time
//     all items before the cursor in the order (home, hash), however segments split and merge. Segment by
//     segment it would miss the lower homes of a segment merged into the one it stands in.
//
// Cost, members of 16 bytes without value: 8 B a slot, 45-90 % of them used, is 12-13 B; a block of 18 B
// takes 32 of the allocator: ~45 B a member. Redis 7.0's dict: ~64 B (entry 24, slot 8-16, sds 24-32), with
// two tables while it rehashes. Owns its memory wholly, so that RENAME moves a pointer and dropping it needs
// no guard. Not thread-safe.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "storage/base/assert.h"
#include "storage/base/hash.h"
#include "storage/base/match_bytes.h"

namespace cloakroom::storage {

class MemberTable {
 public:
  struct Item {
    std::string_view member;
    std::string_view value;
  };

  explicit MemberTable(HashKey hash_key);
  ~MemberTable();
  MemberTable(const MemberTable&) = delete;
  MemberTable& operator=(const MemberTable&) = delete;

  size_t size() const { return size_; }
  bool contains(std::string_view member) const;
  // Sets `value` to the item's value, or returns false. The view is valid until the item is changed.
  bool find(std::string_view member, std::string_view& value) const;
  // Inserts or replaces; true when the member is new. The views may not point into this table.
  bool put(std::string_view member, std::string_view value = {});
  bool erase(std::string_view member);

  template <class Fn>  // fn(const Item&); must not change the table
  void for_each(Fn&& fn) const;
  // Emits the items of one home bucket and returns the next cursor (below 2^36), 0 at the end. Items present
  // all the time are emitted at least once over a full walk, whatever is added and removed between the calls.
  template <class Emit>  // emit(const Item&)
  uint64_t scan(uint64_t cursor, Emit&& emit) const;
  // An item, each equally likely; `random()` gives 64 random bits. The table is not empty.
  template <class Random>
  Item random(Random&& random) const;

  size_t memory_bytes() const;  // all of it, up to the allocator's own; O(1)
  std::unique_ptr<MemberTable> clone() const;

 private:
  static constexpr uint32_t kSlots = 8;
  static constexpr uint32_t kHomeBuckets = 14;
  static constexpr uint32_t kBuckets = 16;
  static constexpr uint32_t kMergeBelow = 28;    // a segment this sparse looks for its buddy ...
  static constexpr uint32_t kMergeStep = 4;      // ... once in so many items erased
  static constexpr uint32_t kMergedAtMost = 56;  // half full, so that a merge is not soon undone

  static constexpr uint64_t kHashSalt = 1 << 16;  // apart from those of keys

  struct alignas(64) Bucket {
    std::array<uint8_t, kSlots> tags;
    std::array<std::array<uint8_t, 6>, kSlots> blocks;
    uint8_t used;
    uint8_t displaced;
    uint8_t overflow;
    uint8_t depth;   // of the segment: hash bits that select it; in its first bucket
    uint32_t count;  // of the segment: items; in its first bucket

    uint32_t match(uint8_t tag) const { return match_8(tags.data(), tag) & used; }
    uint32_t free_slot() const { return static_cast<uint32_t>(std::countr_one(used)); }  // kSlots when full
    char* block(uint32_t slot) const {
      uint64_t word = 0;
      std::memcpy(&word, blocks[slot].data(), sizeof blocks[slot]);
      return reinterpret_cast<char*>(word);
    }
    void set_block(uint32_t slot, const char* block);
    void put(uint32_t slot, uint8_t tag, const char* block, bool is_displaced);
    void clear(uint32_t slot);
  };
  static_assert(sizeof(Bucket) == 64);

  struct Segment {
    std::array<Bucket, kBuckets> buckets;
    uint8_t& depth() { return buckets[0].depth; }
    uint32_t& count() { return buckets[0].count; }
  };
  static_assert(sizeof(Segment) == 1024);

  struct Place {
    Segment* segment = nullptr;
    uint32_t bucket = 0;
    uint32_t slot = 0;
    explicit operator bool() const { return segment != nullptr; }
    Bucket& line() const { return segment->buckets[bucket]; }
    char* block() const { return line().block(slot); }
  };

  static uint32_t next_bucket(uint32_t home) { return home + 1 == kHomeBuckets ? 0 : home + 1; }
  static uint32_t home_of(uint64_t hash) {
    return static_cast<uint32_t>((hash >> 8 & 0x3fff) * kHomeBuckets >> 14);
  }
  static uint8_t tag_of(uint64_t hash) { return static_cast<uint8_t>(hash); }
  static size_t take_length(const char*& p) {
    size_t length = static_cast<uint8_t>(*p++);
    if (length < 128) return length;
    length &= 127;
    for (int shift = 7;; shift += 7) {
      const auto byte = static_cast<uint8_t>(*p++);
      length |= static_cast<size_t>(byte & 127) << shift;
      if (byte < 128) return length;
    }
  }
  static Item item_of(const char* block) {
    const char* p = block;
    const size_t member = take_length(p);
    const size_t value = take_length(p);
    return {{p, member}, {p + member, value}};
  }

  uint64_t hash_of(std::string_view member) const { return hash_bytes(hash_key_, member, kHashSalt); }
  uint64_t hash_of(const char* block) const { return hash_of(item_of(block).member); }
  uint32_t directory_index(uint64_t hash) const {
    return depth_ == 0 ? 0 : static_cast<uint32_t>(hash >> (64 - depth_));
  }
  Place find_place(uint64_t hash, std::string_view member) const;
  Segment* new_segment(uint8_t depth);
  void free_segment(Segment* segment);
  char* new_block(std::string_view member, std::string_view value);
  void free_block(char* block);
  bool place_in(Segment& segment, uint64_t hash, const char* block);
  void take_out(const Place& place, uint64_t hash);
  void split(Segment& old, uint64_t hash);
  static void overflow_added(Bucket& home) {
    CLOAKROOM_ASSERT(home.overflow < (kBuckets - kHomeBuckets) * kSlots);
    ++home.overflow;
  }
  static void overflow_removed(Bucket& home) {
    CLOAKROOM_ASSERT(home.overflow > 0);
    --home.overflow;
  }
  static void move_item(const Place& from, Segment& to, uint32_t bucket, bool displaced);
  void bring_home(Segment& segment);
  void merge_around(uint64_t hash);
  static bool fit_together(Segment& a, Segment& b);
  void merge(Segment& gone, Segment& into, size_t first, size_t span);
  void halve_directory();

  HashKey hash_key_;
  uint32_t depth_ = 0;
  size_t size_ = 0;
  size_t segments_ = 0;
  size_t block_bytes_ = 0;
  std::vector<Segment*> directory_;
};

template <class Fn>
void MemberTable::for_each(Fn&& fn) const {
  const Segment* previous = nullptr;
  for (const Segment* s : directory_) {
    if (s == previous) continue;  // the directory entries of a segment are adjacent
    previous = s;
    for (const Bucket& bucket : s->buckets) {
      for (uint32_t used = bucket.used; used != 0; used &= used - 1) {
        fn(item_of(bucket.block(static_cast<uint32_t>(std::countr_zero(used)))));
      }
    }
  }
}

template <class Emit>
uint64_t MemberTable::scan(uint64_t cursor, Emit&& emit) const {
  const uint64_t fraction = cursor & 0xffffffff;
  const uint64_t home = cursor >> 32;
  if (home >= kHomeBuckets) return 0;  // nobody gave out such a cursor
  Segment& s = *directory_[depth_ == 0 ? 0 : fraction >> (32 - depth_)];
  const auto emit_slots = [&](const Bucket& bucket, uint32_t slots) {
    for (; slots != 0; slots &= slots - 1)
      emit(item_of(bucket.block(static_cast<uint32_t>(std::countr_zero(slots)))));
  };
  const Bucket& bucket = s.buckets[home];
  emit_slots(bucket, bucket.used & ~uint32_t{bucket.displaced});
  const Bucket& neighbour = s.buckets[next_bucket(static_cast<uint32_t>(home))];
  emit_slots(neighbour, neighbour.used & neighbour.displaced);
  for (uint32_t b = bucket.overflow != 0 ? kHomeBuckets : kBuckets; b < kBuckets; ++b) {
    for (uint32_t used = s.buckets[b].used; used != 0; used &= used - 1) {
      const char* block = s.buckets[b].block(static_cast<uint32_t>(std::countr_zero(used)));
      if (home_of(hash_of(block)) == home) emit(item_of(block));
    }
  }
  const uint64_t span = uint64_t{1} << (32 - s.depth());
  const uint64_t next = (home << 32 | (fraction & ~(span - 1))) + span;  // carries into the next home
  return next >> 32 < kHomeBuckets ? next : 0;
}

// Draws slots until a used one comes. A segment counts only at its first place in the directory: a shallow
// one has more places, not more items.
template <class Random>
MemberTable::Item MemberTable::random(Random&& random) const {
  CLOAKROOM_ASSERT(size_ != 0);
  for (;;) {
    const uint64_t r = random();
    const size_t index = (r >> 16) % directory_.size();
    Segment* s = directory_[index];
    if (index != 0 && directory_[index - 1] == s) continue;
    const Bucket& bucket = s->buckets[r & (kBuckets - 1)];
    const auto slot = static_cast<uint32_t>(r >> 8 & (kSlots - 1));
    if ((bucket.used >> slot & 1) != 0) return item_of(bucket.block(slot));
  }
}

}  // namespace cloakroom::storage
