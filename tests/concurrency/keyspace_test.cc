#include <doctest/doctest.h>

#include <set>
#include <string>

#include "storage/keyspace/eviction.h"
#include "tests/concurrency/crowd.h"

namespace cloakroom::storage::test {

TEST_CASE("Eviction beside writers keeps memory near the limit and harms nobody") {
  Crowd crowd(4);
  crowd.keyspace.settings().policy = EvictionPolicy::kAllKeysLru;
  const int rounds = scaled(3000);
  const std::string payload(500, 'x');
  constexpr size_t kLimit = 400'000;
  const Crowd::Worker writer = [&](Commands& cmd) {
    Evictor evictor(cmd.access);
    for (int i = 0; i < rounds; ++i) {
      evictor.make_room({kLimit, 0, EvictionPolicy::kAllKeysLru, 5, 500});
      cmd.access.select(0);
      const std::string id = std::to_string(cmd.access.random() % 3000);
      cmd.set("session:" + id, payload);
      cmd.sadd("user_sessions:" + std::to_string(cmd.access.random() % 20), id);
      const auto text = cmd.get("session:" + id);
      crowd.note(!text || *text == payload);
    }
  };
  crowd.run({writer, writer, writer});
  CHECK(crowd.wrong == 0);
  CHECK(crowd.keyspace.memory_bytes() < kLimit + 100'000);
  uint64_t evicted = 0;
  for (const Shard* shard : crowd.keyspace.shards()) evicted += shard->counts.evicted;
  CHECK(evicted > 0);
}

TEST_CASE("SCAN beside splits and merges misses no key that stays") {
  Crowd crowd(2);
  const int rounds = scaled(3);
  constexpr int kStaying = 1500;
  {
    Access access(crowd.keyspace);
    Commands cmd(access);
    for (int i = 0; i < kStaying; ++i) cmd.set("stays" + std::to_string(i), "v");
  }
  std::atomic<bool> done{false};
  const auto churn = [&](const std::string& prefix) {
    return [&, prefix](Commands& cmd) {
      while (!done) {
        for (int i = 0; i < 3000 && !done; ++i) cmd.set(prefix + std::to_string(i), "v");
        for (int i = 0; i < 3000 && !done; ++i) cmd.del(prefix + std::to_string(i));
      }
    };
  };
  const Crowd::Worker scanner = [&](Commands& cmd) {
    for (int round = 0; round < rounds; ++round) {
      const KeyFilter filter(cmd.access.schema(), "stays*");
      std::set<std::string> seen;
      uint64_t cursor = 0;
      do {
        TextList keys;
        cursor = scan_keys(cmd.access, cursor, 20, filter, keys);
        for (size_t i = 0; i < keys.size(); ++i) seen.insert(std::string(keys[i]));
      } while (cursor != 0);
      crowd.note(seen.size() == kStaying);
    }
    done = true;
  };
  crowd.run({churn("a"), churn("b"), scanner});
  CHECK(crowd.wrong == 0);
}

TEST_CASE("FLUSH and SWAPDB beside writers and turns of expiry") {
  Crowd crowd(4);
  const int rounds = scaled(1500);
  const std::string big(4000, 'b');
  const Crowd::Worker writer = [&](Commands& cmd) {
    for (int i = 0; i < rounds; ++i) {
      const std::string id = std::to_string(cmd.access.random() % 300);
      cmd.set("session:" + id, i % 5 == 0 ? big : "v", cmd.access.now_ms() + 5 + i % 50);
      cmd.sadd("user_sessions:" + id, id);
      cmd.hset("h" + id, "f", big);
      if (i % 20 == 0) crowd.clock.advance(1);
      cmd.access.read_clock();
    }
  };
  const Crowd::Worker flusher = [&](Commands& cmd) {
    for (int i = 0; i < rounds / 20; ++i) {
      i % 3 == 0 ? cmd.flush_all() : i % 3 == 1 ? cmd.flush_db() : cmd.swap_dbs(0, 1);
      crowd.expire(cmd, 50);
    }
  };
  crowd.run({writer, writer, flusher});
  Access access(crowd.keyspace);
  Commands cmd(access);
  access.read_clock();
  cmd.flush_all();
  reclaim_flushed(access);
  for (const Shard* shard : crowd.keyspace.shards()) {
    CHECK(shard->arena.used_bytes() == 0);
    CHECK(shard->external_bytes == 0);
    CHECK(shard->counts.sessions == 0);
    CHECK(shard->counts.user_sets == 0);
    CHECK(shard->segments.used_bytes() == 0);
  }
}

TEST_CASE("Prefetching and asking for the next expiry beside splits") {
  Crowd crowd(2);
  std::atomic<bool> done{false};
  const int rounds = scaled(6000);
  const Crowd::Worker writer = [&](Commands& cmd) {
    for (int i = 0; i < rounds; ++i)
      cmd.set("k" + std::to_string(i), "v", cmd.access.now_ms() + 1 + i % 1000);
    done = true;
  };
  const Crowd::Worker prefetcher = [&](Commands& cmd) {
    for (int i = 0; !done; ++i) {
      const std::string name = "k" + std::to_string(cmd.access.random() % 6000);
      const KeyRef key = cmd.key(name);
      cmd.access.prefetch_bucket(key, i % 2 == 0);
      cmd.access.prefetch_entry(key);
      crowd.note(crowd.keyspace.memory_bytes() < 100'000'000);
      next_expiry_ms(cmd.access.shard_for(key), crowd.clock.wall_ms());
    }
  };
  crowd.run({writer, prefetcher, prefetcher});
  CHECK(crowd.wrong == 0);
}

}  // namespace cloakroom::storage::test
