#include "storage/keyspace/wheel.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "storage/base/assert.h"

namespace cloakroom::storage {

uint32_t Wheel::due_tick(int64_t deadline_ms, int64_t now_ms) {
  const int64_t ahead = (deadline_ms >> kTickShift) + 1 - (now_ms >> kTickShift);
  return tick_at(now_ms) + static_cast<uint32_t>(std::clamp<int64_t>(ahead, 0, kMaxAhead));
}

void Wheel::schedule(BucketRef ref, uint32_t tick) {
  BucketTimer& timer = pool_.timer(ref);
  if (timer.wheel_slot != 0) {
    if (static_cast<int32_t>(timer.tick - tick) <= 0) return;
    unlink(timer);
  }
  link(ref, timer, tick);
}

void Wheel::cancel(BucketRef ref) {
  BucketTimer& timer = pool_.timer(ref);
  if (timer.wheel_slot != 0) unlink(timer);
}

void Wheel::link(BucketRef ref, BucketTimer& timer, uint32_t tick) {
  const auto ahead = static_cast<int32_t>(tick - done_);
  const uint32_t at = ahead <= 0 ? done_ + 1 : done_ + std::min(static_cast<uint32_t>(ahead), kMaxAhead);
  int level = 0;
  while (at - (done_ + 1) >= 1u << (6 * (level + 1))) ++level;  // the 64 ticks from done_ + 1 share level 0
  const uint32_t slot = at >> (6 * level) & 63;
  CLOAKROOM_ASSERT(level < kLevels && timer.wheel_slot == 0);
  BucketRef& head = heads_[static_cast<uint32_t>(level) * kSlotsPerLevel + slot];
  timer.tick = at;
  timer.wheel_slot = static_cast<uint16_t>(1 + static_cast<uint32_t>(level) * kSlotsPerLevel + slot);
  timer.previous = 0;
  timer.next = head;
  if (head != 0) pool_.timer(head).previous = ref;
  head = ref;
  filled_[static_cast<size_t>(level)] |= uint64_t{1} << slot;
  if (static_cast<int32_t>(at - floor_.load(std::memory_order_relaxed)) < 0) {
    floor_.store(at, std::memory_order_release);
  }
}

void Wheel::unlink(BucketTimer& timer) {
  CLOAKROOM_ASSERT(timer.wheel_slot != 0);
  const uint32_t slot = timer.wheel_slot - 1u;
  if (timer.next != 0) pool_.timer(timer.next).previous = timer.previous;
  if (timer.previous != 0) {
    pool_.timer(timer.previous).next = timer.next;
  } else {
    heads_[slot] = timer.next;
    if (timer.next == 0) filled_[slot / kSlotsPerLevel] &= ~(uint64_t{1} << slot % kSlotsPerLevel);
  }
  timer.wheel_slot = 0;
  CLOAKROOM_ASSERT((heads_[slot] != 0) == (filled_[slot / kSlotsPerLevel] >> slot % kSlotsPerLevel & 1));
}

// Entering `tick`, a multiple of 64: refiles the slots of higher levels that begin here.
void Wheel::cascade(uint32_t tick) {
  CLOAKROOM_ASSERT(tick % kSlotsPerLevel == 0);
  for (uint32_t level = 1; level < kLevels; ++level) {
    const uint32_t slot = tick >> (6 * level) & 63;
    const BucketRef& head = heads_[level * kSlotsPerLevel + slot];
    while (head != 0) {
      const BucketRef ref = head;
      BucketTimer& timer = pool_.timer(ref);
      unlink(timer);
      link(ref, timer, timer.tick);
    }
    if (slot != 0) break;
  }
}

void Wheel::restart(int64_t now_ms, bool far) {
  BucketRef all = 0;
  for (BucketRef& head : heads_) {
    while (head != 0) {
      const BucketRef ref = head;
      head = std::exchange(pool_.timer(ref).next, all);
      all = ref;
    }
  }
  filled_.fill(0);
  done_ = tick_at(now_ms);
  floor_.store(done_ + kMaxAhead, std::memory_order_release);
  while (all != 0) {
    const BucketRef ref = all;
    BucketTimer& timer = pool_.timer(ref);
    all = timer.next;
    timer.wheel_slot = 0;
    link(ref, timer, far ? done_ + 1 : timer.tick);
  }
}

bool Wheel::empty() const {
  return std::all_of(filled_.begin(), filled_.end(), [](uint64_t bits) { return bits == 0; });
}

uint32_t Wheel::next_tick() const {
  uint32_t ahead = kMaxAhead;
  for (uint32_t level = 0; level < kLevels; ++level) {
    if (filled_[level] == 0) continue;
    const uint32_t position = done_ >> (6 * level);
    const auto turn = static_cast<int>((position + 1) & 63);
    const auto slots = static_cast<uint32_t>(std::countr_zero(std::rotr(filled_[level], turn))) + 1;
    ahead = std::min(ahead, ((position + slots) << (6 * level)) - done_);
  }
  return done_ + ahead;
}

std::optional<int64_t> Wheel::next_work_ms(int64_t now_ms) const {
  if (empty()) return std::nullopt;
  const auto ahead = static_cast<int32_t>(next_tick() - tick_at(now_ms));
  return ((now_ms >> kTickShift) + ahead) << kTickShift;
}

}  // namespace cloakroom::storage
