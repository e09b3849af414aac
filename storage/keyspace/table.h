// The keys of one database within one shard: extendible hashing (Fagin et al. 1979) over segments.
//
// A directory of 2^depth pointers is indexed by hash bits; a full segment alone splits in two (~700 moves,
// ~20 us), so no pause grows with the table; sparse buddies merge again. Because the bucket within a segment
// comes from other hash bits than the segment, an entry's home bucket number never changes: that makes SCAN
// cursors stable. A lookup touches the directory (hot), one bucket line (sometimes the next), and the entry.
// Not thread-safe: belongs to the shard's guard.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "storage/base/assert.h"
#include "storage/keyspace/entry.h"
#include "storage/keyspace/segment.h"
#include "storage/keyspace/wheel.h"

namespace cloakroom::storage {

// Where an entry stands. Valid until the table changes.
struct Place {
  Segment* segment = nullptr;
  uint32_t bucket = 0;
  uint32_t slot = 0;

  explicit operator bool() const { return segment != nullptr; }
  Handle& handle() const { return segment->buckets[bucket].slots[slot]; }
  BucketRef ref() const { return SegmentPool::ref(*segment, bucket); }
};

class Table {
 public:
  // `shard_bits`: leading hash bits that are the same for all keys here. References must outlive the table.
  Table(uint32_t shard_bits, const KeySchema& schema, Arena& arena, SegmentPool& pool, Wheel& wheel);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  size_t size() const { return size_; }
  size_t volatile_size() const { return volatile_size_; }
  void volatile_changed(int delta) {
    volatile_size_ = volatile_size_ + static_cast<size_t>(delta);
    CLOAKROOM_ASSERT(volatile_size_ <= size_);
  }
  size_t used_bytes() const { return sizeof *this + directory_.capacity() * sizeof(Segment*); }

  Entry* entry(Handle handle) const { return reinterpret_cast<Entry*>(arena_.at(handle)); }
  Entry* entry(const Place& place) const { return entry(place.handle()); }
  uint64_t hash_of(const Entry& entry) const { return schema_.hash(entry.form(), entry.key()); }

  // First entry with this hash's tag that `accept(const Entry&)` takes.
  template <class Accept>
  Place find(uint64_t hash, Accept&& accept) const;
  Place find(const KeyRef& key) const {
    return find(key.hash(), [&](const Entry& e) { return e.matches(key); });
  }
  // The key must not be present.
  Place insert(uint64_t hash, Handle handle);
  void erase(const Place& place, uint64_t hash);
  // Merges the segments that erases have left sparse. Invalidates places; moves less than was erased, and one
  // segment.
  void settle();

  // Files the bucket of `place` in the wheel at its entry's deadline, if that is earlier than what is filed.
  void file_deadline(const Place& place, int64_t deadline_ms, int64_t now_ms) {
    wheel_.schedule(place.ref(), Wheel::due_tick(deadline_ms, now_ms));
  }

  // The database this table is now; SWAPDB changes it, FLUSHDB makes it kDetached.
  static constexpr uint32_t kDetached = UINT32_MAX;
  uint32_t db() const { return db_; }
  void set_db(uint32_t db) { db_ = db; }

  // How far a walk over all shards has come in this table, wherever SWAPDB has taken it since (scan()).
  struct Walk {
    uint32_t round = 0;  // of the walk
    uint64_t cursor = 0;
    bool done = false;
  };
  Walk& walk() { return walk_; }

  // Starts loading the bucket a lookup of `hash` begins with, and for writing its timer too.
  void prefetch_bucket(uint64_t hash, bool for_writing) const {
    const Segment* s = segment(hash);
    __builtin_prefetch(&s->buckets[home_of(hash)]);
    if (for_writing) __builtin_prefetch(&s->timers[home_of(hash)]);
  }
  // Starts loading the lines of the entries a lookup of `hash` will read. Inlined by force: GCC takes a
  // function that only prefetches for one without effect, and drops calls of it.
  [[gnu::always_inline]] void prefetch_entries(uint64_t hash) const {
    const Segment& s = *segment(hash);
    const uint32_t home = home_of(hash);
    const Bucket* bucket = &s.buckets[home];
    uint32_t candidates = bucket->match(tag_of(hash)) & ~bucket->displaced();
    if (candidates == 0) {
      bucket = &s.buckets[next_bucket(home)];
      candidates = bucket->match(tag_of(hash)) & bucket->displaced();
    }
    for (; candidates != 0; candidates &= candidates - 1) {
      const char* line = arena_.at(bucket->slots[static_cast<size_t>(std::countr_zero(candidates))]);
      for (size_t i = 0; i < kPrefetchLines; ++i) __builtin_prefetch(line + i * 64);
    }
  }

  // SCAN: emits every entry whose home is the bucket at `cursor` (home bucket << 32 | 32 directory bits) and
  // returns the next cursor, or 0 after the last. Entries present all the time are emitted at least once over
  // a full walk, whatever splits and merges happen between calls: home by home, so that all entries before
  // the cursor in the order (home, hash) have been emitted. (Segment by segment, the lower homes of a segment
  // merged into the current one would be missed.)
  template <class Emit>
  uint64_t scan(uint64_t cursor, Emit&& emit) const;

  // A place near the random number `r`; null when empty. Every entry can be drawn.
  Place sample(uint64_t r) const;

  // Walks all entries in place; `fn(Place)` may change the entry but not the table.
  template <class Fn>
  void for_each(Fn&& fn) const;

  // Takes a flushed table apart from its end: `fn(Entry&, Handle)` frees an entry, emptied segments go back
  // to the pool. Stops once `budget` entries and segments are done; returns how many. Afterwards the table is
  // good for nothing else.
  template <class Fn>
  size_t drain(size_t budget, Fn&& fn);
  bool drained() const { return directory_.empty(); }

 private:
  static constexpr size_t kPrefetchLines = 6;     // a session of ~350 bytes
  static constexpr uint16_t kMergeBelow = 160;    // a segment this sparse looks for its buddy ...
  static constexpr uint16_t kMergeStep = 16;      // ... once in so many entries erased
  static constexpr uint16_t kMergedAtMost = 380;  // half full, so that a merge is not soon undone

  uint32_t directory_index(uint64_t hash) const {
    return depth_ == 0 ? 0 : static_cast<uint32_t>(hash << shard_bits_ >> (64 - depth_));
  }
  Segment* segment(uint64_t hash) const { return directory_[directory_index(hash)]; }
  bool place_in(Segment& segment, uint64_t hash, Handle handle, Place& out);
  void split(Segment& segment, uint64_t hash);
  void move_slot(Segment& from, uint32_t bucket, uint32_t slot, Segment& to, uint32_t to_bucket,
                 bool displaced);
  void bring_home(Segment& segment);
  void merge_around(uint64_t hash);
  static bool fit_together(const Segment& a, const Segment& b);
  void merge(Segment& gone, Segment& into, size_t first, size_t span);
  void halve_directory();

  uint32_t db_ = 0;
  Walk walk_;
  uint32_t shard_bits_;
  uint32_t depth_ = 0;
  size_t size_ = 0;
  size_t volatile_size_ = 0;
  std::vector<uint64_t> sparse_;  // a hash of each segment that settle() looks at
  std::vector<Segment*> directory_;
  const KeySchema& schema_;
  Arena& arena_;
  SegmentPool& pool_;
  Wheel& wheel_;
};

template <class Accept>
Place Table::find(uint64_t hash, Accept&& accept) const {
  Segment* s = segment(hash);
  const uint32_t home = home_of(hash);
  const uint8_t tag = tag_of(hash);
  Place found;
  const auto probe = [&](uint32_t b, uint32_t candidates) {
    for (; candidates != 0; candidates &= candidates - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(candidates));
      if (!accept(std::as_const(*entry(s->buckets[b].slots[slot])))) continue;
      found = {s, b, slot};
      return true;
    }
    return false;
  };
  const Bucket& bucket = s->buckets[home];
  if (probe(home, bucket.match(tag) & ~bucket.displaced())) return found;
  const uint32_t next = next_bucket(home);
  const Bucket& neighbour = s->buckets[next];
  if (probe(next, neighbour.match(tag) & neighbour.displaced())) return found;
  if (bucket.overflow() != 0) {
    for (uint32_t b = kHomeBuckets; b < kBuckets; ++b) {
      if (probe(b, s->buckets[b].match(tag))) return found;
    }
  }
  return {};
}

template <class Emit>
uint64_t Table::scan(uint64_t cursor, Emit&& emit) const {
  const uint64_t fraction = cursor & 0xffffffff;
  const auto home = static_cast<uint32_t>(cursor >> 32);
  if (home >= kHomeBuckets) return 0;  // nobody gave out such a cursor
  const Segment& s = *directory_[depth_ == 0 ? 0 : fraction >> (32 - depth_)];
  const auto emit_slots = [&](const Bucket& bucket, uint32_t slots) {
    for (; slots != 0; slots &= slots - 1)
      emit(*entry(bucket.slots[static_cast<size_t>(std::countr_zero(slots))]));
  };
  const Bucket& bucket = s.buckets[home];
  emit_slots(bucket, bucket.used() & ~bucket.displaced());
  const Bucket& neighbour = s.buckets[next_bucket(home)];
  emit_slots(neighbour, neighbour.used() & neighbour.displaced());
  if (bucket.overflow() != 0) {
    for (uint32_t b = kHomeBuckets; b < kBuckets; ++b) {
      uint32_t slots = s.buckets[b].used();
      for (; slots != 0; slots &= slots - 1) {
        Entry& e = *entry(s.buckets[b].slots[static_cast<size_t>(std::countr_zero(slots))]);
        if (home_of(hash_of(e)) == home) emit(e);
      }
    }
  }
  const uint64_t span = uint64_t{1} << (32 - s.depth);
  const uint64_t next =
      (uint64_t{home} << 32 | (fraction & ~(span - 1))) + span;  // carries into the next home
  return next >> 32 < kHomeBuckets ? next : 0;
}

template <class Fn>
void Table::for_each(Fn&& fn) const {
  const Segment* previous = nullptr;
  for (Segment* s : directory_) {
    if (s == previous) continue;  // the directory entries of a segment are adjacent
    previous = s;
    for (uint32_t b = 0; b < kBuckets; ++b) {
      for (uint32_t used = s->buckets[b].used(); used != 0; used &= used - 1) {
        fn(Place{s, b, static_cast<uint32_t>(std::countr_zero(used))});
      }
    }
  }
}

template <class Fn>
size_t Table::drain(size_t budget, Fn&& fn) {
  size_t done = 0;
  while (done < budget && !directory_.empty()) {
    Segment* s = directory_.back();
    for (uint32_t b = 0; b < kBuckets && s->count > 0 && done < budget; ++b) {
      Bucket& bucket = s->buckets[b];
      for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
        __builtin_prefetch(entry(bucket.slots[static_cast<size_t>(std::countr_zero(used))]));
      }
      for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
        const auto slot = static_cast<uint32_t>(std::countr_zero(used));
        const Handle handle = bucket.slots[slot];
        CLOAKROOM_ASSERT(handle != kNoHandle && s->count > 0 && size_ > 0);
        bucket.clear(slot);
        --s->count;
        --size_;
        ++done;
        fn(*entry(handle), handle);
      }
    }
    if (s->count > 0) break;
    while (!directory_.empty() && directory_.back() == s) directory_.pop_back();
    for (uint32_t b = 0; b < kBuckets; ++b) wheel_.cancel(SegmentPool::ref(*s, b));
    pool_.give(s);
    ++done;
  }
  return done;
}

}  // namespace cloakroom::storage
