#include "storage/keyspace/expiry.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {
namespace {

struct Timed : Fixture {
  explicit Timed(uint32_t shards = 4) : Fixture(with_shards(shards)) {}
  static KeyspaceOptions with_shards(uint32_t shards) {
    KeyspaceOptions options;
    options.shards = shards;
    return options;
  }
  bool turn(uint32_t budget = 1'000'000) {
    bool more = false;
    const uint32_t db = access.db();
    for (Shard* shard : keyspace.shards())
      more = expiry_turn(access, *shard, budget) == ExpiryTurn::kMore || more;
    access.select(db);
    return more;
  }
  size_t entries() const {
    size_t sum = 0;
    for (const Shard* shard : keyspace.shards()) {
      for (const auto& table : shard->tables) sum += table == nullptr ? 0 : table->size();
    }
    return sum;
  }
  Commands cmd{access};
};

}  // namespace

TEST_CASE("A key is there through its deadline's millisecond, gone after it, and reclaimed within a tick") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    Timed f;
    f.advance(static_cast<int64_t>(random() % 5000));
    const int64_t left = 1 + static_cast<int64_t>(random() % (round % 2 == 0 ? 100 : 500'000));
    f.cmd.set("k", "v", f.clock.wall_ms() + left);
    f.advance(left);
    f.turn();
    REQUIRE(f.cmd.get("k") == "v");
    f.advance(1);
    REQUIRE_FALSE(f.cmd.get("k"));
    f.advance(15);  // 16 ms after the deadline
    f.turn();
    REQUIRE(f.entries() == 0);
    REQUIRE(f.keyspace.shard(f.keyspace.shard_of(f.key("k").hash())).counts.expired == 1);
  }
}

TEST_CASE("Who reads a key after its deadline ends it, when the command is over") {
  Timed f;
  const auto expired = [&] {
    return f.keyspace.shard(f.keyspace.shard_of(f.key("k").hash())).counts.expired;
  };
  f.cmd.set("k", "v", f.clock.wall_ms() + 5);
  f.advance(6);
  CHECK(f.entries() == 1);
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, true);
  CHECK_FALSE(f.cmd.get("k"));
  CHECK(f.entries() == 1);
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, false);
  CHECK_FALSE(f.cmd.get("k"));
  CHECK(f.entries() == 0);
  CHECK(expired() == 1);
  CHECK_FALSE(f.cmd.get("k"));
  CHECK(expired() == 1);
}

TEST_CASE("While keys may not end by themselves they are missing after their deadline, and still there") {
  Timed f;
  for (int i = 0; i < 100; ++i) f.cmd.set("k" + std::to_string(i), "v", f.clock.wall_ms() + 1 + i);
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, true);
  for (int i = 0; i < 10; ++i) {
    f.advance(100);
    CHECK_FALSE(f.turn());
    CHECK(f.entries() == 100);
  }
  for (const char* key : {"k0", "k50", "k99"}) CHECK_FALSE(f.cmd.get(key));
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, false);
  CHECK_FALSE(f.turn());
  CHECK(f.entries() == 0);
}

TEST_CASE("Turns at every millisecond reclaim each key once, never early and never 16 ms late") {
  for (const uint64_t seed : {1, 2, 3}) {
    Timed f;
    Recorder& record = f.recorded();
    std::mt19937_64 random(seed);
    std::map<std::string, int64_t> deadlines;
    for (int i = 0; i < 2000; ++i) {
      const std::string name = "k" + std::to_string(i);
      deadlines[name] = f.clock.wall_ms() + 1 + static_cast<int64_t>(random() % 1500);
      f.cmd.set(name, "v", deadlines[name]);
      if (i % 5 != 0) continue;  // moved before it fell due
      deadlines[name] = f.clock.wall_ms() + 1 + static_cast<int64_t>(random() % 1500);
      f.cmd.expire_at(name, deadlines[name]);
    }
    record.take_events();
    for (int ms = 0; ms < 1600; ++ms) {
      f.advance(1);
      f.turn();
      for (const std::string& event : record.take_events()) {
        REQUIRE(event.starts_with("expired "));
        const auto at = deadlines.find(event.substr(8));
        REQUIRE(at != deadlines.end());
        REQUIRE(f.clock.wall_ms() > at->second);
        REQUIRE(f.clock.wall_ms() <= at->second + 16);
        deadlines.erase(at);
      }
    }
    CHECK(deadlines.empty());
    CHECK(f.entries() == 0);
    CHECK(f.value_bytes() == 0);
  }
}

TEST_CASE("A turn ends no more keys than its budget allows, and says that more is due") {
  Timed f(1);
  const int64_t deadline = f.clock.wall_ms() + 1000;
  constexpr size_t kKeys = 100'000;
  for (size_t i = 0; i < kKeys; ++i) f.cmd.set("k" + std::to_string(i), "v", deadline);
  f.advance(2000);
  CHECK(next_expiry_ms(f.keyspace.shard(0), f.clock.wall_ms()) <= f.clock.wall_ms());
  size_t left = kKeys;
  size_t turns = 0;
  bool more = true;
  while (more) {
    more = f.turn(100);
    const size_t now_left = f.entries();
    REQUIRE(left - now_left < 100 + 12);  // a bucket is never left half done
    REQUIRE((now_left < left || !more));
    left = now_left;
    ++turns;
  }
  CHECK(left == 0);
  CHECK(turns >= kKeys / 112);
  CHECK_FALSE(next_expiry_ms(f.keyspace.shard(0), f.clock.wall_ms()));
  CHECK(f.keyspace.shard(0).counts.expired == kKeys);
}

TEST_CASE("Deadlines past 42 bits and keys past 255 bytes are as exact as any") {
  const int64_t far = (int64_t{1} << 42) - 1;
  for (const size_t key_bytes : {size_t{1}, size_t{255}, size_t{256}, size_t{5000}}) {
    for (const int64_t deadline : {far - 1, far, far + 1, far + 100'000, int64_t{1} << 60}) {
      CAPTURE(key_bytes);
      CAPTURE(deadline);
      const std::string name(key_bytes, 'k');
      Timed f;
      f.cmd.set(name, "value", f.clock.wall_ms() + 50);
      f.cmd.expire_at(name, deadline);  // from short to long in place
      const auto deadline_now = [&] {
        return f.cmd.run({name}, Commands::kReads, [&] { return f.access.read(f.key(name))->deadline_ms(); });
      };
      CHECK(deadline_now() == deadline);
      f.cmd.set(name, "another value, longer than the first", 0, true);
      CHECK(deadline_now() == deadline);
      CHECK(f.cmd.get(name) == "another value, longer than the first");
      f.cmd.persist(name);
      CHECK(deadline_now() == 0);
      f.cmd.expire_at(name, deadline);
      f.advance(100'000);
      f.turn();
      CHECK(f.cmd.exists(name));
      f.cmd.expire_at(name, f.clock.wall_ms() + 30);
      f.advance(30);
      CHECK(f.cmd.exists(name));
      f.advance(1);
      CHECK_FALSE(f.cmd.exists(name));
      f.advance(16);
      f.turn();
      CHECK(f.entries() == 0);
      CHECK(f.value_bytes() == 0);
    }
  }
}

TEST_CASE("A deadline beyond the wheel's reach is served when it comes") {
  Timed f;
  const int64_t day_ms = 86'400'000;
  f.cmd.set("k", "v", f.clock.wall_ms() + 400 * day_ms);  // the wheel reaches 199 days
  for (int day = 0; day < 400; ++day) {
    f.advance(day_ms);
    f.turn();
    REQUIRE(f.cmd.exists("k"));
  }
  f.advance(16);
  f.turn();
  CHECK(f.entries() == 0);
}

TEST_CASE("A turn after a long standstill finds everything due") {
  for (const int64_t sleep_ms : {int64_t{100'000}, int64_t{86'400'000} * 30, int64_t{86'400'000} * 390}) {
    CAPTURE(sleep_ms);
    Timed f;
    for (int i = 0; i < 3000; ++i) f.cmd.set("k" + std::to_string(i), "v", f.clock.wall_ms() + 1 + i * 31);
    f.advance(sleep_ms);
    f.turn();
    CHECK(f.entries() == 0);
  }
}

TEST_CASE("Keys of all databases expire, and tables that were swapped go on as what they are now") {
  Timed f;
  Recorder& record = f.recorded();
  f.cmd.set("k", "v", f.clock.wall_ms() + 100);
  f.access.select(7);
  f.cmd.set("k", "v", f.clock.wall_ms() + 200);
  f.cmd.swap_dbs(0, 7);
  record.take_events();
  f.advance(120);
  f.turn();
  CHECK(record.take_events() == std::vector<std::string>{"expired k"});
  f.access.select(0);
  CHECK(f.cmd.exists("k"));
  f.access.select(7);
  CHECK_FALSE(f.cmd.exists("k"));
  f.advance(100);
  f.turn();
  CHECK(f.entries() == 0);
}

TEST_CASE(
    "Tables flushed while their keys are filed are freed in slices and fire nothing, new keys beside them "
    "do") {
  Timed f;
  Recorder& record = f.recorded();
  for (int i = 0; i < 5000; ++i) f.cmd.set("k" + std::to_string(i), "v", f.clock.wall_ms() + 100 + i % 300);
  f.cmd.flush_db();
  for (int i = 0; i < 10; ++i) f.cmd.set("k" + std::to_string(i), "v", f.clock.wall_ms() + 50 + i);
  record.take_events();
  CHECK(next_expiry_ms(f.keyspace.shard(0), f.clock.wall_ms()) == f.clock.wall_ms());
  size_t turns = 0;
  for (bool more = true; more; ++turns) more = f.turn(100);
  CHECK(turns > 3);
  f.advance(1000);
  f.turn();
  std::vector<std::string> events = record.take_events();
  CHECK(events.size() == 10);
  CHECK(std::all_of(events.begin(), events.end(), [](const auto& e) { return e.starts_with("expired "); }));
  CHECK(f.entries() == 0);
  CHECK(f.value_bytes() == 0);
}

TEST_CASE("The lag figures tell how late the last key and the latest key were reclaimed") {
  Timed f(1);
  const ShardCounts& counts = f.keyspace.shard(0).counts;
  f.cmd.set("a", "v", f.clock.wall_ms() + 10);
  f.advance(510);
  f.turn();
  CHECK(counts.lag_last_ms == 500);
  CHECK(counts.lag_max_ms == 500);
  CHECK(counts.lag_last_at_ms == f.clock.wall_ms());
  f.cmd.set("b", "v", f.clock.wall_ms() + 10);
  f.advance(30);
  f.turn();
  CHECK(counts.lag_last_ms == 20);
  CHECK(counts.lag_max_ms == 500);
}

TEST_CASE("next_expiry_ms never lets a key wait beyond its tick") {
  Timed f(1);
  std::mt19937_64 random(5);
  for (int i = 0; i < 300; ++i) {
    const int64_t deadline = f.clock.wall_ms() + 1 + static_cast<int64_t>(random() >> 40 >> random() % 24);
    f.cmd.set("k", "v", deadline);
    int wakes = 0;
    while (f.entries() != 0) {
      const auto next = next_expiry_ms(f.keyspace.shard(0), f.clock.wall_ms());
      REQUIRE(next.has_value());
      REQUIRE(*next <= deadline + 16);
      REQUIRE(++wakes < 1000);
      f.advance(std::max<int64_t>(1, *next - f.clock.wall_ms()));
      f.turn();
    }
    REQUIRE(f.clock.wall_ms() > deadline);
    REQUIRE(f.clock.wall_ms() <= deadline + 17);
  }
}

}  // namespace cloakroom::storage::test
