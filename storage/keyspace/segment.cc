#include "storage/keyspace/segment.h"

#include <cstring>

namespace cloakroom::storage {

SegmentPool::~SegmentPool() {
  for (char* region : regions_) source_.give(region);
}

void SegmentPool::add_region() {
  char* region = source_.take();
  regions_.push_back(region);
  constexpr size_t kPerRegion = kRegionBytes / sizeof(Segment);
  const size_t first = by_number_.size();
  for (size_t i = 0; i < kPerRegion; ++i) {
    by_number_.push_back(reinterpret_cast<Segment*>(region + i * sizeof(Segment)));
  }
  for (size_t i = kPerRegion; i-- > 0;) free_.push_back(static_cast<uint32_t>(first + i));
}

Segment* SegmentPool::take(Table* table, uint8_t depth) {
  if (free_.empty()) add_region();
  const uint32_t number = free_.back();
  free_.pop_back();
  Segment* segment = by_number_[number];
  std::memset(static_cast<void*>(segment), 0, sizeof *segment);
  segment->table = table;
  segment->number = number;
  segment->depth = depth;
  ++live_;
  return segment;
}

void SegmentPool::give(Segment* segment) {
  CLOAKROOM_ASSERT(live_ > 0 && by_number_[segment->number] == segment);
  --live_;
  free_.push_back(segment->number);
  if (live_ > 0) return;
  for (char* region : regions_) source_.give(region);
  regions_.clear();
  by_number_.resize(1);
  free_.clear();
}

}  // namespace cloakroom::storage
