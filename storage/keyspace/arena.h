// Memory of one shard's entries, addressed by 32-bit handles.
//
//   handle  = 0                 none
//           = granule number    of a 16-byte granule in the shard's pages (bit 31 clear): 32 GiB
//           = bit 31 | index    of a large block of its own (over kMaxSmall bytes)
//
//   region (256 KiB, from the process-wide RegionSource, on huge pages) = 16 pages
//   page   (16 KiB) = blocks of one size class; classes step by 16 bytes up to 2 KiB
//
// Why: a handle is half a pointer (the table holds 12 in a cache line), classes of 16 bytes waste 8 bytes a
// block at the mean, 16 KiB pages waste ~1 % at the end, and the account is exact. A page whose last block is
// freed can serve any class; a region whose pages are all free goes back to the source.
// Not thread-safe: belongs to the shard's guard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "storage/base/assert.h"
#include "storage/base/lock.h"

namespace cloakroom::storage {

using Handle = uint32_t;
inline constexpr Handle kNoHandle = 0;
inline constexpr size_t kRegionBytes = 256 << 10;

// Regions for all shards, carved from 2 MiB slabs that ask for huge pages (a random lookup touches two lines
// in hundreds of megabytes; with 4 KiB pages each costs a page walk). Thread-safe.
class RegionSource {
 public:
  RegionSource() = default;
  ~RegionSource();
  RegionSource(const RegionSource&) = delete;
  RegionSource& operator=(const RegionSource&) = delete;

  char* take();  // kRegionBytes, aligned to kRegionBytes; throws std::bad_alloc
  void give(char* region);

 private:
  char* slab_of(char* region) const;

  Mutex mutex_;
  std::set<char*> slabs_ CLOAKROOM_GUARDED_BY(mutex_);
  std::set<char*> free_ CLOAKROOM_GUARDED_BY(mutex_);  // the lowest is taken first, so that high slabs empty
};

class Arena {
 public:
  static constexpr size_t kGranule = 16;
  static constexpr size_t kMaxSmall = 2048;

  explicit Arena(RegionSource& source) : source_(source) {
    regions_.push_back(nullptr);  // so that no handle is 0
    for (auto& head : partial_) head = kNoPage;
  }
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `bytes` > 0. The block is 16-byte aligned and not zeroed. Throws std::bad_alloc.
  Handle allocate(size_t bytes);
  // `bytes` must round up to the same class as at allocation.
  void free(Handle handle, size_t bytes);

  char* at(Handle handle) const {
    if (__builtin_expect(handle & kLargeBit, 0)) return large_[handle & ~kLargeBit].get();
    return regions_[handle >> kRegionShift] + static_cast<size_t>(handle & kRegionMask) * kGranule;
  }

  static size_t block_bytes(size_t bytes) { return (bytes + kGranule - 1) & ~(kGranule - 1); }
  static bool same_block(size_t a, size_t b) { return a <= kMaxSmall && block_bytes(a) == block_bytes(b); }

  size_t used_bytes() const { return used_; }  // sum of block_bytes over live blocks
  size_t held_bytes() const {
    return (regions_.size() - 1 - spare_slots_.size()) * kRegionBytes + large_bytes_;
  }

 private:
  static constexpr Handle kLargeBit = 0x80000000;
  static constexpr uint32_t kPageBytes = 16 << 10;
  static constexpr uint32_t kPageGranules = kPageBytes / kGranule;
  static constexpr uint32_t kPagesPerRegion = kRegionBytes / kPageBytes;
  static constexpr int kRegionShift = 14;  // 16384 granules a region
  static constexpr Handle kRegionMask = (1u << kRegionShift) - 1;
  static constexpr int kPageShift = 10;
  static constexpr uint32_t kNoPage = 0;
  static constexpr uint16_t kNoBlock = 0xffff;
  static constexpr size_t kClasses = kMaxSmall / kGranule + 1;

  struct Page {
    uint32_t next = 0;  // in the list of its class with free blocks, or in the list of empty pages
    uint32_t previous = 0;
    uint16_t granules = 0;  // block size; 0: page serves no class
    uint16_t live = 0;
    uint16_t free_head = kNoBlock;  // granule offset of the first freed block
    uint16_t bump = 0;              // granule offset of the first never-used block
  };

  char* page_base(uint32_t page) const {
    return regions_[page / kPagesPerRegion] + static_cast<size_t>(page % kPagesPerRegion) * kPageBytes;
  }
  void push(uint32_t& head, uint32_t page);
  void remove(uint32_t& head, uint32_t page);
  uint32_t empty_page();
  void page_emptied(uint32_t page);
  void add_region();
  Handle allocate_large(size_t bytes);

  RegionSource& source_;
  std::vector<char*> regions_;
  std::vector<Page> pages_ = std::vector<Page>(kPagesPerRegion);
  std::vector<uint8_t> region_live_pages_ = {0};
  std::vector<uint32_t> spare_slots_;  // region numbers given back
  uint32_t partial_[kClasses];
  uint32_t empty_ = kNoPage;
  std::vector<std::unique_ptr<char[]>> large_;
  std::vector<uint32_t> large_free_;
  size_t used_ = 0;
  size_t large_bytes_ = 0;
};

}  // namespace cloakroom::storage
