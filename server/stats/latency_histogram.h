#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "storage/keyspace/access.h"

namespace cloakroom::server {

// How long a command took, by logarithmic buckets: four to an octave, from 64 nanoseconds to half a second.
// The bucket is the exponent and the two highest bits of the fraction of the duration as a double: no
// division, no search. One thread records, any reads.
class LatencyHistogram {
 public:
  static constexpr size_t kPerOctave = 4;
  static constexpr size_t kOctaves = 23;
  static constexpr size_t kBuckets = kOctaves * kPerOctave + 1;  // the first holds what is below 64 ns
  static constexpr double kLowestPerUs = 1000.0 / 64;

  static size_t bucket_of(double duration_us) {
    constexpr int kShift = 52 - 2;
    constexpr auto kOne = static_cast<int64_t>(std::bit_cast<uint64_t>(1.0) >> kShift);
    const auto bits = static_cast<int64_t>(std::bit_cast<uint64_t>(duration_us * kLowestPerUs) >> kShift);
    return static_cast<size_t>(std::clamp<int64_t>(bits - kOne + 1, 0, kBuckets - 1));
  }

  void record(double duration_us) { counts_[bucket_of(duration_us)].add(); }
  uint64_t count(size_t bucket) const { return counts_[bucket].get(); }
  void reset() {
    for (storage::Counter& counter : counts_) counter.reset();
  }

 private:
  std::array<storage::Counter, kBuckets> counts_;
};

// The histograms of all threads as one.
class LatencyDistribution {
 public:
  void add(const LatencyHistogram& histogram);
  uint64_t total() const { return total_; }
  // The duration, in microseconds, that `percent` of the calls did not exceed.
  double percentile(double percent) const;
  // Calls up to about 1, 2, 4, 8, 16, 33 ... microseconds (the bounds Redis shows), where their number grows.
  std::vector<std::pair<int64_t, uint64_t>> cumulative() const;

 private:
  std::array<uint64_t, LatencyHistogram::kBuckets> counts_{};
  uint64_t total_ = 0;
};

}  // namespace cloakroom::server
