#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

#include "storage/string_value.h"
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

}  // namespace

TEST_CASE("a scan of the keys misses none that stays, whatever comes and goes between its steps") {
  KeyspaceOptions options;
  options.shards = 1;
  std::mt19937_64 random(4);
  for (const bool shrinking : {false, true}) {
    CAPTURE(shrinking);
    Fixture fixture(options);
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
