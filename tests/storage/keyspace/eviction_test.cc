#include "storage/keyspace/eviction.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {
namespace {

constexpr EvictionPolicy kAllKeys[] = {EvictionPolicy::kAllKeysLru, EvictionPolicy::kAllKeysLfu,
                                       EvictionPolicy::kAllKeysRandom};
constexpr EvictionPolicy kVolatile[] = {EvictionPolicy::kVolatileLru, EvictionPolicy::kVolatileLfu,
                                        EvictionPolicy::kVolatileRandom, EvictionPolicy::kVolatileTtl};

struct Full : Fixture {
  explicit Full(EvictionPolicy policy) : use(policy) { keyspace.settings().policy = policy; }

  Room make_room(size_t limit, size_t other = 0, int64_t budget_us = INT64_MAX) {
    return evictor.make_room({limit, other, use, 5, budget_us});
  }
  // Evicts about `bytes`.
  void shrink(size_t bytes) {
    const size_t limit = keyspace.memory_bytes() - bytes;
    Room room = Room::kFreeing;
    for (int i = 0; room == Room::kFreeing; ++i) {
      REQUIRE(i < 10'000);
      room = make_room(limit);
    }
    CHECK(room == Room::kEnough);
    CHECK(keyspace.memory_bytes() <= limit);
  }
  // Of kKeys keys of 1 KiB, how many of the first half and of the second are left.
  static constexpr int kKeys = 2000;
  std::pair<int, int> halves() {
    const uint64_t hits = access.counters().hits.get();
    std::pair<int, int> left;
    for (int i = 0; i < kKeys; ++i) {
      const std::string name = "k" + std::to_string(i);
      with(name, [&](const KeyRef& key) {
        (i < kKeys / 2 ? left.first : left.second) += access.peek(key) ? 1 : 0;
      });
    }
    CHECK(access.counters().hits.get() == hits);
    return left;
  }
  void fill(int64_t deadline_ms) {
    for (int i = 0; i < kKeys; ++i) cmd.set("k" + std::to_string(i), payload, deadline_ms);
  }
  uint64_t evicted() const {
    uint64_t sum = 0;
    for (const Shard* shard : keyspace.shards()) sum += shard->counts.evicted;
    return sum;
  }

  const std::string payload = std::string(1000, 'x');
  EvictionPolicy use;
  Commands cmd{access};
  Evictor evictor{access};
};

}  // namespace

TEST_CASE("However many samples are asked for, a step looks at few") {
  Full f(EvictionPolicy::kAllKeysLru);
  f.fill(0);
  const size_t limit = f.keyspace.memory_bytes() - 5000;
  Room room = Room::kFreeing;
  while (room == Room::kFreeing) room = f.evictor.make_room({limit, 0, f.use, INT32_MAX, INT64_MAX});
  CHECK(room == Room::kEnough);
}

TEST_CASE("While memory is under the limit nothing is evicted") {
  Full f(EvictionPolicy::kAllKeysLru);
  f.fill(0);
  CHECK(f.make_room(f.keyspace.memory_bytes()) == Room::kEnough);
  CHECK(f.make_room(f.keyspace.memory_bytes(), 1) == Room::kEnough);  // what others use counts
  CHECK(f.evicted() > 0);
}

TEST_CASE("noeviction evicts nothing and says so") {
  Full f(EvictionPolicy::kNoEviction);
  f.fill(f.clock.wall_ms() + 1000);
  CHECK(f.make_room(1000) == Room::kNone);
  CHECK(f.evicted() == 0);
}

TEST_CASE("LRU policies evict what was not used for longest") {
  for (const EvictionPolicy policy : {EvictionPolicy::kAllKeysLru, EvictionPolicy::kVolatileLru}) {
    Full f(policy);
    f.fill(f.clock.wall_ms() + 100'000'000);
    f.advance(60'000);
    for (int i = Full::kKeys / 2; i < Full::kKeys; ++i) f.cmd.get("k" + std::to_string(i));
    f.advance(60'000);
    f.shrink(600 * 1000);
    const auto [unused, used] = f.halves();
    CHECK(unused < 500);
    CHECK(used > 980);
  }
}

TEST_CASE("LFU policies evict what was used least often") {
  for (const EvictionPolicy policy : {EvictionPolicy::kAllKeysLfu, EvictionPolicy::kVolatileLfu}) {
    Full f(policy);
    f.fill(f.clock.wall_ms() + 100'000'000);
    for (int round = 0; round < 40; ++round) {
      for (int i = 0; i < Full::kKeys / 2; ++i) f.cmd.get("k" + std::to_string(i));
    }
    f.shrink(600 * 1000);
    const auto [used, unused] = f.halves();
    CHECK(unused < 500);
    CHECK(used > 980);
  }
}

TEST_CASE("volatile-ttl evicts what would expire first") {
  Full f(EvictionPolicy::kVolatileTtl);
  for (int i = 0; i < Full::kKeys; ++i) {
    f.cmd.set("k" + std::to_string(i), f.payload, f.clock.wall_ms() + 1'000'000 + i * 1000);
  }
  f.shrink(600 * 1000);
  const auto [sooner, later] = f.halves();
  CHECK(sooner < 500);
  CHECK(later > 980);
}

TEST_CASE("Random policies evict evenly") {
  for (const EvictionPolicy policy : {EvictionPolicy::kAllKeysRandom, EvictionPolicy::kVolatileRandom}) {
    Full f(policy);
    f.fill(f.clock.wall_ms() + 100'000'000);
    f.shrink(1000 * 1000);
    const auto [first, second] = f.halves();
    CHECK(first > 350);
    CHECK(second > 350);
    CHECK(first + second < 1100);
  }
}

TEST_CASE("Volatile policies leave persistent keys, to the last volatile one") {
  for (const EvictionPolicy policy : kVolatile) {
    Full f(policy);
    for (int i = 0; i < 1000; ++i) f.cmd.set("stays" + std::to_string(i), f.payload);
    for (int i = 0; i < 30; ++i) f.cmd.set("k" + std::to_string(i), f.payload, f.clock.wall_ms() + 100'000);
    Room room = Room::kFreeing;
    while (room == Room::kFreeing) room = f.make_room(1000);
    CHECK(room == Room::kNone);
    CHECK(f.evicted() == 30);
    for (int i = 0; i < 1000; ++i) REQUIRE(f.cmd.exists("stays" + std::to_string(i)));
  }
}

TEST_CASE("A candidate that has become persistent since is left alone by a volatile policy") {
  for (const EvictionPolicy policy : kVolatile) {
    Full f(policy);
    for (int i = 0; i < 20; ++i) f.cmd.set("k" + std::to_string(i), f.payload, f.clock.wall_ms() + 100'000);
    f.shrink(500);  // fills the pool of candidates, evicts one or two
    const uint64_t before = f.evicted();
    for (int i = 0; i < 20; ++i) f.cmd.persist("k" + std::to_string(i));
    CHECK(f.make_room(1000) == Room::kNone);
    CHECK(f.evicted() == before);
  }
}

TEST_CASE("allkeys policies can empty the keyspace, and then say that nothing may go") {
  for (const EvictionPolicy policy : kAllKeys) {
    Full f(policy);
    f.fill(0);
    f.access.select(3);
    f.cmd.set("elsewhere", f.payload);
    Room room = Room::kFreeing;
    while (room == Room::kFreeing) room = f.make_room(0);
    CHECK(room == Room::kNone);
    CHECK(f.evicted() == Full::kKeys + 1);
    CHECK(f.value_bytes() == 0);
  }
}

TEST_CASE("While keys may not end by themselves none is evicted") {
  Full f(EvictionPolicy::kAllKeysLru);
  f.fill(0);
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, true);
  CHECK(f.make_room(1) == Room::kFreeing);
  CHECK(f.evicted() == 0);
  CHECK(f.halves() == std::pair(Full::kKeys / 2, Full::kKeys / 2));
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, false);
  f.shrink(f.keyspace.memory_bytes() / 2);
  CHECK(f.evicted() > 0);
}

TEST_CASE("A call goes on until memory fits, or its time is over") {
  for (const EvictionPolicy policy : kAllKeys) {
    Full f(policy);
    f.fill(0);
    const size_t limit = f.keyspace.memory_bytes() - 1'000'000;
    CHECK(f.make_room(limit, 0, 0) == Room::kFreeing);
    CHECK(f.evicted() == 16);
    CHECK(f.make_room(limit) == Room::kEnough);
    CHECK(f.keyspace.memory_bytes() <= limit);
    CHECK(f.keyspace.memory_bytes() > limit - 2 * f.payload.size());
  }
}

TEST_CASE("What is left after a call's time goes on where it was, until nothing may go") {
  for (const EvictionPolicy policy : {EvictionPolicy::kAllKeysLru, EvictionPolicy::kVolatileTtl}) {
    Full f(policy);
    f.fill(f.clock.wall_ms() + 100'000);
    for (int i = 0; i < 50; ++i) {
      f.cmd.sadd("user_sessions:" + std::to_string(i), "pending-id");
      f.cmd.expire_at("user_sessions:" + std::to_string(i), f.clock.wall_ms() + 50'000);
    }
    int calls = 0;
    while (f.make_room(0, 0, 0) == Room::kFreeing) REQUIRE(++calls < 1000);
    CHECK(f.evicted() == Full::kKeys + 50);
  }
}

TEST_CASE("A few volatile keys among very many others are found") {
  Full f(EvictionPolicy::kVolatileLru);
  for (int i = 0; i < 20'000; ++i) f.cmd.set("stays" + std::to_string(i), "v");
  for (int i = 0; i < 3; ++i) f.cmd.set("k" + std::to_string(i), f.payload, f.clock.wall_ms() + 100'000);
  int calls = 0;
  while (f.make_room(0, 0, 0) == Room::kFreeing) REQUIRE(++calls < 10'000);
  CHECK(f.evicted() == 3);
}

TEST_CASE("What others hold is not waited for: eviction takes its victims elsewhere") {
  Full f(EvictionPolicy::kAllKeysLru);
  f.fill(0);
  Guard theirs(f.keyspace.shards(), false);
  theirs.take(0);
  theirs.take(2);
  while (f.make_room(0, 0, 0) == Room::kFreeing && f.evicted() < 800) {
  }
  CHECK(f.evicted() >= 800);
  CHECK(f.keyspace.shard(0).counts.evicted == 0);
  CHECK(f.keyspace.shard(1).counts.evicted > 0);
  CHECK(f.keyspace.shard(2).counts.evicted == 0);
  for (int i = 0; i < 200; ++i) CHECK(f.make_room(0, 0, 0) == Room::kFreeing);  // not yet none
  theirs.release();
  while (f.make_room(0) == Room::kFreeing) {
  }
  CHECK(f.evicted() == Full::kKeys);
}

TEST_CASE("A session stays as long as a set that holds its id is in other hands") {
  Full f(EvictionPolicy::kAllKeysLru);
  for (int i = 0; i < 100; ++i) {
    f.cmd.set("session:" + std::to_string(i), f.payload);
    f.cmd.sadd("user_sessions:u", std::to_string(i));
  }
  const uint32_t shard = f.keyspace.shard_of(f.key("user_sessions:u").hash());
  Guard theirs(f.keyspace.shards(), false);
  theirs.take(shard);
  for (int i = 0; i < 200; ++i) REQUIRE(f.make_room(0, 0, 0) == Room::kFreeing);
  CHECK(f.evicted() == 0);
  theirs.release();
  CHECK(f.make_room(0) == Room::kNone);
  CHECK(f.evicted() == 100);
}

TEST_CASE("A guard knows by how much the keyspace has grown under it") {
  Full f(EvictionPolicy::kAllKeysLru);
  f.fill(0);
  CHECK(f.access.guard().grown_bytes() == static_cast<int64_t>(f.keyspace.memory_bytes()));
  CHECK(f.make_room(f.keyspace.memory_bytes() / 2) == Room::kEnough);
  CHECK(f.access.guard().grown_bytes() == static_cast<int64_t>(f.keyspace.memory_bytes()));
}

TEST_CASE("Evicting a session takes its id out of its sets; sets of sessions go last") {
  for (const EvictionPolicy policy : kAllKeys) {
    Full f(policy);
    constexpr int kSessions = 400;
    for (int i = 0; i < kSessions; ++i) {
      const std::string id = "s" + std::to_string(i);
      f.cmd.set("session:" + id, f.payload);
      f.cmd.sadd("user_sessions:" + std::to_string(i % 40), id);
    }
    for (int i = 0; i < 40; ++i) f.cmd.sadd("user_sessions:" + std::to_string(i), "pending-id");
    Recorder& record = f.recorded();
    Room room = Room::kFreeing;
    std::set<std::string> gone;
    while (room == Room::kFreeing) {
      room = f.make_room(0);
      for (const std::string& event : record.take_events()) {
        if (!event.starts_with("evicted ")) continue;
        const bool user_set = event.starts_with("evicted user_sessions:");
        if (user_set) CHECK(gone.size() == kSessions);
        if (!user_set) gone.insert(event);
      }
      for (int i = 0; i < 40; ++i) {
        for (const std::string& id : f.cmd.members("user_sessions:" + std::to_string(i))) {
          REQUIRE((id == "pending-id" || f.cmd.exists("session:" + id)));
        }
      }
    }
    CHECK(gone.size() == kSessions);
    CHECK(f.evicted() == kSessions + 40);
  }
}

TEST_CASE("Sets of sessions that were candidates are spared again once there is something else") {
  for (const EvictionPolicy policy : {EvictionPolicy::kAllKeysLru, EvictionPolicy::kAllKeysLfu}) {
    Full f(policy);
    for (int i = 0; i < 40; ++i) f.cmd.sadd("user_sessions:" + std::to_string(i), "pending-id");
    f.advance(3'600'000);
    const size_t limit = f.keyspace.memory_bytes() - 16;
    while (f.make_room(limit) == Room::kFreeing) {
    }
    const uint64_t before = f.evicted();
    CHECK(before > 0);
    Recorder& record = f.recorded();
    for (int i = 0; i < 200; ++i) f.cmd.set("session:" + std::to_string(i), f.payload);
    while (f.make_room(limit + 50'000) == Room::kFreeing) {
    }
    for (const std::string& event : record.take_events())
      CHECK_FALSE(event.starts_with("evicted user_sessions:"));
    CHECK(f.evicted() > before);
  }
}

TEST_CASE("An expired key that is found as a victim expires") {
  Full f(EvictionPolicy::kVolatileTtl);
  Recorder& record = f.recorded();
  f.fill(f.clock.wall_ms() + 10);
  record.take_events();
  f.advance(11);
  f.shrink(10'000);
  const auto events = record.take_events();
  CHECK(!events.empty());
  for (const std::string& event : events) CHECK(event.starts_with("expired "));
  CHECK(f.evicted() == 0);
}

TEST_CASE("What was flushed is freed first, whatever the policy") {
  for (const EvictionPolicy policy : {EvictionPolicy::kAllKeysLru, EvictionPolicy::kNoEviction}) {
    Full f(policy);
    f.fill(0);
    f.cmd.flush_db();
    f.cmd.set("fresh", f.payload);
    CHECK(f.make_room(100'000, 0, 0) == Room::kFreeing);
    CHECK(f.make_room(100'000) == Room::kEnough);
    CHECK(f.cmd.exists("fresh"));
    CHECK(f.evicted() == 0);
  }
}

}  // namespace cloakroom::storage::test
