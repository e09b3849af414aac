#include "server/stats/latency_histogram.h"

#include <doctest/doctest.h>

namespace cloakroom::server {
namespace {

LatencyDistribution of(std::initializer_list<double> durations_us) {
  LatencyHistogram histogram;
  for (const double us : durations_us) histogram.record(us);
  LatencyDistribution sum;
  sum.add(histogram);
  return sum;
}

}  // namespace

TEST_CASE("durations beyond both ends of a histogram are counted, too") {
  CHECK(LatencyHistogram::bucket_of(0) == 0);
  CHECK(LatencyHistogram::bucket_of(0.0639) == 0);
  CHECK(LatencyHistogram::bucket_of(0.0641) == 1);
  CHECK(LatencyHistogram::bucket_of(1e12) == LatencyHistogram::kBuckets - 1);
}

TEST_CASE("buckets grow with the duration, a quarter of an octave at a time") {
  size_t last = LatencyHistogram::bucket_of(0.1);
  for (double us = 0.1; us < 1e5; us *= 1.01) {
    const size_t bucket = LatencyHistogram::bucket_of(us);
    CHECK(bucket >= last);
    CHECK(bucket <= last + 1);
    last = bucket;
  }
  CHECK(LatencyHistogram::bucket_of(2) == LatencyHistogram::bucket_of(1) + LatencyHistogram::kPerOctave);
}

TEST_CASE("a percentile is at most a quarter of an octave above the duration") {
  const LatencyDistribution latency = of({1, 1, 1, 1, 1, 1, 1, 1, 1, 100});
  CHECK(latency.total() == 10);
  CHECK(latency.percentile(50) >= 1);
  CHECK(latency.percentile(50) < 1.26);
  CHECK(latency.percentile(90) == latency.percentile(50));
  CHECK(latency.percentile(91) >= 100);
  CHECK(latency.percentile(100) < 126);
  CHECK(of({}).percentile(50) == 0);
}

TEST_CASE("cumulative counts are shown at Redis' bounds, where they grow") {
  using Bounds = std::vector<std::pair<int64_t, uint64_t>>;
  CHECK(of({}).cumulative() == Bounds{});
  CHECK(of({0.2, 0.9, 1.5, 20, 20, 40}).cumulative() == Bounds{{1, 2}, {2, 3}, {33, 5}, {66, 6}});
  CHECK(of({1e9}).cumulative() == Bounds{{541065, 1}});
}

TEST_CASE("a reset histogram is empty") {
  LatencyHistogram histogram;
  histogram.record(5);
  histogram.reset();
  LatencyDistribution sum;
  sum.add(histogram);
  CHECK(sum.total() == 0);
}

}  // namespace cloakroom::server
