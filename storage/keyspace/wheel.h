// Hierarchical timing wheel of one shard (Varghese & Lauck 1987). What is filed is a table's bucket, at the
// tick of its earliest deadline: ~1.3 bytes an entry instead of 8 for links in every entry, and deleting a
// key or extending a deadline touches no timer. A bucket that fires too early is simply filed again.
//
//   tick  = 16 ms; a deadline d is due at tick (d / 16 ms) + 1, so a key is reclaimed at most 16 ms late
//   level = 0..4, 64 slots each: 1 s, 65 s, 70 min, 74 h, 199 days; what is later waits in the last level
//
// Ticks are 32 bits and wrap after 795 days; comparisons are by signed difference. Not thread-safe.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "storage/keyspace/segment.h"

namespace cloakroom::storage {

class Wheel {
 public:
  static constexpr int kTickShift = 4;
  static constexpr int kLevels = 5;
  static constexpr uint32_t kMaxAhead = (1u << (6 * kLevels)) - 1;

  Wheel(SegmentPool& pool, int64_t now_ms)
      : pool_(pool), floor_(tick_at(now_ms) + kMaxAhead), done_(tick_at(now_ms)) {}

  static uint32_t tick_at(int64_t ms) { return static_cast<uint32_t>(ms >> kTickShift); }
  // First tick at which an entry with this deadline is expired, at most kMaxAhead from now.
  static uint32_t due_tick(int64_t deadline_ms, int64_t now_ms);

  // Files the bucket at `tick` unless it is already filed at or before it.
  void schedule(BucketRef ref, uint32_t tick);
  void cancel(BucketRef ref);

  // Fires due buckets up to now in order of ticks: `fire(ref)` is called with the bucket taken out of the
  // wheel, and answers whether to go on. Returns false when stopped by `fire`.
  template <class Fire>
  bool advance(int64_t now_ms, Fire&& fire);

  // The wall clock has stepped to `now_ms`: files everything anew, at its tick, or at once when `far`.
  void restart(int64_t now_ms, bool far);

  // Whether an entry expired at `now_ms` may still be here. Never falsely no; readable without the guard.
  bool may_be_due(int64_t now_ms) const {
    return static_cast<int32_t>(tick_at(now_ms) + 1 - floor_.load(std::memory_order_acquire)) >= 0;
  }
  // Calls visit(ref) for every bucket that may hold an entry expired at `now_ms`.
  template <class Visit>
  void visit_due(int64_t now_ms, Visit&& visit) const;
  // Start of the next tick that may have work, in ms; nullopt when nothing is filed.
  std::optional<int64_t> next_work_ms(int64_t now_ms) const;

 private:
  static constexpr uint32_t kSlotsPerLevel = 64;

  void link(BucketRef ref, BucketTimer& timer, uint32_t tick);
  void unlink(BucketTimer& timer);
  void cascade(uint32_t tick);
  bool empty() const;
  uint32_t next_tick() const;  // lower bound of the ticks filed

  SegmentPool& pool_;
  std::atomic<uint32_t> floor_;  // no bucket is filed before this tick
  uint32_t done_;                // every tick up to this one has been served
  std::array<BucketRef, kLevels * kSlotsPerLevel> heads_{};
  std::array<uint64_t, kLevels> filled_{};
};

template <class Fire>
bool Wheel::advance(int64_t now_ms, Fire&& fire) {
  const uint32_t now = tick_at(now_ms);
  while (static_cast<int32_t>(now - done_) > 0) {
    const uint32_t tick = done_ + 1;
    if ((tick & 63) == 0) cascade(tick);
    const BucketRef& head = heads_[tick & 63];
    while (head != 0) {
      const BucketRef ref = head;
      unlink(pool_.timer(ref));
      if (!fire(ref)) return false;
    }
    done_ = tick;
    if (filled_[0] == 0) {  // nothing before the next cascade
      const uint32_t last = tick | 63;
      done_ = static_cast<int32_t>(now - last) > 0 ? last : now;
    }
  }
  floor_.store(next_tick(), std::memory_order_release);
  return true;
}

template <class Visit>
void Wheel::visit_due(int64_t now_ms, Visit&& visit) const {
  const uint32_t first = next_tick();
  const uint32_t last = tick_at(now_ms) + 1;
  if (static_cast<int32_t>(last - first) < 0) return;
  for (uint32_t level = 0; level < kLevels; ++level) {
    const uint32_t shift = 6 * level;
    const uint32_t slots = std::min((last >> shift) - (first >> shift) + 1, kSlotsPerLevel);
    for (uint32_t i = 0; i < slots; ++i) {
      const uint32_t slot = ((first >> shift) + i) & 63;
      for (BucketRef ref = heads_[level * kSlotsPerLevel + slot]; ref != 0; ref = pool_.timer(ref).next) {
        if (static_cast<int32_t>(last - pool_.timer(ref).tick) >= 0) visit(ref);
      }
    }
  }
}

}  // namespace cloakroom::storage
