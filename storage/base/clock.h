#pragma once

#include <cstdint>

namespace cloakroom::storage {

// A moment as the keyspace counts it.
struct Instant {
  int64_t wall_ms = 0;    // since 1970 UTC: what deadlines are compared with
  int64_t steady_ms = 0;  // monotonic, arbitrary origin: what durations are measured by
  uint32_t epoch = 0;     // how often the wall clock had stepped (wall_step.h)
};

// The only source of time. Thread-safe. Production reads the system clocks; tests advance a ManualClock.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_ms() const = 0;       // milliseconds since 1970 UTC; may jump
  virtual int64_t wall_us() const = 0;       // microseconds since 1970 UTC
  virtual int64_t monotonic_us() const = 0;  // never goes back; arbitrary origin
};

class SystemClock final : public Clock {
 public:
  int64_t wall_ms() const override;
  int64_t wall_us() const override;
  int64_t monotonic_us() const override;
};

}  // namespace cloakroom::storage
