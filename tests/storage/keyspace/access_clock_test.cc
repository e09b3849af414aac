#include "storage/keyspace/access_clock.h"

#include <doctest/doctest.h>

#include <random>

namespace cloakroom::storage::test {

TEST_CASE("Idle time is right across the wrap of the 24-bit clock") {
  const int64_t wrap_ms = (int64_t{1} << 24) * 1000;
  for (const int64_t now_ms : {int64_t{5'000'000}, wrap_ms, 100 * wrap_ms + 7000, 100 * wrap_ms - 1}) {
    for (const int64_t idle_s : {0, 1, 3600, 16'000'000}) {
      CHECK(idle_ms(lru_clock(now_ms), now_ms + idle_s * 1000) == idle_s * 1000);
    }
  }
}

TEST_CASE("The LFU counter loses one for each period, never below 0, and never with a period of 0") {
  const int64_t now_ms = (int64_t{0xffff} + 123 * 65536) * 60'000;  // the minutes wrap just after
  const uint32_t word = lfu_word(20, now_ms);
  CHECK(word < 1u << 24);
  CHECK(lfu_decay(word, now_ms, 1) == 20);
  CHECK(lfu_decay(word, now_ms + 3 * 60'000, 1) == 17);
  CHECK(lfu_decay(word, now_ms + 11 * 60'000, 5) == 18);
  CHECK(lfu_decay(word, now_ms + 1000 * 60'000, 1) == 0);
  CHECK(lfu_decay(word, now_ms + 1000 * 60'000, 0) == 20);
}

TEST_CASE("The LFU counter grows with the logarithm of the accesses") {
  std::mt19937_64 random(1);
  const auto after = [&](int accesses, uint32_t factor) {
    uint32_t counter = kLfuNewCounter;
    for (int i = 0; i < accesses; ++i) counter = lfu_increment(counter, factor, random());
    return counter;
  };
  CHECK(after(1, 10) == kLfuNewCounter + 1);  // certain at the start
  CHECK(after(100, 10) >= 8);                 // figures of redis.conf's table: 10, 18, 142, 255
  CHECK(after(100, 10) <= 13);
  CHECK(after(1000, 10) >= 15);
  CHECK(after(1000, 10) <= 23);
  CHECK(after(1'000'000, 10) == kLfuMaxCounter);
  CHECK(after(300, 0) == kLfuMaxCounter);
}

}  // namespace cloakroom::storage::test
