#include <doctest/doctest.h>

#include <string>

#include "storage/keyspace/keyspace_walk.h"
#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {

TEST_CASE("What the links of a session take beyond their word is in the account") {
  const auto outside = [](Fixture& f) {
    size_t sum = 0;
    for (const Shard* shard : f.keyspace.shards()) sum += shard->external_bytes;
    return sum;
  };
  Fixture f;
  Commands cmd(f.access);
  cmd.set("session:x", "v");
  cmd.sadd("user_sessions:a", "x");
  CHECK(outside(f) == 0);
  for (int i = 0; i < 100; ++i) cmd.sadd("user_sessions:u" + std::to_string(i), "x");
  CHECK(outside(f) > 100 * sizeof(uint64_t));
  CHECK(outside(f) < 100 * sizeof(uint64_t) * 3);
  const size_t most = outside(f);
  cmd.set("session:x", std::string(200, 'v'));  // another entry, the same links
  CHECK(outside(f) == most);
  for (int i = 0; i < 90; ++i) cmd.srem("user_sessions:u" + std::to_string(i), "x");
  CHECK(outside(f) < most / 2);
  cmd.rename("session:x", "session:y");
  CHECK(outside(f) == 0);
  cmd.set("session:z", "v");
  cmd.sadd("user_sessions:a", "z");
  cmd.sadd("user_sessions:b", "z");
  CHECK(outside(f) > 0);
  cmd.flush_db();
  reclaim_flushed(f.access);
  CHECK(outside(f) == 0);
}

}  // namespace cloakroom::storage::test
