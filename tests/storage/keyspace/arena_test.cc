#include "storage/keyspace/arena.h"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>

namespace cloakroom::storage {

TEST_CASE("blocks are aligned, disjoint, and the account is exact") {
  RegionSource source;
  Arena arena(source);
  std::mt19937 random(3);
  struct Block {
    size_t bytes;
    char fill;
  };
  std::map<Handle, Block> live;
  size_t used = 0;
  for (int i = 0; i < 200'000; ++i) {
    if (live.empty() || (random() % 100 < 55 && live.size() < 20'000)) {
      const size_t bytes = 1 + (random() % 50 == 0 ? random() % 9000 : random() % 600);
      const Handle handle = arena.allocate(bytes);
      const auto fill = static_cast<char>(random());
      REQUIRE(handle != kNoHandle);
      REQUIRE(reinterpret_cast<uintptr_t>(arena.at(handle)) % Arena::kGranule == 0);
      std::memset(arena.at(handle), fill, bytes);
      REQUIRE(live.emplace(handle, Block{bytes, fill}).second);
      used += Arena::block_bytes(bytes);
    } else {
      auto at = live.lower_bound(static_cast<Handle>(random() % (live.rbegin()->first + 1)));
      if (at == live.end()) at = live.begin();
      const char* p = arena.at(at->first);
      for (size_t k = 0; k < at->second.bytes; ++k) REQUIRE(p[k] == at->second.fill);
      arena.free(at->first, at->second.bytes);
      used -= Arena::block_bytes(at->second.bytes);
      live.erase(at);
    }
    REQUIRE(arena.used_bytes() == used);
  }
  for (const auto& [handle, block] : live) arena.free(handle, block.bytes);
  CHECK(arena.used_bytes() == 0);
  CHECK(arena.held_bytes() == 0);
}

TEST_CASE("a page that was emptied serves another size") {
  RegionSource source;
  Arena arena(source);
  std::vector<Handle> handles;
  for (int round = 0; round < 50; ++round) {
    const size_t bytes = 16 + static_cast<size_t>(round) * 16;
    for (int i = 0; i < 500; ++i) handles.push_back(arena.allocate(bytes));
    for (const Handle handle : handles) arena.free(handle, bytes);
    handles.clear();
  }
  CHECK(arena.held_bytes() == 0);
}

TEST_CASE("regions given back are taken again") {
  RegionSource source;
  std::vector<char*> regions;
  regions.reserve(40);
  for (int i = 0; i < 40; ++i) regions.push_back(source.take());
  for (char* region : regions) std::memset(region, 1, kRegionBytes);
  for (char* region : regions) source.give(region);
  char* again = source.take();
  again[0] = 2;
  CHECK(again[0] == 2);
  source.give(again);
}

}  // namespace cloakroom::storage
