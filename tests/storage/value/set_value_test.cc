#include "storage/value/set_value.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/keyspace/session_index.h"
#include "storage/value/set_draft.h"
#include "storage/value/set_draw.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage {
namespace {

using test::Fixture;
using Members = std::set<std::string>;

// What the session index sees of a set.
const SetOps& index_ops(const Found& found) { return *value_ops(found->kind()).set; }

std::string random_text(std::mt19937& random, std::string_view digits, size_t size) {
  std::string out(size, ' ');
  for (char& c : out) c = digits[random() % digits.size()];
  return out;
}

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string uuid(std::mt19937& random) {
  std::string out = random_text(random, kHex, 36);
  for (const size_t i : {8, 13, 18, 23}) out[i] = '-';
  return out;
}

std::string token(std::mt19937& random) {  // base64url of 32 bytes: the last digit has two unused bits
  return random_text(random, kUrl, 42) + kUrl[random() % 16 * 4];
}

std::string number(std::mt19937& random) {
  const int64_t scale[] = {100, 30000, 2'000'000'000, int64_t{1} << 40};
  return std::to_string(static_cast<int64_t>(random() % 2000) * scale[random() % 4] / 1000 - 50);
}

// One kind of members each, and mixtures.
std::string member_of(std::mt19937& random, int pool) {
  if (pool == 0) return number(random);
  if (pool == 1) return uuid(random);
  if (pool == 2) return random_text(random, kHex, 32);
  if (pool == 3) return token(random);
  if (pool == 4) return random_text(random, "xyz ", random() % 9);
  if (pool == 5) return random_text(random, "pq", 60 + random() % 10);
  return member_of(random, static_cast<int>(random() % 6));
}

struct Sets {
  Fixture fixture;

  bool add(std::string_view name, std::string_view member) {
    return fixture.with_all([&] {
      const KeyRef key = fixture.key(name);
      Found found = fixture.access.write(key);
      return set_add(fixture.access, found, key, member);
    });
  }
  // As SREM: an emptied set goes.
  bool remove(std::string_view name, std::string_view member) {
    return fixture.with_all([&] {
      const KeyRef key = fixture.key(name);
      Found found = fixture.access.write(key);
      if (!found || !set_remove(fixture.access, found, key, member)) return false;
      if (set_size(*found.entry) == 0) fixture.access.end(found, key, EndCause::kDeleted);
      return true;
    });
  }
  template <class Fn>
  decltype(auto) look(std::string_view name, Fn&& fn) {
    return fixture.with(name, [&](const KeyRef& key) { return fn(fixture.access.peek(key)); });
  }
  Members members(std::string_view name) {
    return look(name, [](const Found& found) {
      std::vector<std::string> seen;
      if (found) set_visit(*found.entry, [&](std::string_view m) { seen.emplace_back(m); });
      Members out(seen.begin(), seen.end());
      CHECK(out.size() == seen.size());
      CHECK(out.size() == (found ? set_size(*found.entry) : 0));
      return out;
    });
  }
  bool contains(std::string_view name, std::string_view member) {
    return look(name, [&](const Found& found) {
      if (!found) return false;
      char buffer[kMaxPackedId];
      const bool yes = set_contains(*found.entry, member);
      CHECK(index_ops(found).contains_id(*found.entry, pack_id(member, buffer)) == yes);
      return yes;
    });
  }
  Kind kind(std::string_view name) {
    return look(name, [](const Found& found) { return found ? found->kind() : Kind::kNone; });
  }
  std::string encoding(std::string_view name) {
    return look(name, [](const Found& found) { return std::string(value_ops(found->kind()).encoding); });
  }
  size_t block_bytes(std::string_view name) {
    return look(name, [](const Found& found) { return Arena::block_bytes(found->total_bytes()); });
  }
  void fill(std::string_view name, const std::vector<std::string>& members) {
    for (const std::string& member : members) CHECK(add(name, member));
  }
};

// When Redis 7.0 keeps a set as an intset, by its history.
struct EncodingModel {
  size_t limit = 512;
  bool ints = true;
  void added(const std::string& member, size_t size) { ints = ints && parse_i64(member) && size <= limit; }
};

TEST_CASE("sets behave as std::set, whatever their members, and leave no memory behind") {
  for (int pool = 0; pool <= 6; ++pool) {
    CAPTURE(pool);
    Sets sets;
    std::mt19937 random(static_cast<uint32_t>(pool) + 7);
    std::vector<std::string> known;
    known.reserve(300);
    for (int i = 0; i < 300; ++i) known.push_back(member_of(random, pool));
    Members model;
    EncodingModel encoding;
    for (int step = 0; step < 4000; ++step) {
      const std::string& member = known[random() % (step % 1000 < 500 ? known.size() : 20)];
      // Phases of growth and of shrinking down to nothing.
      const bool grow = random() % 100 < (step / 500 % 2 == 0 ? 75u : 20u);
      if (grow) {
        if (model.empty()) encoding = {};
        CHECK(sets.add("k", member) == model.insert(member).second);
        encoding.added(member, model.size());
      } else {
        CHECK(sets.remove("k", member) == (model.erase(member) != 0));
      }
      CHECK(sets.contains("k", member) == grow);
      if (model.empty()) {
        CHECK(sets.kind("k") == Kind::kNone);
      } else if (step % 16 == 0) {
        CHECK(sets.members("k") == model);
        CHECK((sets.kind("k") == Kind::kSetInts) == encoding.ints);
      }
    }
    CHECK(sets.members("k") == model);
    sets.fixture.erase_all();
    CHECK(sets.fixture.value_bytes() == 0);
  }
}

TEST_CASE("integers: canonical ones only, up to the limit in force, never back") {
  Sets sets;
  sets.fill("a", {"1", "-5", "9223372036854775807", "-9223372036854775808", "300", "70000"});
  CHECK(sets.encoding("a") == "intset");
  CHECK(sets.members("a") ==
        Members{"1", "-5", "9223372036854775807", "-9223372036854775808", "300", "70000"});
  sets.fill("a", {"01"});
  CHECK(sets.encoding("a") == "hashtable");
  CHECK(sets.remove("a", "01"));
  CHECK(sets.encoding("a") == "hashtable");
  for (const char* odd : {"+1", "-0", " 1", "1.0", "", "9223372036854775808"}) {
    sets.fixture.erase("b");
    sets.fill("b", {odd});
    CHECK(sets.encoding("b") == "hashtable");
    CHECK(sets.members("b") == Members{odd});
  }

  for (int i = 0; i < 512; ++i) sets.add("c", std::to_string(i * 1000));
  CHECK(sets.encoding("c") == "intset");
  sets.fixture.keyspace.settings().set_max_int_entries = 3;
  CHECK_FALSE(sets.add("c", "0"));
  CHECK(sets.remove("c", "1000"));
  CHECK(sets.encoding("c") == "intset");
  sets.fill("d", {"1", "2", "3"});
  CHECK(sets.encoding("d") == "intset");
  CHECK(sets.add("c", "1"));
  CHECK(sets.encoding("c") == "hashtable");
  sets.fill("d", {"4"});
  CHECK(sets.encoding("d") == "hashtable");
  CHECK(sets.kind("d") == Kind::kSetFlat);
  sets.fixture.keyspace.settings().set_max_int_entries = 0;
  sets.fill("e", {"1"});
  CHECK(sets.encoding("e") == "hashtable");
}

TEST_CASE("ids: packed while of one form, in blocks as small as planned") {
  Sets sets;
  std::mt19937 random(3);
  const std::string key = "user_sessions:" + uuid(random);
  std::vector<std::string> ids;
  ids.reserve(65);
  for (int i = 0; i < 65; ++i) ids.push_back(uuid(random));
  sets.fill(key, {ids[0]});
  CHECK(sets.kind(key) == Kind::kSetIds);
  CHECK(sets.block_bytes(key) == 48);
  sets.fill(key, {ids[1]});
  CHECK(sets.block_bytes(key) == 64);
  for (size_t i = 2; i < 64; ++i) CHECK(sets.add(key, ids[i]));
  CHECK(sets.kind(key) == Kind::kSetIds);
  CHECK(sets.add(key, ids[64]));
  CHECK(sets.kind(key) == Kind::kSetTable);
  CHECK(sets.members(key) == Members(ids.begin(), ids.end()));

  for (const std::string& other : {std::string("x"), random_text(random, kHex, 32), token(random)}) {
    sets.fixture.erase("m");
    sets.fill("m", {ids[0], ids[1]});
    CHECK_FALSE(sets.contains("m", other));
    sets.fill("m", {other});
    CHECK(sets.kind("m") == Kind::kSetFlat);
    CHECK(sets.members("m") == Members{ids[0], ids[1], other});
  }
  // Upper case is another id, and does not pack.
  std::string upper = ids[0];
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK_FALSE(sets.contains(key, upper));
}

TEST_CASE("short members stand in one block up to their bounds") {
  Sets sets;
  for (int i = 0; i < 128; ++i) CHECK(sets.add("n", "m" + std::to_string(i)));
  CHECK(sets.kind("n") == Kind::kSetFlat);
  CHECK(sets.add("n", "one more"));
  CHECK(sets.kind("n") == Kind::kSetTable);

  sets.fill("l", {std::string(64, ' ')});
  CHECK(sets.kind("l") == Kind::kSetFlat);
  sets.fill("l", {std::string(65, ' ')});
  CHECK(sets.kind("l") == Kind::kSetTable);
  sets.fill("long", {std::string(300, ' ')});
  CHECK(sets.kind("long") == Kind::kSetTable);

  for (int i = 0; i < 40; ++i) sets.add("b", std::string(62, ' ') + std::to_string(10 + i));
  CHECK(sets.kind("b") == Kind::kSetTable);
  CHECK(sets.members("b").size() == 40);
}

TEST_CASE("the account of outside memory follows a table") {
  Sets sets;
  for (int i = 0; i < 3000; ++i) {
    if (i % 3 == 2) {
      sets.remove("k", "member " + std::to_string(i / 2));
    } else {
      sets.add("k", "member " + std::to_string(i));
    }
  }
  const size_t outside = sets.look("k", [](const Found& found) {
    CHECK(found->kind() == Kind::kSetTable);
    CHECK(value_ops(found->kind()).external_bytes(found->value()) == found.shard->external_bytes);
    return found.shard->external_bytes;
  });
  CHECK(outside > 3000 * 10);
}

TEST_CASE("a copy is independent, in every layout") {
  std::mt19937 random(5);
  for (const Kind kind : {Kind::kSetInts, Kind::kSetIds, Kind::kSetFlat, Kind::kSetTable}) {
    Sets sets;
    for (int i = 0; i < (kind == Kind::kSetTable ? 200 : 5); ++i) {
      sets.add("a", member_of(random, kind == Kind::kSetInts ? 0 : kind == Kind::kSetIds ? 1 : 4));
    }
    if (kind == Kind::kSetTable) sets.add("a", std::string(100, 'x'));
    REQUIRE(sets.kind("a") == kind);
    const Members before = sets.members("a");
    sets.fixture.with_all([&] {
      Access& access = sets.fixture.access;
      const KeyRef to = sets.fixture.key("b");
      DetachedValue copy = access.copy(access.peek(sets.fixture.key("a")));
      Found found;
      access.attach(found, to, std::move(copy));
    });
    sets.remove("a", *before.begin());
    sets.add("a", "new one");
    CHECK(sets.members("b") == before);
    sets.fixture.erase_all();
    CHECK(sets.fixture.value_bytes() == 0);
  }
}

TEST_CASE("a draft takes the encoding its history gives, and the smallest layout") {
  Sets sets;
  std::mt19937 random(9);
  const auto put = [&](std::string_view name, const std::vector<std::string>& add,
                       const std::vector<std::string>& remove) {
    sets.fixture.with_all([&] {
      SetDraft draft(sets.fixture.access);
      for (const auto& m : add) draft.add(m);
      for (const auto& m : remove) CHECK(draft.remove(m));
      const KeyRef key = sets.fixture.key(name);
      Found found = sets.fixture.access.write(key);
      draft.put(found, key, Deadline::kKeep);
    });
  };
  put("k", {"3", "-70000", "3"}, {});
  CHECK(sets.encoding("k") == "intset");
  CHECK(sets.members("k") == Members{"3", "-70000"});
  put("k", {"3", "a"}, {"a"});
  CHECK(sets.encoding("k") == "hashtable");
  CHECK(sets.members("k") == Members{"3"});
  const std::vector<std::string> ids{uuid(random), uuid(random)};
  put("k", ids, {});
  CHECK(sets.kind("k") == Kind::kSetIds);
  CHECK(sets.members("k") == Members(ids.begin(), ids.end()));
  put("k", {ids[0], "x"}, {});
  CHECK(sets.kind("k") == Kind::kSetFlat);
  std::vector<std::string> many;
  many.reserve(513);
  for (int i = 0; i < 513; ++i) many.push_back(std::to_string(i));
  put("k", many, {"0"});
  CHECK(sets.encoding("k") == "hashtable");
  CHECK(sets.members("k").size() == 512);
}

// Ids of one set whose sessions exist, and which of them link to it.
struct Linked {
  Sets sets;
  std::string user = "user_sessions:7";

  void log_in(const std::string& id) {
    sets.fixture.with_all([&] {
      const KeyRef key = sets.fixture.key(text_of(id));
      Found found = sets.fixture.access.write(key);
      char* value = sets.fixture.access.emplace(found, key, Kind::kStringInt, 8, Deadline::kKeep);
      std::fill_n(value, 8, '\0');
      kept.push_back(id);
    });
  }
  static std::string text_of(const std::string& id) { return "session:" + id; }
  Members linked(std::string_view set) {
    const uint64_t hash = sets.fixture.key(set).hash();
    return sets.fixture.with_all([&] {
      Members out;
      for (const std::string& id : kept) {
        const Found found = sets.fixture.access.peek(sets.fixture.key(text_of(id)));
        const auto links = links_of(*found.entry);
        if (std::count(links.begin(), links.end(), hash) == 1) out.insert(id);
      }
      return out;
    });
  }
  std::vector<std::string> kept;
};

TEST_CASE("the session index hears of every change of membership") {
  for (const size_t count : {size_t{6}, size_t{90}}) {  // packed, and a table
    CAPTURE(count);
    Linked world;
    Sets& sets = world.sets;
    std::mt19937 random(11);
    for (size_t i = 0; i < count; ++i) world.log_in(uuid(random));
    for (const std::string& id : world.kept) CHECK(sets.add(world.user, id));
    CHECK(world.linked(world.user) == sets.members(world.user));
    CHECK(world.linked(world.user).size() == count);
    CHECK(sets.remove(world.user, world.kept[0]));
    CHECK(world.linked(world.user) == sets.members(world.user));
    CHECK(world.linked(world.user).size() == count - 1);

    for (const size_t taken : {size_t{1}, count - 3}) {
      sets.fixture.with_all([&] {
        const KeyRef key = sets.fixture.key(world.user);
        Found found = sets.fixture.access.write(key);
        CHECK(set_pop(sets.fixture.access, found, key, taken).size() == taken);
      });
      CHECK(world.linked(world.user) == sets.members(world.user));
    }
    CHECK(sets.members(world.user).size() == 1);

    sets.fixture.with_all([&] {
      SetDraft draft(sets.fixture.access);
      for (size_t i = 0; i < 3; ++i) draft.add(world.kept[i]);
      const KeyRef key = sets.fixture.key(world.user);
      Found found = sets.fixture.access.write(key);
      draft.store(found, key);
    });
    CHECK(world.linked(world.user) == Members{world.kept[0], world.kept[1], world.kept[2]});
    CHECK(world.linked(world.user) == sets.members(world.user));
  }
}

TEST_CASE("removal of an id by the index works in every layout") {
  std::mt19937 random(13);
  const std::string id = uuid(random);
  for (const auto& [extra, count] :
       std::map<std::string, int>{{"flat", 3}, {std::string(80, 'l'), 3}, {"", 0}}) {
    Sets sets;
    sets.fill("user_sessions:1", {id, "12"});
    for (int i = 0; i < count; ++i) sets.add("user_sessions:1", extra + std::to_string(i));
    sets.fixture.with("user_sessions:1", [&](const KeyRef& key) {
      char buffers[2][kMaxPackedId];
      const PackedId packed = pack_id(id, buffers[0]);
      const PackedId twelve = pack_id("12", buffers[1]);
      Found found = sets.fixture.access.write(key);
      const SetOps& ops = index_ops(found);
      CHECK(ops.remove_id(sets.fixture.access, found, key, packed));
      CHECK_FALSE(ops.remove_id(sets.fixture.access, found, key, packed));
      CHECK_FALSE(ops.contains_id(*found.entry, packed));
      CHECK(ops.contains_id(*found.entry, twelve));
      CHECK(ops.remove_id(sets.fixture.access, found, key, twelve));
    });
    CHECK(sets.members("user_sessions:1").size() == static_cast<size_t>(count));
  }
}

TEST_CASE("random members are drawn evenly, one by one and several at once") {
  std::mt19937 random(17);
  for (const int pool : {0, 1, 4, 5}) {
    CAPTURE(pool);
    Sets sets;
    const size_t size = pool == 5 ? 150 : 12;
    while (sets.members("k").size() < size) sets.add("k", member_of(random, pool));
    for (const size_t count : {size_t{1}, size / 4, size - size / 4}) {
      std::map<std::string, int> drawn;
      constexpr int kRounds = 3000;
      sets.look("k", [&](const Found& found) {
        for (int i = 0; i < kRounds; ++i) {
          std::vector<std::string> sample;
          set_sample(*found.entry, sets.fixture.access, count, [&](std::string_view member) {
            sample.emplace_back(member);
            return true;
          });
          CHECK(Members(sample.begin(), sample.end()).size() == count);
          for (const std::string& m : sample) ++drawn[m];
        }
      });
      const double expected = kRounds * static_cast<double>(count) / static_cast<double>(size);
      CHECK(drawn.size() == size);
      for (const auto& [member, times] : drawn) {
        CHECK(std::abs(times - expected) < 6 * std::sqrt(expected));
      }
    }
  }
}

TEST_CASE("popping takes each member once, keeps the deadline, and the encoding as Redis does") {
  std::mt19937 random(19);
  for (int pool = 0; pool <= 6; ++pool) {
    CAPTURE(pool);
    Sets sets;
    while (sets.members("k").size() < 200) sets.add("k", member_of(random, pool));
    const Members all = sets.members("k");
    bool ints = sets.kind("k") == Kind::kSetInts;
    Members popped;
    sets.fixture.with_all([&] {
      const KeyRef key = sets.fixture.key("k");
      Found found = sets.fixture.access.write(key);
      sets.fixture.access.set_deadline(found, key, sets.fixture.access.now_ms() + 5000);
    });
    for (const size_t count : {size_t{3}, size_t{40}, size_t{150}, size_t{6}}) {
      sets.fixture.with_all([&] {
        const KeyRef key = sets.fixture.key("k");
        Found found = sets.fixture.access.write(key);
        for (const std::string& m : set_pop(sets.fixture.access, found, key, count)) {
          CHECK(popped.insert(m).second);
        }
        CHECK(found->deadline_ms() == sets.fixture.access.now_ms() + 5000);
      });
      const Members left = sets.members("k");
      const bool rebuilt = left.size() * 5 <= count;
      const bool all_ints = std::all_of(left.begin(), left.end(), [](const auto& m) { return parse_i64(m); });
      if (rebuilt) ints = all_ints;
      CHECK((sets.kind("k") == Kind::kSetInts) == ints);
    }
    const Members left = sets.members("k");
    CHECK(left.size() == 1);
    popped.insert(left.begin(), left.end());
    CHECK(popped == all);
  }
  // What is left of a hashtable is built anew when most is taken: integers become an intset again.
  Sets sets;
  sets.fill("k", {"x"});
  for (int i = 0; i < 20; ++i) sets.add("k", std::to_string(i));
  sets.remove("k", "x");
  sets.fixture.with_all([&] {
    const KeyRef key = sets.fixture.key("k");
    Found found = sets.fixture.access.write(key);
    set_pop(sets.fixture.access, found, key, 2);
    CHECK(found->kind() == Kind::kSetFlat);
    set_pop(sets.fixture.access, found, key, 15);
    CHECK(found->kind() == Kind::kSetInts);
  });
  CHECK(sets.members("k").size() == 3);
}

}  // namespace
}  // namespace cloakroom::storage
