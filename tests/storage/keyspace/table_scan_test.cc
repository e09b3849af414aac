#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "storage/keyspace/expiry.h"
#include "storage/value/string_value.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage {
namespace {

using test::Fixture;

void put(Fixture& fixture, const std::string& name) {
  fixture.with(name, [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    string_set(fixture.access, found, key, {"v"}, Deadline::kClear);
  });
}

const Table& table(Fixture& fixture) { return *fixture.keyspace.shard(0).tables[0]; }

// Ends the keys, some of them in one command each time.
void end_keys(Fixture& fixture, std::span<const std::string> names, std::mt19937_64& random) {
  while (!names.empty()) {
    const size_t n = std::min<size_t>(names.size(), 1 + random() % 100);
    fixture.with_all([&] {
      for (const std::string& name : names.first(n)) {
        const KeyRef key = fixture.key(name);
        Found found = fixture.access.write(key);
        REQUIRE(found);
        fixture.access.end(found, key, EndCause::kDeleted);
      }
    });
    names = names.subspan(n);
  }
}

std::vector<std::string> scan_order(Fixture& fixture) {
  std::vector<std::string> names;
  uint64_t cursor = 0;
  do {
    cursor = table(fixture).scan(cursor, [&](const Entry& entry) {
      names.push_back(fixture.keyspace.schema().text(entry.form(), entry.key()));
    });
  } while (cursor != 0);
  return names;
}

KeyspaceOptions one_shard() {
  KeyspaceOptions options;
  options.shards = 1;
  return options;
}

struct OneShard : Fixture {
  OneShard() : Fixture(one_shard()) {}
};

}  // namespace

TEST_CASE("keys can be removed in the order of a scan, forwards and backwards, and all room comes back") {
  std::mt19937_64 random(11);
  for (const bool backwards : {false, true}) {
    CAPTURE(backwards);
    OneShard fixture;
    put(fixture, "first");
    const size_t empty_bytes = fixture.keyspace.shard(0).segments.used_bytes();
    for (int i = 0; i < 60'000; ++i) put(fixture, "k" + std::to_string(i));
    std::vector<std::string> names = scan_order(fixture);
    std::erase(names, "first");
    REQUIRE(names.size() == 60'000);
    if (backwards) std::reverse(names.begin(), names.end());
    const std::span<const std::string> all = names;
    for (size_t at = 0; at < all.size(); at += 10'000) {
      end_keys(fixture, all.subspan(at, 10'000), random);
      for (size_t i = 0; i < all.size(); i += 97) {
        const KeyRef key = fixture.key(all[i]);
        REQUIRE(static_cast<bool>(table(fixture).find(key)) == (i >= at + 10'000));
      }
      REQUIRE(scan_order(fixture).size() == table(fixture).size());
    }
    CHECK(table(fixture).size() == 1);
    CHECK(fixture.keyspace.shard(0).segments.used_bytes() == empty_bytes);
  }
}

TEST_CASE("a segment splits whatever keys somebody has put together") {
  // What SCAN tells of homes is enough to choose keys that fill homes 58 and 59, the next of which is home 0,
  // and then the whole stash; all of them go to the same side of the split.
  OneShard fixture;
  std::map<uint32_t, int> wanted = {{58, 24}, {59, 12}, {30, 12 + 12 + 4 * 12 + 1}};
  std::vector<std::string> chosen;
  for (const uint32_t home : {58u, 59u, 30u}) {
    for (int i = 0; wanted[home] > 0; ++i) {
      const std::string name = "k" + std::to_string(i);
      const uint64_t hash = fixture.key(name).hash();
      if (home_of(hash) != home || hash >> 63 == 0) continue;
      put(fixture, name);
      chosen.push_back(name);
      --wanted[home];
    }
  }
  CHECK(table(fixture).size() == chosen.size());
  for (const std::string& name : chosen) CHECK(table(fixture).find(fixture.key(name)));
  CHECK(scan_order(fixture).size() == chosen.size());
}

TEST_CASE("keys that share a deadline go by turns of expiry, however these are cut") {
  for (const uint32_t budget : {1u, 7u, 32u, 100'000u}) {
    CAPTURE(budget);
    OneShard fixture;
    for (int i = 0; i < 20'000; ++i) {
      fixture.with("k" + std::to_string(i), [&](const KeyRef& key) {
        Found found = fixture.access.write(key);
        string_set(fixture.access, found, key, {"v"}, Deadline::kClear);
        fixture.access.set_deadline(found, key, fixture.clock.wall_ms() + 1000);
      });
    }
    fixture.advance(1100);
    while (expiry_turn(fixture.access, fixture.keyspace.shard(0), budget) == ExpiryTurn::kMore) {
    }
    CHECK(table(fixture).size() == 0);
    CHECK(fixture.keyspace.shard(0).segments.used_bytes() == sizeof(Segment));
  }
}

TEST_CASE("a scan of the keys misses none that stays, whatever comes and goes between its steps") {
  std::mt19937_64 random(4);
  for (const bool shrinking : {false, true}) {
    CAPTURE(shrinking);
    OneShard fixture;
    std::set<std::string> stable;
    for (int i = 0; i < 1000; ++i) put(fixture, *stable.insert("stable" + std::to_string(i)).first);
    int others = 0;
    while (shrinking && others < 20'000) put(fixture, "other" + std::to_string(others++));

    std::set<std::string> seen;
    uint64_t cursor = 0;
    do {
      cursor = fixture.with_all([&] {
        return fixture.keyspace.shard(0).tables[0]->scan(cursor, [&](const Entry& entry) {
          seen.emplace(fixture.keyspace.schema().text(entry.form(), entry.key()));
        });
      });
      for (uint64_t n = random() % 60; n > 0; --n) {
        if (!shrinking) {
          put(fixture, "other" + std::to_string(others++));
        } else if (others > 0) {
          fixture.erase("other" + std::to_string(--others));
        }
      }
    } while (cursor != 0);
    CHECK(std::includes(seen.begin(), seen.end(), stable.begin(), stable.end()));
    CHECK(fixture.with_all([&] {
      return fixture.keyspace.shard(0).tables[0]->scan(uint64_t{63} << 32, [](const Entry&) {});
    }) == 0);
  }
}

}  // namespace cloakroom::storage
