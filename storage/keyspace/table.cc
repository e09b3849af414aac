#include "storage/keyspace/table.h"

#include <algorithm>
#include <utility>

namespace cloakroom::storage {

Table::Table(uint32_t shard_bits, const KeySchema& schema, Arena& arena, SegmentPool& pool, Wheel& wheel)
    : shard_bits_(shard_bits), schema_(schema), arena_(arena), pool_(pool), wheel_(wheel) {
  directory_.push_back(pool_.take(this, 0));
}

Table::~Table() {
  Segment* previous = nullptr;
  for (Segment* s : directory_) {
    if (s == previous) continue;
    previous = s;
    for (uint32_t b = 0; b < kBuckets; ++b) wheel_.cancel(SegmentPool::ref(*s, b));
    pool_.give(s);
  }
}

bool Table::place_in(Segment& segment, uint64_t hash, Handle handle, Place& out) {
  const uint32_t home = home_of(hash);
  const uint32_t next = next_bucket(home);
  Bucket& bucket = segment.buckets[home];
  Bucket& neighbour = segment.buckets[next];
  const uint8_t tag = tag_of(hash);
  const bool home_full = bucket.free_slot() >= kSlots;
  const bool next_full = neighbour.free_slot() >= kSlots;
  if (!home_full) {  // rather than the emptier of the two: a lookup of 1 in 20 reads the second line, not of
                     // 1 in 2
    out = {&segment, home, bucket.free_slot()};
    bucket.put(out.slot, tag, handle, false);
  } else if (!next_full) {
    out = {&segment, next, neighbour.free_slot()};
    neighbour.put(out.slot, tag, handle, true);
  } else {
    uint32_t b = kHomeBuckets;
    while (b < kBuckets && segment.buckets[b].free_slot() >= kSlots) ++b;
    if (b == kBuckets) return false;
    out = {&segment, b, segment.buckets[b].free_slot()};
    segment.buckets[b].put(out.slot, tag, handle, false);
    bucket.overflow_added();
  }
  ++segment.count;
  return true;
}

Place Table::insert(uint64_t hash, Handle handle) {
  CLOAKROOM_ASSERT(handle != kNoHandle);
  Place place;
  while (!place_in(*segment(hash), hash, handle, place)) split(*segment(hash), hash);
  ++size_;
  return place;
}

void Table::erase(const Place& place, uint64_t hash) {
  Segment& s = *place.segment;
  CLOAKROOM_ASSERT(&s == segment(hash) && s.count > 0 && size_ > 0);
  CLOAKROOM_ASSERT((s.buckets[place.bucket].used() >> place.slot & 1) != 0);
  s.buckets[place.bucket].clear(place.slot);
  if (place.bucket >= kHomeBuckets) s.buckets[home_of(hash)].overflow_removed();
  --s.count;
  --size_;
  if (s.count < kMergeBelow && s.count % kMergeStep == 0 && s.depth > 0) sparse_.push_back(hash);
}

// Overflow counts are the caller's.
void Table::move_slot(Segment& from, uint32_t bucket, uint32_t slot, Segment& to, uint32_t to_bucket,
                      bool displaced) {
  Bucket& source = from.buckets[bucket];
  Bucket& target = to.buckets[to_bucket];
  const uint32_t free = target.free_slot();
  CLOAKROOM_ASSERT(free < kSlots);
  target.put(free, source.tags[slot], source.slots[slot], displaced);
  source.clear(slot);
  --from.count;
  ++to.count;
  // The old bucket is filed no later than the entry's deadline, if it has one: early enough for the new one.
  const BucketTimer& timer = from.timers[bucket];
  if (timer.wheel_slot != 0) wheel_.schedule(SegmentPool::ref(to, to_bucket), timer.tick);
}

void Table::split(Segment& old, uint64_t hash) {
  if (old.depth == depth_) {
    CLOAKROOM_ASSERT(depth_ < 32);
    std::vector<Segment*> doubled(directory_.size() * 2);
    for (size_t i = 0; i < doubled.size(); ++i) doubled[i] = directory_[i / 2];
    directory_.swap(doubled);
    ++depth_;
  }
  const auto depth = static_cast<uint8_t>(old.depth + 1);
  Segment& fresh = *pool_.take(this, depth);
  old.depth = depth;
  const size_t span = size_t{1} << (depth_ - depth);
  const size_t first = (directory_index(hash) | span) & ~(span - 1);  // the upper half of the old range
  CLOAKROOM_ASSERT(directory_[first] == &old && directory_[first + span - 1] == &old);
  for (size_t i = 0; i < span; ++i) directory_[first + i] = &fresh;

  // Into the bucket of the same number: there is always room, whatever keys somebody has chosen.
  for (uint32_t b = 0; b < kBuckets; ++b) {
    Bucket& bucket = old.buckets[b];
    for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
      __builtin_prefetch(entry(bucket.slots[static_cast<size_t>(std::countr_zero(used))]));
    }
    for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(used));
      const uint64_t h = hash_of(*entry(bucket.slots[slot]));
      if ((h << shard_bits_ >> (64 - depth) & 1) == 0) continue;
      move_slot(old, b, slot, fresh, b, (bucket.displaced() >> slot & 1) != 0);
      if (b < kHomeBuckets) continue;
      old.buckets[home_of(h)].overflow_removed();
      fresh.buckets[home_of(h)].overflow_added();
    }
  }
  bring_home(old);
  bring_home(fresh);
}

// Moves entries nearer to their homes where room has come.
void Table::bring_home(Segment& s) {
  for (uint32_t home = 0; home < kHomeBuckets; ++home) {
    const uint32_t next = next_bucket(home);
    uint32_t displaced = s.buckets[next].displaced();
    for (; displaced != 0 && s.buckets[home].free_slot() < kSlots; displaced &= displaced - 1) {
      move_slot(s, next, static_cast<uint32_t>(std::countr_zero(displaced)), s, home, false);
    }
  }
  for (uint32_t b = kHomeBuckets; b < kBuckets; ++b) {
    for (uint32_t used = s.buckets[b].used(); used != 0; used &= used - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(used));
      const uint32_t home = home_of(hash_of(*entry(s.buckets[b].slots[slot])));
      const bool home_full = s.buckets[home].free_slot() == kSlots;
      if (home_full && s.buckets[next_bucket(home)].free_slot() == kSlots) continue;
      move_slot(s, b, slot, s, home_full ? next_bucket(home) : home, home_full);
      s.buckets[home].overflow_removed();
    }
  }
}

void Table::settle() {
  for (const uint64_t hash : sparse_) merge_around(hash);
  sparse_.clear();
}

// Merges the segment of `hash` with its buddy while both are sparse: again only while little has been moved.
void Table::merge_around(uint64_t hash) {
  Segment* s = segment(hash);
  for (uint32_t moved = 0; s->depth > 0 && s->count < kMergeBelow && moved < kMergeBelow;) {
    const size_t span = size_t{1} << (depth_ - s->depth);
    const size_t first = directory_index(hash) & ~(span - 1);
    Segment* buddy = directory_[first ^ span];
    if (buddy->depth != s->depth || !fit_together(*s, *buddy)) return;
    if (s->count > buddy->count) std::swap(s, buddy);
    moved += s->count;
    merge(*s, *buddy, first & ~span, 2 * span);
    s = buddy;
  }
}

// Whether merge() has room. Counts say too little: after keys were removed in the order of SCAN, what is left
// in both stands in the same few homes.
bool Table::fit_together(const Segment& a, const Segment& b) {
  if (a.count + b.count > kMergedAtMost) return false;
  uint32_t stashed = 0;
  for (uint32_t i = 0; i < kBuckets; ++i) {
    const auto both = static_cast<uint32_t>(a.buckets[i].count() + b.buckets[i].count());
    stashed += i >= kHomeBuckets ? both : both - std::min(both, kSlots);
  }
  return stashed <= (kBuckets - kHomeBuckets) * kSlots;
}

// Moves everything of `gone` into the buckets of the same number of `into`, or to its stash; `into` then has
// the directory's range [first, first + span).
void Table::merge(Segment& gone, Segment& into, size_t first, size_t span) {
  uint32_t stash = kHomeBuckets;
  for (uint32_t b = 0; b < kBuckets; ++b) {
    for (uint32_t used = gone.buckets[b].used(); used != 0; used &= used - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(used));
      const bool displaced = (gone.buckets[b].displaced() >> slot & 1) != 0;
      if (b < kHomeBuckets && into.buckets[b].free_slot() < kSlots) {
        move_slot(gone, b, slot, into, b, displaced);
        continue;
      }
      const uint64_t hash = hash_of(*entry(gone.buckets[b].slots[slot]));
      while (stash + 1 < kBuckets && into.buckets[stash].free_slot() == kSlots) ++stash;
      move_slot(gone, b, slot, into, stash, false);
      into.buckets[home_of(hash)].overflow_added();
    }
    wheel_.cancel(SegmentPool::ref(gone, b));
  }
  CLOAKROOM_ASSERT(gone.count == 0 && directory_[first] == directory_[first + span / 2 - 1]);
  for (size_t i = 0; i < span; ++i) directory_[first + i] = &into;
  --into.depth;
  pool_.give(&gone);
  bring_home(into);
  halve_directory();
}

void Table::halve_directory() {
  while (depth_ > 0 && directory_.size() >= 2) {
    for (size_t i = 0; i < directory_.size(); i += 2) {
      if (directory_[i] != directory_[i + 1]) return;
    }
    std::vector<Segment*> half(directory_.size() / 2);
    for (size_t i = 0; i < half.size(); ++i) half[i] = directory_[2 * i];
    directory_.swap(half);
    --depth_;
  }
}

Place Table::sample(uint64_t r) const {
  if (size_ == 0) return {};
  // The drawn directory entry may be an empty segment: go on to the next, around the directory.
  for (size_t step = 0; step <= directory_.size(); ++step) {
    Segment* s = directory_[((r >> 32) + step) % directory_.size()];
    if (s->count == 0) continue;
    for (uint32_t i = 0; i < kBuckets; ++i) {
      const auto b = static_cast<uint32_t>((r + i) % kBuckets);
      const Bucket& bucket = s->buckets[b];
      if (bucket.used() == 0) continue;
      uint32_t slot = static_cast<uint32_t>(r >> 8) % kSlots;
      while ((bucket.used() >> slot & 1) == 0) slot = (slot + 1) % kSlots;
      return {s, b, slot};
    }
  }
  return {};
}

}  // namespace cloakroom::storage
