#include "server/stats/latency_histogram.h"

#include <cmath>

namespace cloakroom::server {
namespace {

constexpr int64_t kLowest_ns = 64;

// Exclusive upper bound of a bucket.
double upper_ns(size_t bucket) {
  const size_t octave = bucket / LatencyHistogram::kPerOctave;
  const size_t part = bucket % LatencyHistogram::kPerOctave;
  return std::ldexp(
      static_cast<double>(kLowest_ns * static_cast<int64_t>(LatencyHistogram::kPerOctave + part)) /
          LatencyHistogram::kPerOctave,
      static_cast<int>(octave));
}

}  // namespace

void LatencyDistribution::add(const LatencyHistogram& histogram) {
  for (size_t i = 0; i < counts_.size(); ++i) {
    const uint64_t count = histogram.count(i);
    counts_[i] += count;
    total_ += count;
  }
}

double LatencyDistribution::percentile(double percent) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(percent / 100 * static_cast<double>(total_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen > 0 && seen >= wanted) return (upper_ns(i) - 1) / 1000;
  }
  return 0;
}

std::vector<std::pair<int64_t, uint64_t>> LatencyDistribution::cumulative() const {
  constexpr int64_t kFirstBound_ns = 1024;
  constexpr int64_t kPrecision =
      128;  // Redis' histogram keeps two digits: a bound is the end of its finest step
  std::vector<std::pair<int64_t, uint64_t>> out;
  uint64_t seen = 0;
  size_t bucket = 0;
  for (int64_t bound_ns = kFirstBound_ns; seen < total_; bound_ns *= 2) {
    const uint64_t before = seen;
    for (; bucket < counts_.size() && upper_ns(bucket) <= static_cast<double>(bound_ns); ++bucket) {
      seen += counts_[bucket];
    }
    if (seen > before) out.emplace_back((bound_ns + bound_ns / kPrecision - 1) / 1000, seen);
  }
  return out;
}

}  // namespace cloakroom::server
