#include "storage/value/member_table.h"

#include <algorithm>

#include "storage/base/assert.h"

namespace cloakroom::storage {

namespace {

size_t length_bytes(size_t length) { return length < 128 ? 1 : 1 + length_bytes(length >> 7); }

char* put_length(char* p, size_t length) {
  for (; length >= 128; length >>= 7) *p++ = static_cast<char>(length | 128);
  *p++ = static_cast<char>(length);
  return p;
}

size_t bytes_of_block(size_t member, size_t value) {
  return length_bytes(member) + length_bytes(value) + member + value;
}

size_t accounted(size_t bytes) { return (bytes + 15) & ~size_t{15}; }

}  // namespace

void MemberTable::Bucket::set_block(uint32_t slot, const char* block) {
  const auto word = reinterpret_cast<uint64_t>(block);
  CLOAKROOM_ASSERT(word >> 48 == 0);
  std::memcpy(blocks[slot].data(), &word, sizeof blocks[slot]);
}

void MemberTable::Bucket::put(uint32_t slot, uint8_t tag, const char* block, bool is_displaced) {
  CLOAKROOM_ASSERT(slot < kSlots && (used >> slot & 1) == 0);
  tags[slot] = tag;
  set_block(slot, block);
  used = static_cast<uint8_t>(used | 1u << slot);
  if (is_displaced) displaced = static_cast<uint8_t>(displaced | 1u << slot);
}

void MemberTable::Bucket::clear(uint32_t slot) {
  CLOAKROOM_ASSERT((used >> slot & 1) != 0);
  used = static_cast<uint8_t>(used & ~(1u << slot));
  displaced = static_cast<uint8_t>(displaced & ~(1u << slot));
}

MemberTable::MemberTable(HashKey hash_key) : hash_key_(hash_key) { directory_.push_back(new_segment(0)); }

MemberTable::~MemberTable() {
  Segment* previous = nullptr;
  for (Segment* s : directory_) {
    if (s == previous) continue;
    previous = s;
    for (const Bucket& bucket : s->buckets) {
      for (uint32_t used = bucket.used; used != 0; used &= used - 1) {
        free_block(bucket.block(static_cast<uint32_t>(std::countr_zero(used))));
      }
    }
    free_segment(s);
  }
  CLOAKROOM_ASSERT(segments_ == 0 && block_bytes_ == 0);
}

MemberTable::Segment* MemberTable::new_segment(uint8_t depth) {
  auto segment = std::make_unique<Segment>();
  segment->depth() = depth;
  ++segments_;
  return segment.release();
}

void MemberTable::free_segment(Segment* segment) {
  CLOAKROOM_ASSERT(segments_ > 0);
  --segments_;
  const std::unique_ptr<Segment> owned(segment);
}

char* MemberTable::new_block(std::string_view member, std::string_view value) {
  const size_t bytes = bytes_of_block(member.size(), value.size());
  char* block = std::allocator<char>().allocate(bytes);
  block_bytes_ += accounted(bytes);
  char* p = put_length(put_length(block, member.size()), value.size());
  std::memcpy(p, member.data(), member.size());
  if (!value.empty()) std::memcpy(p + member.size(), value.data(), value.size());
  return block;
}

void MemberTable::free_block(char* block) {
  const Item item = item_of(block);
  const size_t bytes = bytes_of_block(item.member.size(), item.value.size());
  CLOAKROOM_ASSERT(block_bytes_ >= accounted(bytes));
  block_bytes_ -= accounted(bytes);
  std::allocator<char>().deallocate(block, bytes);
}

MemberTable::Place MemberTable::find_place(uint64_t hash, std::string_view member) const {
  Segment* s = directory_[directory_index(hash)];
  const uint32_t home = home_of(hash);
  const uint8_t tag = tag_of(hash);
  Place found;
  const auto probe = [&](uint32_t b, uint32_t candidates) {
    for (; candidates != 0; candidates &= candidates - 1) {
      const auto slot = static_cast<uint32_t>(std::countr_zero(candidates));
      if (item_of(s->buckets[b].block(slot)).member != member) continue;
      found = {s, b, slot};
      return true;
    }
    return false;
  };
  const Bucket& bucket = s->buckets[home];
  if (probe(home, bucket.match(tag) & ~uint32_t{bucket.displaced})) return found;
  const uint32_t next = next_bucket(home);
  const Bucket& neighbour = s->buckets[next];
  if (probe(next, neighbour.match(tag) & neighbour.displaced)) return found;
  for (uint32_t b = bucket.overflow != 0 ? kHomeBuckets : kBuckets; b < kBuckets; ++b) {
    if (probe(b, s->buckets[b].match(tag))) return found;
  }
  return {};
}

bool MemberTable::contains(std::string_view member) const {
  return static_cast<bool>(find_place(hash_of(member), member));
}

bool MemberTable::find(std::string_view member, std::string_view& value) const {
  const Place place = find_place(hash_of(member), member);
  if (!place) return false;
  value = item_of(place.block()).value;
  return true;
}

bool MemberTable::put(std::string_view member, std::string_view value) {
  const uint64_t hash = hash_of(member);
  if (const Place place = find_place(hash, member); place) {
    char* block = place.block();
    const std::string_view old = item_of(block).value;
    if (old.size() == value.size()) {
      if (!value.empty()) std::memcpy(block + (old.data() - block), value.data(), value.size());
    } else {
      place.line().set_block(place.slot, new_block(member, value));
      free_block(block);
    }
    return false;
  }
  const char* block = new_block(member, value);
  while (!place_in(*directory_[directory_index(hash)], hash, block))
    split(*directory_[directory_index(hash)], hash);
  ++size_;
  return true;
}

bool MemberTable::erase(std::string_view member) {
  const uint64_t hash = hash_of(member);
  const Place place = find_place(hash, member);
  if (!place) return false;
  char* block = place.block();
  take_out(place, hash);
  free_block(block);
  --size_;
  merge_around(hash);
  return true;
}

bool MemberTable::place_in(Segment& segment, uint64_t hash, const char* block) {
  const uint32_t home = home_of(hash);
  Bucket& bucket = segment.buckets[home];
  Bucket& neighbour = segment.buckets[next_bucket(home)];
  const uint8_t tag = tag_of(hash);
  const bool home_full = bucket.used == 0xff;
  const bool next_full = neighbour.used == 0xff;
  if (!home_full && (next_full || std::popcount(bucket.used) <= std::popcount(neighbour.used))) {
    bucket.put(bucket.free_slot(), tag, block, false);
  } else if (!next_full) {
    neighbour.put(neighbour.free_slot(), tag, block, true);
  } else {
    uint32_t b = kHomeBuckets;
    while (b < kBuckets && segment.buckets[b].used == 0xff) ++b;
    if (b == kBuckets) return false;
    segment.buckets[b].put(segment.buckets[b].free_slot(), tag, block, false);
    overflow_added(bucket);
  }
  ++segment.count();
  return true;
}

void MemberTable::take_out(const Place& place, uint64_t hash) {
  CLOAKROOM_ASSERT(place.segment->count() > 0);
  place.line().clear(place.slot);
  if (place.bucket >= kHomeBuckets) overflow_removed(place.segment->buckets[home_of(hash)]);
  --place.segment->count();
}

void MemberTable::split(Segment& old, uint64_t hash) {
  if (old.depth() == depth_) {
    CLOAKROOM_ASSERT(depth_ < 32);
    std::vector<Segment*> doubled(directory_.size() * 2);
    for (size_t i = 0; i < doubled.size(); ++i) doubled[i] = directory_[i / 2];
    directory_.swap(doubled);
    ++depth_;
  }
  const auto depth = static_cast<uint8_t>(old.depth() + 1);
  Segment* fresh = new_segment(depth);
  old.depth() = depth;
  const size_t span = size_t{1} << (depth_ - depth);
  const size_t first = (directory_index(hash) | span) & ~(span - 1);  // the upper half of the old range
  CLOAKROOM_ASSERT(directory_[first] == &old && directory_[first + span - 1] == &old);
  for (size_t i = 0; i < span; ++i) directory_[first + i] = fresh;

  for (const Bucket& bucket : old.buckets) {
    for (uint32_t used = bucket.used; used != 0; used &= used - 1) {
      __builtin_prefetch(bucket.block(static_cast<uint32_t>(std::countr_zero(used))));
    }
  }
  // Into the bucket of the same number: there is always room, whatever members somebody has chosen.
  for (uint32_t b = 0; b < kBuckets; ++b) {
    for (uint32_t used = old.buckets[b].used; used != 0; used &= used - 1) {
      const Place place{&old, b, static_cast<uint32_t>(std::countr_zero(used))};
      const uint64_t h = hash_of(place.block());
      if ((h >> (64 - depth) & 1) == 0) continue;
      move_item(place, *fresh, b, (place.line().displaced >> place.slot & 1) != 0);
      if (b < kHomeBuckets) continue;
      overflow_removed(old.buckets[home_of(h)]);
      overflow_added(fresh->buckets[home_of(h)]);
    }
  }
  bring_home(old);
  bring_home(*fresh);
}

// Overflow counts are the caller's.
void MemberTable::move_item(const Place& from, Segment& to, uint32_t bucket, bool displaced) {
  Bucket& target = to.buckets[bucket];
  CLOAKROOM_ASSERT(target.used != 0xff);
  target.put(target.free_slot(), from.line().tags[from.slot], from.block(), displaced);
  from.line().clear(from.slot);
  --from.segment->count();
  ++to.count();
}

// Moves items nearer to their homes where room has come.
void MemberTable::bring_home(Segment& s) {
  for (uint32_t home = 0; home < kHomeBuckets; ++home) {
    const uint32_t next = next_bucket(home);
    uint32_t displaced = s.buckets[next].displaced;
    for (; displaced != 0 && s.buckets[home].used != 0xff; displaced &= displaced - 1) {
      move_item({&s, next, static_cast<uint32_t>(std::countr_zero(displaced))}, s, home, false);
    }
  }
  for (uint32_t b = kHomeBuckets; b < kBuckets; ++b) {
    for (uint32_t used = s.buckets[b].used; used != 0; used &= used - 1) {
      const Place place{&s, b, static_cast<uint32_t>(std::countr_zero(used))};
      const uint32_t home = home_of(hash_of(place.block()));
      const bool home_full = s.buckets[home].used == 0xff;
      if (home_full && s.buckets[next_bucket(home)].used == 0xff) continue;
      move_item(place, s, home_full ? next_bucket(home) : home, home_full);
      overflow_removed(s.buckets[home]);
    }
  }
}

// Merges the segment of `hash` with its buddy while both are sparse: again only while little has been moved.
void MemberTable::merge_around(uint64_t hash) {
  Segment* s = directory_[directory_index(hash)];
  if (s->count() % kMergeStep != 0) return;
  for (uint32_t moved = 0; s->depth() > 0 && s->count() < kMergeBelow && moved < kMergeBelow;) {
    const size_t span = size_t{1} << (depth_ - s->depth());
    const size_t first = directory_index(hash) & ~(span - 1);
    Segment* buddy = directory_[first ^ span];
    if (buddy->depth() != s->depth() || !fit_together(*s, *buddy)) return;
    if (s->count() > buddy->count()) std::swap(s, buddy);
    moved += s->count();
    merge(*s, *buddy, first & ~span, 2 * span);
    s = buddy;
  }
}

// Whether merge() has room. Counts say too little: after members were removed in the order of SSCAN, what is
// left in both stands in the same few homes.
bool MemberTable::fit_together(Segment& a, Segment& b) {
  if (a.count() + b.count() > kMergedAtMost) return false;
  uint32_t stashed = 0;
  for (uint32_t i = 0; i < kBuckets; ++i) {
    const auto both =
        static_cast<uint32_t>(std::popcount(a.buckets[i].used) + std::popcount(b.buckets[i].used));
    stashed += i >= kHomeBuckets ? both : both - std::min(both, kSlots);
  }
  return stashed <= (kBuckets - kHomeBuckets) * kSlots;
}

// Moves everything of `gone` into the buckets of the same number of `into`, or to its stash; `into` then has
// the directory's range [first, first + span).
void MemberTable::merge(Segment& gone, Segment& into, size_t first, size_t span) {
  uint32_t stash = kHomeBuckets;
  for (uint32_t b = 0; b < kBuckets; ++b) {
    for (uint32_t used = gone.buckets[b].used; used != 0; used &= used - 1) {
      const Place place{&gone, b, static_cast<uint32_t>(std::countr_zero(used))};
      if (b < kHomeBuckets && into.buckets[b].used != 0xff) {
        move_item(place, into, b, (place.line().displaced >> place.slot & 1) != 0);
        continue;
      }
      while (stash + 1 < kBuckets && into.buckets[stash].used == 0xff) ++stash;
      overflow_added(into.buckets[home_of(hash_of(place.block()))]);
      move_item(place, into, stash, false);
    }
  }
  CLOAKROOM_ASSERT(gone.count() == 0 && directory_[first] == directory_[first + span / 2 - 1]);
  for (size_t i = 0; i < span; ++i) directory_[first + i] = &into;
  --into.depth();
  free_segment(&gone);
  bring_home(into);
  halve_directory();
}

void MemberTable::halve_directory() {
  while (depth_ > 0) {
    for (size_t i = 0; i < directory_.size(); i += 2) {
      if (directory_[i] != directory_[i + 1]) return;
    }
    std::vector<Segment*> half(directory_.size() / 2);
    for (size_t i = 0; i < half.size(); ++i) half[i] = directory_[2 * i];
    directory_.swap(half);
    --depth_;
  }
}

size_t MemberTable::memory_bytes() const {
  return sizeof *this + directory_.capacity() * sizeof(Segment*) + segments_ * sizeof(Segment) + block_bytes_;
}

std::unique_ptr<MemberTable> MemberTable::clone() const {
  auto copy = std::make_unique<MemberTable>(hash_key_);
  for_each([&](const Item& item) { copy->put(item.member, item.value); });
  return copy;
}

}  // namespace cloakroom::storage
