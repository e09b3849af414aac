#include "storage/keyspace/arena.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace cloakroom::storage {
namespace {

constexpr size_t kSlabBytes = 2 << 20;
constexpr size_t kRegionsPerSlab = kSlabBytes / kRegionBytes;

// A slab aligned to its own size, so that the kernel can back it with one huge page.
char* map_slab() {
  void* p = mmap(nullptr, 2 * kSlabBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  auto* base = static_cast<char*>(p);
  const size_t skip = (kSlabBytes - reinterpret_cast<uintptr_t>(base) % kSlabBytes) % kSlabBytes;
  if (skip > 0) munmap(base, skip);
  munmap(base + skip + kSlabBytes, kSlabBytes - skip);
  madvise(base + skip, kSlabBytes, MADV_HUGEPAGE);  // advice only: small pages are correct too
  return base + skip;
}

}  // namespace

RegionSource::~RegionSource() {
  for (char* slab : slabs_) munmap(slab, kSlabBytes);
}

char* RegionSource::slab_of(char* region) const {
  return region - reinterpret_cast<uintptr_t>(region) % kSlabBytes;
}

char* RegionSource::take() {
  const Locked lock(mutex_);
  if (free_.empty()) {
    char* slab = map_slab();
    slabs_.insert(slab);
    for (size_t i = 0; i < kRegionsPerSlab; ++i) free_.insert(slab + i * kRegionBytes);
  }
  return free_.extract(free_.begin()).value();
}

void RegionSource::give(char* region) {
  const Locked lock(mutex_);
  char* slab = slab_of(region);
  CLOAKROOM_ASSERT(slabs_.contains(slab) && free_.insert(region).second);
  const auto first = free_.lower_bound(slab);
  auto last = first;
  size_t idle = 0;
  for (; last != free_.end() && slab_of(*last) == slab; ++last) ++idle;
  if (idle < kRegionsPerSlab || slabs_.size() == 1) return;
  free_.erase(first, last);
  slabs_.erase(slab);
  munmap(slab, kSlabBytes);
}

Arena::~Arena() {
  for (char* region : regions_) {
    if (region != nullptr) source_.give(region);
  }
}

void Arena::push(uint32_t& head, uint32_t page) {
  pages_[page].next = head;
  pages_[page].previous = kNoPage;
  if (head != kNoPage) pages_[head].previous = page;
  head = page;
}

void Arena::remove(uint32_t& head, uint32_t page) {
  const Page& p = pages_[page];
  if (p.previous != kNoPage) {
    pages_[p.previous].next = p.next;
  } else {
    CLOAKROOM_ASSERT(head == page);
    head = p.next;
  }
  if (p.next != kNoPage) pages_[p.next].previous = p.previous;
}

void Arena::add_region() {
  char* region = source_.take();
  uint32_t slot = 0;
  if (!spare_slots_.empty()) {
    slot = spare_slots_.back();
    spare_slots_.pop_back();
    regions_[slot] = region;
  } else {
    slot = static_cast<uint32_t>(regions_.size());
    if (slot >= kLargeBit >> kRegionShift) throw std::bad_alloc();
    regions_.push_back(region);
    region_live_pages_.push_back(0);
    pages_.resize(regions_.size() * kPagesPerRegion);
  }
  for (uint32_t i = kPagesPerRegion; i-- > 0;) push(empty_, slot * kPagesPerRegion + i);
}

uint32_t Arena::empty_page() {
  if (empty_ == kNoPage) add_region();
  const uint32_t page = empty_;
  remove(empty_, page);
  ++region_live_pages_[page / kPagesPerRegion];
  return page;
}

void Arena::page_emptied(uint32_t page) {
  const uint32_t region = page / kPagesPerRegion;
  pages_[page] = Page{};
  push(empty_, page);
  if (--region_live_pages_[region] > 0) return;
  for (uint32_t i = 0; i < kPagesPerRegion; ++i) remove(empty_, region * kPagesPerRegion + i);
  source_.give(regions_[region]);
  regions_[region] = nullptr;
  spare_slots_.push_back(region);
}

Handle Arena::allocate_large(size_t bytes) {
  auto block = std::make_unique_for_overwrite<char[]>(bytes);
  uint32_t index = 0;
  if (!large_free_.empty()) {
    index = large_free_.back();
    large_free_.pop_back();
    large_[index] = std::move(block);
  } else {
    index = static_cast<uint32_t>(large_.size());
    large_.push_back(std::move(block));
  }
  used_ += block_bytes(bytes);
  large_bytes_ += block_bytes(bytes);
  return kLargeBit | index;
}

Handle Arena::allocate(size_t bytes) {
  if (bytes > kMaxSmall) return allocate_large(bytes);
  const auto granules = static_cast<uint16_t>((bytes + kGranule - 1) / kGranule);
  uint32_t& head = partial_[granules];
  if (head == kNoPage) {
    const uint32_t page = empty_page();
    pages_[page].granules = granules;
    push(head, page);
  }
  const uint32_t number = head;
  Page& page = pages_[number];
  uint16_t offset = page.free_head;
  if (offset != kNoBlock) {
    std::memcpy(&page.free_head, page_base(number) + static_cast<size_t>(offset) * kGranule,
                sizeof page.free_head);
  } else {
    offset = page.bump;
    page.bump = static_cast<uint16_t>(page.bump + granules);
  }
  ++page.live;
  if (page.free_head == kNoBlock && page.bump + granules > kPageGranules) remove(head, number);
  used_ += static_cast<size_t>(granules) * kGranule;
  return number << kPageShift | offset;
}

void Arena::free(Handle handle, size_t bytes) {
  CLOAKROOM_ASSERT(handle != kNoHandle && block_bytes(bytes) <= used_);
  used_ -= block_bytes(bytes);
  if (handle & kLargeBit) {
    CLOAKROOM_ASSERT(bytes > kMaxSmall && large_[handle & ~kLargeBit] != nullptr);
    large_bytes_ -= block_bytes(bytes);
    large_[handle & ~kLargeBit].reset();
    large_free_.push_back(handle & ~kLargeBit);
    return;
  }
  const uint32_t number = handle >> kPageShift;
  Page& page = pages_[number];
  const auto granules = static_cast<uint16_t>((bytes + kGranule - 1) / kGranule);
  CLOAKROOM_ASSERT(page.granules == granules && page.live > 0);
  const bool was_full = page.free_head == kNoBlock && page.bump + granules > kPageGranules;
  if (--page.live == 0) {
    if (!was_full) remove(partial_[granules], number);
    page_emptied(number);
    return;
  }
  const auto offset = static_cast<uint16_t>(handle & (kPageGranules - 1));
  std::memcpy(at(handle), &page.free_head, sizeof page.free_head);
  page.free_head = offset;
  if (was_full) push(partial_[granules], number);
}

}  // namespace cloakroom::storage
