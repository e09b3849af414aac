// What an entry's 24-bit access word means, as in Redis 7.0 (whose OBJECT IDLETIME and OBJECT FREQ show it):
//   LRU policies and noeviction   seconds, modulo 2^24 (194 days)
//   LFU policies                  minutes, modulo 2^16, << 8 | logarithmic counter of accesses
// Times are monotonic: when the wall clock steps back, keys in use must not look idle for 194 days.
#pragma once

#include <cstdint>

namespace cloakroom::storage {

inline constexpr uint32_t kLruClockMask = (1u << 24) - 1;
inline constexpr uint32_t kLfuNewCounter = 5;  // of a new key: it must survive until its second use
inline constexpr uint32_t kLfuMaxCounter = 255;

inline uint32_t lru_clock(int64_t steady_ms) {
  return static_cast<uint32_t>(steady_ms / 1000) & kLruClockMask;
}

// Time since the last access by an LRU word, in whole seconds; right up to 194 days.
inline int64_t idle_ms(uint32_t access, int64_t steady_ms) {
  return static_cast<int64_t>((lru_clock(steady_ms) - access) & kLruClockMask) * 1000;
}

inline uint32_t lfu_clock_minutes(int64_t steady_ms) {
  return static_cast<uint32_t>(steady_ms / 60000) & 0xffff;
}

inline uint32_t lfu_word(uint32_t counter, int64_t steady_ms) {
  return lfu_clock_minutes(steady_ms) << 8 | counter;
}

// The counter as of now: one less for each `decay_minutes` gone by (0: never less).
inline uint32_t lfu_decay(uint32_t access, int64_t steady_ms, uint32_t decay_minutes) {
  const uint32_t counter = access & 255;
  if (decay_minutes == 0) return counter;
  const uint32_t periods = ((lfu_clock_minutes(steady_ms) - (access >> 8)) & 0xffff) / decay_minutes;
  return periods > counter ? 0 : counter - periods;
}

// The counter after one more access: raised with probability 1 / ((counter - kLfuNewCounter) * factor + 1).
// `random` is 64 uniform bits.
inline uint32_t lfu_increment(uint32_t counter, uint32_t factor, uint64_t random) {
  if (counter >= kLfuMaxCounter) return kLfuMaxCounter;
  const uint64_t above = counter > kLfuNewCounter ? counter - kLfuNewCounter : 0;
  const uint64_t odds = above * factor + 1;
  return random % odds == 0 ? counter + 1 : counter;
}

}  // namespace cloakroom::storage
