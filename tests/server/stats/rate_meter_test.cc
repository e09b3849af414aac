#include "server/stats/rate_meter.h"

#include <doctest/doctest.h>

namespace cloakroom::server::test {

TEST_CASE("A rate is measured over the time that went by, not over the time that was meant to") {
  RateMeter meter;
  int64_t now_us = 1'000'000;
  uint64_t total = 500;
  meter.sample(now_us, total);
  CHECK(meter.per_second() == 0);
  for (int i = 0; i < 40; ++i) {  // every 100 ms, but the thread is busy
    now_us += 350'000;
    total += 3500;
    meter.sample(now_us, total);
    CHECK(meter.per_second() == doctest::Approx(10'000));
  }
}

TEST_CASE("A rate covers the last 16 intervals by their lengths") {
  RateMeter meter;
  meter.sample(0, 0);
  meter.sample(100'000, 1000);
  meter.sample(1'000'000, 1000);
  CHECK(meter.per_second() == doctest::Approx(1000));
  for (int i = 1; i <= 16; ++i) meter.sample(1'000'000 + i * 100'000, 1000 + static_cast<uint64_t>(i) * 50);
  CHECK(meter.per_second() == doctest::Approx(500));
}

TEST_CASE("A total set back to zero begins a new measurement") {
  RateMeter meter;
  meter.sample(0, 1'000'000);
  meter.sample(100'000, 2'000'000);
  meter.sample(200'000, 10);
  CHECK(meter.per_second() == 0);
  meter.sample(300'000, 110);
  CHECK(meter.per_second() == doctest::Approx(1000));
}

}  // namespace cloakroom::server::test
