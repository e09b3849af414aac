#include "storage/value/member_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace cloakroom::storage {
namespace {

using Model = std::map<std::string, std::string>;

constexpr HashKey kHashKey{0x1234567890abcdef, 0xfedcba0987654321};

std::string text(std::mt19937_64& random, size_t length) {
  std::string out(length, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

std::string name(size_t i) { return "member-" + std::to_string(i); }

Model content(const MemberTable& table) {
  Model out;
  size_t items = 0;
  table.for_each([&](const MemberTable::Item& item) {
    out.emplace(item.member, item.value);
    ++items;
  });
  CHECK(items == out.size());
  return out;
}

std::multiset<std::string> walk(const MemberTable& table) {
  std::multiset<std::string> seen;
  uint64_t cursor = 0;
  do {
    cursor = table.scan(cursor, [&](const MemberTable::Item& item) { seen.emplace(item.member); });
    REQUIRE(cursor < uint64_t{1} << 48);
  } while (cursor != 0);
  return seen;
}

}  // namespace

TEST_CASE("members can be removed in the order of a scan or of storage, and all room comes back") {
  for (const size_t members : {400, 600, 5000, 20'000}) {
    for (const int order : {0, 1, 2, 3}) {
      CAPTURE(members);
      CAPTURE(order);
      MemberTable table(kHashKey);
      const size_t empty_bytes = table.memory_bytes();
      for (size_t i = 0; i < members; ++i) table.put(name(i), "v");
      std::vector<std::string> names;
      if (order < 2) {
        uint64_t cursor = 0;
        do {
          cursor =
              table.scan(cursor, [&](const MemberTable::Item& item) { names.emplace_back(item.member); });
        } while (cursor != 0);
      } else {
        table.for_each([&](const MemberTable::Item& item) { names.emplace_back(item.member); });
      }
      REQUIRE(names.size() == members);
      if (order % 2 == 1) std::reverse(names.begin(), names.end());
      size_t erased = 0;
      for (size_t i = 0; i < members; ++i) {
        erased += table.erase(names[i]) ? 1 : 0;
        if (i % 64 == 0 && i + 1 < members) REQUIRE(table.contains(names[i + 1 + i % (members - i - 1)]));
        if (i % 4096 == 0) CHECK(content(table).size() == members - i - 1);
      }
      CHECK(erased == members);
      CHECK(table.size() == 0);
      CHECK(table.memory_bytes() == empty_bytes);
    }
  }
}

TEST_CASE("a segment of members splits whatever members somebody has put together") {
  // Homes 12 and 13, the next of which is home 0, then the whole stash; all go to the same side of the split.
  MemberTable table(kHashKey);
  std::vector<std::string> chosen;
  for (const auto& [home, count] :
       std::vector<std::pair<uint64_t, int>>{{12, 16}, {13, 8}, {5, 8 + 8 + 2 * 8 + 1}}) {
    for (size_t i = 0, left = static_cast<size_t>(count); left > 0; ++i) {
      const uint64_t hash = hash_bytes(kHashKey, name(i), 1 << 16);
      if ((hash >> 8 & 0x3fff) * 14 >> 14 != home || hash >> 63 == 0) continue;
      table.put(name(i));
      chosen.push_back(name(i));
      --left;
    }
  }
  CHECK(table.size() == chosen.size());
  for (const std::string& member : chosen) CHECK(table.contains(member));
}

TEST_CASE("a member table is a map, through growth and shrinking, with values of any length") {
  std::mt19937_64 random(7);
  const std::vector<size_t> lengths = {0, 1, 8, 16, 127, 128, 129, 300, 16383, 16384, 20000};
  MemberTable table(kHashKey);
  const size_t empty_bytes = table.memory_bytes();
  Model model;
  for (const size_t target : {2000, 10, 5000, 0}) {
    for (int step = 0; step < 12000 || (target == 0 && !model.empty()); ++step) {
      const bool grow = random() % 8 < (model.size() < target ? 6 : 2);
      std::string member = name(random() % 6000);
      if (grow) {
        const std::string value =
            text(random, lengths[random() % 64 == 0 ? random() % lengths.size() : random() % 5]);
        CHECK(table.put(member, value) == model.insert_or_assign(member, value).second);
      } else {
        if (!model.empty() && random() % 2 == 0)
          member = model.lower_bound(member) == model.end() ? model.begin()->first
                                                            : model.lower_bound(member)->first;
        CHECK(table.erase(member) == (model.erase(member) == 1));
      }
      std::string_view value;
      const auto expected = model.find(member);
      REQUIRE(table.find(member, value) == (expected != model.end()));
      if (expected != model.end()) CHECK(value == expected->second);
      REQUIRE(table.size() == model.size());
    }
    CHECK(content(table) == model);
  }
  CHECK(table.memory_bytes() == empty_bytes);  // all segments merged into the first
}

TEST_CASE("member names are bytes: empty, long, zeros inside") {
  std::mt19937_64 random(8);
  MemberTable table(kHashKey);
  Model model;
  for (const size_t length : {0, 1, 2, 127, 128, 70000}) {
    for (int i = 0; i < 3; ++i) {
      const std::string member = text(random, length);
      CHECK(table.put(member, "v") == model.emplace(member, "v").second);
      CHECK(table.contains(member));
    }
  }
  CHECK(content(table) == model);
  CHECK_FALSE(table.contains(std::string_view("\0\0\0", 3)));
}

TEST_CASE("a table grows one kilobyte at a time, and costs under 48 bytes for a member of 16") {
  MemberTable table(kHashKey);
  constexpr size_t kMembers = 100'000;
  size_t before = table.memory_bytes();
  CHECK(before < 1200);
  size_t most = 0;
  for (size_t i = 0; i < kMembers; ++i) {
    char member[17];
    std::snprintf(member, sizeof member, "%016zx", i);
    table.put({member, 16});
    const size_t after = table.memory_bytes();
    most = std::max(most, after - before);
    before = after;
  }
  CHECK(most <= 1024 * 2 + 32 + 8 * 4096);  // the directory doubles to 4096 pointers at most
  CHECK(table.memory_bytes() / kMembers < 48);
  CHECK(table.memory_bytes() / kMembers > 32);
}

TEST_CASE("a full scan meets each member exactly once when nothing changes") {
  for (const size_t members : {0, 1, 7, 100, 129, 3000}) {
    MemberTable table(kHashKey);
    std::multiset<std::string> expected;
    for (size_t i = 0; i < members; ++i) {
      table.put(name(i));
      expected.insert(name(i));
    }
    CHECK(walk(table) == expected);
  }
}

TEST_CASE("a scan misses no member that stays, whatever comes and goes between its steps") {
  std::mt19937_64 random(9);
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    MemberTable table(kHashKey);
    std::set<std::string> stable;
    for (size_t i = 0; i < 400; ++i) {
      stable.insert(name(i));
      table.put(name(i));
    }
    size_t others = 0;
    if (round % 2 == 1) {
      for (; others < 4000; ++others) table.put("other" + std::to_string(others));
    }
    std::set<std::string> seen;
    uint64_t cursor = 0;
    do {
      cursor = table.scan(cursor, [&](const MemberTable::Item& item) { seen.emplace(item.member); });
      for (uint64_t n = random() % 60; n > 0; --n) {
        if (round % 2 == 0) {
          table.put("other" + std::to_string(others++));
        } else if (others > 0) {
          table.erase("other" + std::to_string(--others));
        }
      }
    } while (cursor != 0);
    CHECK(std::includes(seen.begin(), seen.end(), stable.begin(), stable.end()));
  }
}

TEST_CASE("cursors nobody gave out end the walk like any other") {
  MemberTable table(kHashKey);
  for (size_t i = 0; i < 1000; ++i) table.put(name(i));
  for (uint64_t cursor :
       {uint64_t{14}, uint64_t{15}, uint64_t{1} << 35, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{12345678}}) {
    int steps = 0;
    do {
      cursor = table.scan(cursor, [](const MemberTable::Item&) {});
    } while (cursor != 0 && ++steps < 100'000);
    CHECK(cursor == 0);
  }
}

TEST_CASE("every member is drawn equally often, also when segments differ in depth") {
  for (const size_t members : {1, 2, 20, 115, 160, 600}) {
    CAPTURE(members);
    MemberTable table(kHashKey);
    for (size_t i = 0; i < members; ++i) table.put(name(i), "v");
    std::map<std::string, size_t> drawn;
    std::mt19937_64 random(10);
    constexpr size_t kEach = 2000;
    for (size_t i = 0; i < members * kEach; ++i) ++drawn[std::string(table.random(random).member)];
    CHECK(drawn.size() == members);
    for (const auto& [member, count] : drawn) {
      CHECK(count > kEach - 250);  // 5.6 standard deviations
      CHECK(count < kEach + 250);
    }
  }
}

TEST_CASE("a clone has the same members and a life of its own") {
  MemberTable table(kHashKey);
  for (size_t i = 0; i < 500; ++i) table.put(name(i), std::to_string(i));
  const auto copy = table.clone();
  CHECK(content(*copy) == content(table));
  table.put(name(3), "other");
  table.erase(name(4));
  std::string_view value;
  REQUIRE(copy->find(name(3), value));
  CHECK(value == "3");
  CHECK(copy->contains(name(4)));
  CHECK(copy->size() == 500);
}

}  // namespace cloakroom::storage
