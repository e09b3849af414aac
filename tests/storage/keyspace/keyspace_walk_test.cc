#include "storage/keyspace/keyspace_walk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include "storage/base/big_bytes.h"
#include "storage/base/glob.h"
#include "storage/keyspace/expiry.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/set_value.h"
#include "storage/value/string_value.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {
namespace {

void put(Fixture& f, std::string_view text, std::string_view value = "v", int64_t deadline_ms = 0) {
  f.with(text, [&](const KeyRef& key) {
    Found found = f.access.write(key);
    string_set(f.access, found, key, {value}, Deadline::kClear);
    if (deadline_ms != 0) f.access.set_deadline(found, key, deadline_ms);
    f.access.changed(key, EventClass::kString, "set", {"SET", key.raw(), value});
  });
}

std::multiset<std::string> listed(Fixture& f, std::string_view pattern = "*") {
  std::multiset<std::string> out;
  list_keys(f.access, KeyFilter(f.access.schema(), pattern), [&](const TextList& keys) {
    for (size_t i = 0; i < keys.size(); ++i) out.insert(std::string(keys[i]));
    return true;
  });
  return out;
}

std::multiset<std::string> scanned(Fixture& f, uint64_t count, const KeyFilter& filter) {
  std::multiset<std::string> out;
  uint64_t cursor = 0;
  do {
    TextList keys;
    cursor = scan_keys(f.access, cursor, count, filter, keys);
    for (size_t i = 0; i < keys.size(); ++i) out.insert(std::string(keys[i]));
  } while (cursor != 0);
  return out;
}

std::string uuid(std::mt19937_64& random) {
  std::string text;
  for (int i = 0; i < 36; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    text += dash ? '-' : "0123456789abcdef"[random() % 16];
  }
  return text;
}

// Keys of every role and codec, and near misses of the patterns.
std::set<std::string> mixed_keys(std::mt19937_64& random) {
  std::set<std::string> keys = {"",  "session", "session:", "user_sessions:", "sessio", "user_",
                                "a", "[x]",     "a*b"};
  for (int i = 0; i < 60; ++i) {
    const std::string id = uuid(random);
    keys.insert("session:" + id);
    keys.insert("session:" + id.substr(0, 1 + i % 30));
    keys.insert("user_sessions:" + std::to_string(i));
    keys.insert("user_sessions:" + id);
    keys.insert("cart:" + std::to_string(i));
    keys.insert(id);
  }
  return keys;
}

size_t shard_memory(Fixture& f) {
  size_t sum = 0;
  for (const Shard* shard : f.keyspace.shards()) sum += shard->arena.used_bytes() + shard->external_bytes;
  return sum;
}

// A watch of a key, until the end of its scope.
class Watching {
 public:
  Watching(Fixture& fixture, uint32_t db, std::string_view key) : fixture_(fixture), db_(db), key_(key) {
    fixture_.access.select(db_);
    fixture_.with(key_, [&](const KeyRef& ref) { fixture_.access.watch(ref, watcher_); });
  }
  ~Watching() {
    fixture_.with(key_, [&](const KeyRef& ref) { fixture_.access.unwatch(db_, ref, watcher_); });
  }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;

  bool dirty() const { return watcher_.dirty; }

 private:
  Fixture& fixture_;
  const uint32_t db_;
  const std::string_view key_;
  Watcher watcher_;
};

}  // namespace

TEST_CASE("KeyFilter answers as the glob does on the key's text") {
  Fixture f;
  std::mt19937_64 random(1);
  const auto keys = mixed_keys(random);
  for (const std::string& key : keys) put(f, key);
  const std::string some = *keys.lower_bound("session:5");
  for (const std::string& pattern : {std::string("*"),
                                     std::string("**"),
                                     std::string("session:*"),
                                     std::string("s*"),
                                     std::string("session:4*"),
                                     std::string("user_sessions:1*"),
                                     std::string("*:1"),
                                     std::string("?ession:*"),
                                     std::string("[su]*"),
                                     std::string("session:\\*"),
                                     std::string("sess"),
                                     std::string("session:"),
                                     std::string(""),
                                     some,
                                     some + "*",
                                     std::string("user_*-*"),
                                     std::string("cart:?"),
                                     std::string("a\\*b"),
                                     std::string("\\[x]"),
                                     std::string("us*:2?")}) {
    std::multiset<std::string> expected;
    for (const std::string& key : keys) {
      if (pattern == "*" || glob_match(pattern, key)) expected.insert(key);
    }
    CAPTURE(pattern);
    CHECK(listed(f, pattern) == expected);
    const auto by_scan = scanned(f, 7, KeyFilter(f.access.schema(), pattern));
    CHECK(by_scan == expected);
  }
}

TEST_CASE("A walk leaves guards as it found them, and hides what has expired") {
  Fixture f;
  put(f, "gone", "v", f.clock.wall_ms() + 5);
  put(f, "stays", "v", f.clock.wall_ms() + 50);
  f.advance(6);
  CHECK(listed(f) == std::multiset<std::string>{"stays"});
  CHECK(count_keys(f.access, false) == 2);
  CHECK(count_keys(f.access, true) == 1);
  CHECK(f.access.guard().held().empty());
  f.with_all([&] {
    CHECK(listed(f) == std::multiset<std::string>{"stays"});
    CHECK(scanned(f, 1, KeyFilter(f.access.schema(), "*")) == std::multiset<std::string>{"stays"});
    std::string key;
    CHECK(random_key(f.access, key));
    CHECK(key == "stays");
    CHECK(count_keys(f.access, true) == 1);
    for (uint32_t i = 0; i < f.keyspace.shard_count(); ++i) CHECK(f.access.guard().holds(i));
  });
  f.access.select(1);
  CHECK(listed(f).empty());
  CHECK(count_keys(f.access, true) == 0);
}

TEST_CASE("DBSIZE counts as if keys went at their deadline, however late the turns of expiry are") {
  for (const uint64_t seed : {1, 2, 3}) {
    Fixture f;
    std::mt19937_64 random(seed);
    std::multiset<int64_t> deadlines;
    size_t lasting = 0;
    for (int i = 0; i < 3000; ++i) {
      const bool volatile_key = random() % 3 != 0;
      const int64_t deadline = f.clock.wall_ms() + static_cast<int64_t>(random() % 70'000) - 20;
      put(f, "k" + std::to_string(i), "v", volatile_key ? deadline : 0);
      volatile_key ? static_cast<void>(deadlines.insert(deadline)) : static_cast<void>(++lasting);
    }
    for (int step = 0; step < 700; ++step) {
      const int64_t now = f.clock.wall_ms();
      const auto live = static_cast<uint64_t>(std::distance(deadlines.lower_bound(now), deadlines.end()));
      REQUIRE(count_keys(f.access, true) == lasting + live);
      REQUIRE(count_keys(f.access, false) >= lasting + live);
      f.advance(static_cast<int64_t>(random() % 200) * (random() % 50 == 0 ? 40 : 1));
      if (random() % 8 != 0) continue;
      for (Shard* shard : f.keyspace.shards()) expiry_turn(f.access, *shard, 100'000);
      f.access.select(0);
    }
  }
}

TEST_CASE("SCAN by type") {
  Fixture f;
  put(f, "text");
  f.with("set", [&](const KeyRef& key) {
    Found found = f.access.write(key);
    set_add(f.access, found, key, "m");
  });
  const auto of = [&](Type type) {
    return scanned(f, 10,
                   KeyFilter(f.access.schema(), "*", static_cast<uint8_t>(1 << static_cast<int>(type))));
  };
  CHECK(of(Type::kString) == std::multiset<std::string>{"text"});
  CHECK(of(Type::kSet) == std::multiset<std::string>{"set"});
  CHECK(of(Type::kHash).empty());
  CHECK(scanned(f, 10, KeyFilter(f.access.schema(), "*", 0)).empty());
}

TEST_CASE("SCAN returns every key that is there all the time, while tables split and merge") {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    Fixture f;
    std::mt19937_64 random(seed);
    std::set<std::string> staying;
    std::set<std::string> passing;
    for (int i = 0; i < 3000; ++i) put(f, *staying.insert("k" + std::to_string(i)).first);
    int next = 0;
    std::set<std::string> seen;
    uint64_t cursor = 0;
    const KeyFilter all(f.access.schema(), "*");
    bool growing = true;
    do {
      TextList keys;
      cursor = scan_keys(f.access, cursor, 10, all, keys);
      CHECK(cursor < uint64_t{1} << 48);
      CHECK(keys.size() < 200);
      for (size_t i = 0; i < keys.size(); ++i) seen.insert(std::string(keys[i]));
      if (random() % 40 == 0) growing = !growing;
      for (int i = 0; i < 60; ++i) {
        if (growing) {
          put(f, *passing.insert("p" + std::to_string(next++)).first);
        } else if (!passing.empty()) {
          f.erase(*passing.begin());
          passing.erase(passing.begin());
        }
      }
    } while (cursor != 0);
    CHECK(std::includes(seen.begin(), seen.end(), staying.begin(), staying.end()));
  }
}

TEST_CASE("Any number is a safe cursor and leads to the end") {
  Fixture f;
  for (int i = 0; i < 2000; ++i) put(f, "k" + std::to_string(i));
  std::mt19937_64 random(7);
  const KeyFilter all(f.access.schema(), "*");
  for (int i = 0; i < 2000; ++i) {
    uint64_t cursor = random() >> random() % 64;
    for (int steps = 0; cursor != 0; ++steps) {
      REQUIRE(steps < 5000);
      TextList keys;
      cursor = scan_keys(f.access, cursor, 500, all, keys);
    }
  }
}

TEST_CASE("SCAN's work is bounded by COUNT and covers a small keyspace at once") {
  Fixture f;
  const KeyFilter all(f.access.schema(), "*");
  for (int i = 0; i < 9; ++i) put(f, "k" + std::to_string(i));
  TextList keys;
  CHECK(scan_keys(f.access, 0, 10, all, keys) == 0);
  CHECK(keys.size() == 9);
  for (int i = 0; i < 20000; ++i) put(f, "k" + std::to_string(i));
  keys.clear();
  CHECK(scan_keys(f.access, 0, 10, all, keys) != 0);
  CHECK(keys.size() >= 10);
  CHECK(keys.size() < 60);
  keys.clear();
  CHECK(scan_keys(f.access, 0, UINT64_MAX, all, keys) == 0);
  CHECK(keys.size() == 20000);
}

TEST_CASE("RANDOMKEY draws every key, and finds the last live one among expired ones") {
  Fixture f;
  std::string key;
  CHECK_FALSE(random_key(f.access, key));
  std::map<std::string, int> drawn;
  for (int i = 0; i < 20; ++i) put(f, "k" + std::to_string(i));
  for (int i = 0; i < 20000; ++i) {
    key.clear();
    REQUIRE(random_key(f.access, key));
    ++drawn[key];
  }
  CHECK(drawn.size() == 20);
  for (const auto& item : drawn) {
    CAPTURE(item.first);
    CHECK(item.second > 800);
    CHECK(item.second < 1250);
  }
  for (int i = 0; i < 5000; ++i) put(f, "k" + std::to_string(i), "v", f.clock.wall_ms() + 1);
  f.advance(2);
  CHECK_FALSE(random_key(f.access, key));
  put(f, "live");
  key.clear();
  REQUIRE(random_key(f.access, key));
  CHECK(key == "live");
}

TEST_CASE("FLUSHDB empties one database at once and gives its memory back in slices") {
  Fixture f;
  Recorder& record = f.recorded();
  std::mt19937_64 random(3);
  const std::string big(100'000, 'x');
  f.access.select(1);
  put(f, "other");
  const size_t before = shard_memory(f);
  const size_t big_before = big_bytes_alive();
  f.access.select(0);
  for (int i = 0; i < 3000; ++i) put(f, "session:" + uuid(random), "v", f.clock.wall_ms() + 1000 + i);
  for (int i = 0; i < 5; ++i) put(f, "big" + std::to_string(i), big);
  f.with_all([&] {
    const KeyRef set = f.key("user_sessions:1");
    Found found = f.access.write(set);
    for (const std::string& session : listed(f, "session:*"))
      set_add(f.access, found, set, session.substr(8));
  });
  record.take_events();
  record.take_effects();
  f.with_all([&] { CHECK(flush_db(f.access) == 3006); });
  CHECK(count_keys(f.access, true) == 0);
  CHECK(record.take_events().empty());
  CHECK(record.take_effects() == std::vector<std::vector<std::string>>{{"FLUSHDB"}});
  CHECK(shard_memory(f) > before + 3000 * 50);
  CHECK(big_bytes_alive() >= big_before + 500'000);
  put(f, "new");  // a fresh table beside the detached one

  size_t freed = 0;
  for (Shard* shard : f.keyspace.shards()) {
    while (!shard->detached.empty()) {
      f.access.guard().take(shard->index);
      const size_t slice = reclaim_leftovers(f.access, *shard, 100);
      CHECK(slice <= 112);  // whole buckets
      freed += slice;
      f.access.finish();
    }
  }
  CHECK(freed == 3006);
  CHECK(listed(f) == std::multiset<std::string>{"new"});
  f.erase("new");
  CHECK(shard_memory(f) == before);
  CHECK(big_bytes_alive() == big_before);
  int64_t sessions = 0;
  int64_t sets = 0;
  uint64_t flushed = 0;
  for (const Shard* shard : f.keyspace.shards()) {
    sessions += shard->counts.sessions;
    sets += shard->counts.user_sets;
    flushed += shard->counts.sessions_ended[static_cast<size_t>(EndCause::kFlushed)];
  }
  CHECK(sessions == 0);
  CHECK(sets == 0);
  CHECK(flushed == 3000);
  f.access.select(1);
  CHECK(listed(f) == std::multiset<std::string>{"other"});
}

TEST_CASE("Timers of flushed keys fire nothing; turns of expiry reclaim the rest") {
  Fixture f;
  for (int i = 0; i < 2000; ++i) put(f, "k" + std::to_string(i), "v", f.clock.wall_ms() + 20 + i % 50);
  Recorder& record = f.recorded();
  f.with_all([&] { flush_all(f.access); });
  CHECK(record.take_effects() == std::vector<std::vector<std::string>>{{"FLUSHALL"}});
  for (int step = 0; step < 100; ++step) {
    f.advance(5);
    for (Shard* shard : f.keyspace.shards()) expiry_turn(f.access, *shard, 50);
  }
  CHECK(record.take_events().empty());
  CHECK(shard_memory(f) == 0);
  for (const Shard* shard : f.keyspace.shards()) CHECK(shard->detached.empty());
}

TEST_CASE("reclaim_flushed leaves nothing, in no database") {
  Fixture f;
  for (uint32_t db = 0; db < 16; ++db) {
    f.access.select(db);
    for (int i = 0; i < 200; ++i) put(f, "k" + std::to_string(i));
  }
  f.with_all([&] { CHECK(flush_all(f.access) == 3200); });
  reclaim_flushed(f.access);
  CHECK(shard_memory(f) == 0);
  size_t segments = 0;
  for (const Shard* shard : f.keyspace.shards()) segments += shard->segments.used_bytes();
  CHECK(segments == 0);
}

TEST_CASE("FLUSH marks the watchers of what was there, and of nothing else") {
  Fixture f;
  put(f, "here");
  put(f, "expiring", "v", f.clock.wall_ms() + 1);
  f.advance(2);
  const Watching here(f, 0, "here"), absent(f, 0, "absent"), expired(f, 0, "expiring"),
      elsewhere(f, 2, "here");
  f.access.select(0);
  f.with_all([&] { flush_db(f.access); });
  CHECK(here.dirty());
  CHECK_FALSE(absent.dirty());
  CHECK_FALSE(expired.dirty());
  CHECK_FALSE(elsewhere.dirty());
}

TEST_CASE("SWAPDB exchanges keys, ids that wait for their session, and marks watchers of either side") {
  Fixture f;
  put(f, "only0", "zero");
  put(f, "both");
  f.access.select(1);
  put(f, "both");
  put(f, "only1");
  put(f, "passed", "v", f.clock.wall_ms() + 1);
  const Watching only0(f, 0, "only0"), only1(f, 0, "only1"), absent(f, 0, "absent"), passed(f, 0, "passed");
  f.advance(2);
  f.with_all([&] {
    const KeyRef set = f.key("user_sessions:7");
    Found found = f.access.write(set);
    set_add(f.access, found, set, "waits-for-its-session");
  });
  Recorder& record = f.recorded();
  f.with_all([&] { swap_databases(f.access, 0, 1); });
  CHECK(record.take_effects() == std::vector<std::vector<std::string>>{{"SWAPDB", "0", "1"}});
  CHECK(only0.dirty());
  CHECK(only1.dirty());
  CHECK_FALSE(absent.dirty());
  CHECK_FALSE(passed.dirty());  // from no key to an expired one
  CHECK(listed(f) == std::multiset<std::string>{"both", "only1"});
  f.access.select(1);
  CHECK(listed(f) == std::multiset<std::string>{"both", "only0", "user_sessions:7"});
  // The pending id is now database 1's: its session takes it, and ending the session takes it out of the set.
  put(f, "session:waits-for-its-session");
  f.erase("session:waits-for-its-session");
  CHECK(listed(f) == std::multiset<std::string>{"both", "only0"});
}

}  // namespace cloakroom::storage::test
