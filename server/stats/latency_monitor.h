#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/lock.h"

namespace cloakroom::server {

// LATENCY: the last 160 spikes by event, one a second at most, as Redis keeps them. Thread-safe; rarely
// locked.
class LatencyMonitor {
 public:
  struct Sample {
    int64_t unix_s;
    int64_t latency_ms;
  };
  struct Event {
    int64_t max_ms = 0;
    std::vector<Sample> samples;  // oldest first, at most kSamples
  };
  static constexpr size_t kSamples = 160;

  void add(std::string_view event, int64_t unix_s, int64_t latency_ms);
  std::map<std::string, Event> snapshot() const;
  // Forgets one event; false when there was none.
  bool reset(std::string_view event);
  size_t reset_all();

 private:
  mutable storage::Mutex mutex_;
  std::map<std::string, Event, std::less<>> events_ CLOAKROOM_GUARDED_BY(mutex_);
};

}  // namespace cloakroom::server
