#include "storage/table.h"

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
  Place place;
  while (!place_in(*segment(hash), hash, handle, place)) split(*segment(hash), hash);
  ++size_;
  return place;
}

void Table::erase(const Place& place, uint64_t hash) {
  Segment& s = *place.segment;
  s.buckets[place.bucket].clear(place.slot);
  if (place.bucket >= kHomeBuckets) s.buckets[home_of(hash)].overflow_removed();
  --s.count;
  --size_;
  if (s.count < kMergeBelow && s.depth > 0) {
    sparse_ = &s;
    sparse_hash_ = hash;
  }
}

void Table::move_slot(Segment& from, uint32_t bucket, uint32_t slot, uint64_t hash, Segment& to) {
  const Handle handle = from.buckets[bucket].slots[slot];
  from.buckets[bucket].clear(slot);
  if (bucket >= kHomeBuckets) from.buckets[home_of(hash)].overflow_removed();
  --from.count;
  Place place;
  CLOAKROOM_ASSERT(place_in(to, hash, handle, place));
  if (const int64_t deadline = entry(handle)->deadline_ms(); deadline != 0) {
    // The old bucket is filed at or before this deadline; its tick is early enough for the new one.
    const BucketTimer& timer = from.timers[bucket];
    CLOAKROOM_ASSERT(timer.wheel_slot != 0);
    wheel_.schedule(place.ref(), timer.tick);
  }
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
  for (size_t i = 0; i < span; ++i) directory_[first + i] = &fresh;

  for (uint32_t b = 0; b < kBuckets; ++b) {
    Bucket& bucket = old.buckets[b];
    for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
      __builtin_prefetch(entry(bucket.slots[static_cast<size_t>(std::countr_zero(used))]));
    }
    for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(used));
      const uint64_t h = hash_of(*entry(bucket.slots[slot]));
      if ((h << shard_bits_ >> (64 - depth) & 1) != 0) move_slot(old, b, slot, h, fresh);
    }
  }
  rehome_stash(old);
}

void Table::rehome_stash(Segment& s) {
  for (uint32_t b = kHomeBuckets; b < kBuckets; ++b) {
    for (uint32_t used = s.buckets[b].used(); used != 0; used &= used - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(used));
      const uint64_t h = hash_of(*entry(s.buckets[b].slots[slot]));
      const uint32_t home = home_of(h);
      if (s.buckets[home].free_slot() < kSlots || s.buckets[next_bucket(home)].free_slot() < kSlots) {
        move_slot(s, b, slot, h, s);
      }
    }
  }
}

void Table::settle() {
  if (sparse_ == nullptr) return;
  Segment& s = *std::exchange(sparse_, nullptr);
  const size_t span = size_t{1} << (depth_ - s.depth);
  const size_t first = directory_index(sparse_hash_) & ~(span - 1);
  Segment& buddy = *directory_[first ^ span];
  if (buddy.depth != s.depth || s.count + buddy.count > kMergedAtMost) return;
  if (first & span) {
    merge(buddy, s, static_cast<uint32_t>(first));
  } else {
    merge(s, buddy, static_cast<uint32_t>(first ^ span));
  }
}

// Moves everything of `gone`, whose directory range begins at `first_index`, into its lower buddy.
void Table::merge(Segment& into, Segment& gone, uint32_t first_index) {
  for (uint32_t b = 0; b < kBuckets; ++b) {
    for (uint32_t used = gone.buckets[b].used(); used != 0; used &= used - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(used));
      move_slot(gone, b, slot, hash_of(*entry(gone.buckets[b].slots[slot])), into);
    }
    wheel_.cancel(SegmentPool::ref(gone, b));
  }
  const size_t span = size_t{1} << (depth_ - gone.depth);
  for (size_t i = 0; i < span; ++i) directory_[first_index + i] = &into;
  --into.depth;
  pool_.give(&gone);
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
