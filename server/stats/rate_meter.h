#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace cloakroom::server {

// How fast a total grows: over the last 16 intervals between samples, however long they were. One thread
// samples, any reads.
class RateMeter {
 public:
  // The total at `now_us`, monotonic. It may go back to zero (CONFIG RESETSTAT): measuring begins anew.
  void sample(int64_t now_us, uint64_t total);
  double per_second() const { return per_second_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kSamples = 17;

  struct Sample {
    int64_t at_us;
    uint64_t total;
  };
  std::array<Sample, kSamples> samples_{};
  size_t taken_ = 0;
  std::atomic<double> per_second_{0};
};

}  // namespace cloakroom::server
