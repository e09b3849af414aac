#include "storage/keyspace/wheel.h"

#include <doctest/doctest.h>

#include <map>
#include <random>

namespace cloakroom::storage {
namespace {

constexpr int64_t kStartMs = 1'700'000'000'123;

struct Rig {
  Rig() : pool(source), wheel(pool, kStartMs) {
    for (int i = 0; i < 8; ++i) segments.push_back(pool.take(nullptr, 0));
  }
  ~Rig() {
    for (Segment* segment : segments) pool.give(segment);
  }
  BucketRef ref(uint32_t i) { return SegmentPool::ref(*segments[i / 64], i % 64); }

  RegionSource source;
  SegmentPool pool;
  Wheel wheel;
  std::vector<Segment*> segments;
};

}  // namespace

TEST_CASE("after a step of the clock everything fires at its tick as before, or at once after a far one") {
  std::mt19937_64 random(9);
  constexpr int64_t kDayMs = 86'400'000;
  for (const int64_t step_ms :
       {-400 * kDayMs, -3'600'000 * int64_t{1}, int64_t{-17}, int64_t{17}, 5 * kDayMs, 150 * kDayMs}) {
    CAPTURE(step_ms);
    Rig rig;
    std::map<BucketRef, uint32_t> filed;
    for (uint32_t i = 0; i < 512; ++i) {
      const auto ahead_ms = static_cast<int64_t>(random() >> 32 >> random() % 28);
      filed[rig.ref(i)] = Wheel::due_tick(kStartMs + ahead_ms, kStartMs);
      rig.wheel.schedule(rig.ref(i), filed[rig.ref(i)]);
    }
    const bool far = step_ms <= -199 * kDayMs;
    int64_t now_ms = kStartMs + step_ms;
    rig.wheel.restart(now_ms, far);
    for (int i = 0; i < 3000 && !filed.empty(); ++i) {
      if (const auto next = rig.wheel.next_work_ms(now_ms)) now_ms = std::max(now_ms + 1, *next);
      const uint32_t now = Wheel::tick_at(now_ms);
      const bool may_be_due = rig.wheel.may_be_due(now_ms);
      rig.wheel.advance(now_ms, [&](BucketRef fired) {
        REQUIRE(may_be_due);
        REQUIRE(filed.contains(fired));
        const int32_t late = static_cast<int32_t>(now - filed[fired]);
        if (!far) REQUIRE(late >= 0);
        if (!far && static_cast<int32_t>(filed[fired] - Wheel::tick_at(kStartMs + step_ms)) > 0)
          REQUIRE(late <= 1);
        filed.erase(fired);
        return true;
      });
    }
    CHECK(filed.empty());
    CHECK_FALSE(rig.wheel.next_work_ms(now_ms).has_value());
  }
}

TEST_CASE("every bucket fires at its tick, in order, whatever the level it was filed in") {
  Rig rig;
  std::mt19937_64 random(4);
  std::map<BucketRef, uint32_t> filed;
  int64_t now_ms = kStartMs;
  uint32_t last = Wheel::tick_at(now_ms);
  for (int step = 0; step < 20'000; ++step) {
    const BucketRef ref = rig.ref(static_cast<uint32_t>(random() % 512));
    const int64_t reach = int64_t{1} << (4 + random() % 30);
    const uint32_t due =
        Wheel::due_tick(now_ms + static_cast<int64_t>(random() % static_cast<uint64_t>(reach)), now_ms);
    if (random() % 10 == 0) {
      rig.wheel.cancel(ref);
      filed.erase(ref);
    } else {
      rig.wheel.schedule(ref, due);
      const auto at = filed.find(ref);
      if (at == filed.end() || static_cast<int32_t>(at->second - due) > 0) filed[ref] = due;
    }
    now_ms += static_cast<int64_t>(random() % (int64_t{1} << (random() % 24)));
    const uint32_t now = Wheel::tick_at(now_ms);
    const bool all = rig.wheel.advance(now_ms, [&](BucketRef fired) {
      REQUIRE(filed.contains(fired));
      const uint32_t tick = filed[fired];
      REQUIRE(static_cast<int32_t>(tick - now) <= 0);
      REQUIRE(static_cast<int32_t>(tick - last) >= 0);
      last = tick;
      filed.erase(fired);
      return true;
    });
    REQUIRE(all);
    for (const auto& [open, tick] : filed) REQUIRE(static_cast<int32_t>(tick - now) > 0);
    last = now;
    const auto next = rig.wheel.next_work_ms(now_ms);
    REQUIRE(next.has_value() == !filed.empty());
    for (const auto& [open, tick] : filed) {
      REQUIRE(*next <= now_ms + (static_cast<int64_t>(tick - now) << Wheel::kTickShift));
    }
  }
  CHECK(last != Wheel::tick_at(kStartMs));
}

TEST_CASE("a stopped advance goes on where it stopped") {
  Rig rig;
  for (uint32_t i = 0; i < 100; ++i)
    rig.wheel.schedule(rig.ref(i), Wheel::due_tick(kStartMs + 1000, kStartMs));
  const int64_t later = kStartMs + 5000;
  int fired = 0;
  int calls = 0;
  while (!rig.wheel.advance(later, [&](BucketRef) { return ++fired % 7 != 0; })) ++calls;
  CHECK(fired == 100);
  CHECK(calls == 14);
  CHECK_FALSE(rig.wheel.next_work_ms(later).has_value());
}

TEST_CASE("may_be_due is never falsely no") {
  Rig rig;
  const int64_t deadline = kStartMs + 777;
  rig.wheel.schedule(rig.ref(0), Wheel::due_tick(deadline, kStartMs));
  CHECK_FALSE(rig.wheel.may_be_due(kStartMs));
  CHECK(rig.wheel.may_be_due(deadline + 1));
  rig.wheel.advance(deadline + 100, [](BucketRef) { return true; });
  CHECK_FALSE(rig.wheel.may_be_due(deadline + 100));
}

TEST_CASE("deadlines beyond the reach wait in the last level") {
  Rig rig;
  const int64_t century_ms = int64_t{100} * 365 * 86'400'000;
  const uint32_t due = Wheel::due_tick(kStartMs + century_ms, kStartMs);
  CHECK(due - Wheel::tick_at(kStartMs) == Wheel::kMaxAhead);
  rig.wheel.schedule(rig.ref(0), due);
  int fired = 0;
  const int64_t reach_ms = int64_t{Wheel::kMaxAhead} << Wheel::kTickShift;
  rig.wheel.advance(kStartMs + reach_ms - 1000, [&](BucketRef) { return ++fired > 0; });
  CHECK(fired == 0);
  rig.wheel.advance(kStartMs + reach_ms + 1000, [&](BucketRef) { return ++fired > 0; });
  CHECK(fired == 1);
}

}  // namespace cloakroom::storage
