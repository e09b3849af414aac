#include "storage/base/clock.h"

#include <ctime>

namespace cloakroom::storage {
namespace {

int64_t read_us(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000 + t.tv_nsec / 1000;
}

}  // namespace

int64_t SystemClock::wall_ms() const { return read_us(CLOCK_REALTIME) / 1000; }
int64_t SystemClock::wall_us() const { return read_us(CLOCK_REALTIME); }
int64_t SystemClock::monotonic_us() const { return read_us(CLOCK_MONOTONIC); }

}  // namespace cloakroom::storage
