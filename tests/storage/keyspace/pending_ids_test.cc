#include "storage/keyspace/pending_ids.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/storage/keyspace/index_fixture.h"

namespace cloakroom::storage::test {
namespace {

struct Gone {
  const char* how;
  std::function<void(Index&)> go;
};

}  // namespace

TEST_CASE("An id may come before its session, and is then taken by it") {
  for (const std::string& id : kIdForms) {
    CAPTURE(id);
    Index f;
    f.cmd.sadd("user_sessions:a", id);
    f.cmd.sadd("user_sessions:b", id);
    CHECK(f.pending() == 1);
    f.advance(59'999);
    f.turn();
    CHECK(f.ids("a") == Ids{id});
    id == "77" ? static_cast<void>(f.cmd.hset("session:" + id, "f", "v")) : f.cmd.set("session:" + id, "v");
    CHECK(f.pending() == 0);
    CHECK(f.links(id) == 2);
    f.advance(100'000);
    f.turn();
    CHECK(f.ids("b") == Ids{id});
    f.cmd.del("session:" + id);
    CHECK_FALSE(f.has_set("a"));
    CHECK_FALSE(f.has_set("b"));
  }
}

TEST_CASE("An id whose session does not come leaves when its time is over, and is counted") {
  Index f;
  f.keyspace.settings().pending_ms = 500;
  f.cmd.sadd("user_sessions:a", "x");
  f.advance(100);
  f.cmd.sadd("user_sessions:a", "y");
  f.cmd.sadd("user_sessions:a", "z");
  CHECK(f.cmd.srem("user_sessions:a", "z"));
  CHECK(f.pending() == 2);
  f.journal.take();
  f.advance(400 + 17);  // with the rest of a tick
  f.turn();
  CHECK(f.ids("a") == Ids{"y"});
  CHECK(f.journal.take() == std::vector<std::string>{"0 SREM user_sessions:a x"});
  f.advance(100);
  f.turn();
  CHECK(f.journal.take() ==
        std::vector<std::string>{"[", "0 SREM user_sessions:a y", "0 DEL user_sessions:a", "]"});
  CHECK(f.pending() == 0);
  uint64_t repairs = 0;
  for (const Shard* shard : f.keyspace.shards()) repairs += shard->counts.index_repairs;
  CHECK(repairs == 2);
}

TEST_CASE("An id that is put into a set again waits its full time again") {
  Index f;
  f.keyspace.settings().pending_ms = 500;
  f.cmd.sadd("user_sessions:a", "x");
  f.advance(400);
  CHECK(f.cmd.del("user_sessions:a"));  // leaves what waits behind
  f.cmd.sadd("user_sessions:a", "x");
  CHECK(f.pending() == 1);
  f.advance(200);
  f.turn();
  CHECK(f.ids("a") == Ids{"x"});
  f.advance(300 + 17);
  f.turn();
  CHECK_FALSE(f.has_set("a"));
}

TEST_CASE("An id put in while its last session stands there expired waits for the next one") {
  Index f;
  f.login("x", {"a"}, f.clock.wall_ms() + 10);
  f.cmd.del("user_sessions:a");  // leaves the session's link behind
  f.advance(11);
  f.cmd.sadd("user_sessions:a", "x");
  CHECK(f.ids("a") == Ids{"x"});
  f.advance(16);
  f.turn();
  CHECK(f.ids("a") == Ids{"x"});
  f.cmd.set("session:x", "the next one");
  f.cmd.del("session:x");
  CHECK_FALSE(f.has_set("a"));
}

TEST_CASE("An import of sets before their sessions loses none of them, and costs little") {
  KeyspaceOptions options = Fixture::default_options();
  options.shards = 1;
  Index f(options);
  constexpr size_t kIds = 100'000;
  const size_t before = f.keyspace.memory_bytes();
  const auto id = [](size_t i) {
    std::string digits = std::to_string(i);
    return std::string(32 - digits.size(), '0') + digits;
  };
  for (size_t i = 0; i < kIds; ++i) f.cmd.sadd("user_sessions:" + std::to_string(i / 50), id(i));
  const size_t sets = kIds / 50 * (Arena::block_bytes(12 + 4 + 4 + 50 * 16) + 16);
  CHECK(f.keyspace.memory_bytes() - before - sets < kIds * 80);
  f.advance(59'000);
  f.turn(64);
  CHECK(f.pending() == kIds);
  for (size_t i = 0; i < kIds; ++i) f.cmd.set("session:" + id(i), "v");
  CHECK(f.pending() == 0);
  f.advance(2'000);
  f.turn(64);
  size_t members = 0;
  for (size_t i = 0; i < kIds / 50; ++i) members += f.ids(std::to_string(i)).size();
  CHECK(members == kIds);
}

TEST_CASE("Waiting ids go with their set, however it goes") {
  const std::string set = "user_sessions:a";
  const Gone ways[] = {
      {"deleted", [&](Index& f) { CHECK(f.cmd.del(set)); }},
      {"overwritten", [&](Index& f) { f.cmd.set(set, "text"); }},
      {"expired",
       [&](Index& f) {
         CHECK(f.cmd.expire_at(set, f.access.now_ms() + 10));
         f.advance(10 + 17);
       }},
      {"renamed", [&](Index& f) { CHECK(f.cmd.rename(set, "elsewhere")); }},
      {"renamed onto", [&](Index& f) { CHECK(f.cmd.rename("shelf", set)); }},
      {"moved",
       [&](Index& f) {
         CHECK(f.cmd.move(set, 3));
         f.access.select(3);
         CHECK(f.cmd.del(set));
         f.access.select(0);
       }},
      {"flushed", [&](Index& f) { f.cmd.flush_db(); }},
      {"replaced by another set", [&](Index& f) { CHECK(f.cmd.store(set, "shelf")); }},
  };
  for (const Gone& way : ways) {
    for (const int ids : {3, 100, 3000}) {
      CAPTURE(way.how);
      CAPTURE(ids);
      Index f;
      const size_t none = f.keyspace.memory_bytes();
      f.cmd.sadd("shelf", "m");
      f.cmd.sadd("user_sessions:other", "id0");
      for (int i = 0; i < ids; ++i) f.cmd.sadd(set, "id" + std::to_string(i));
      CHECK(f.pending() == static_cast<size_t>(ids));
      way.go(f);
      f.turn(16);
      const bool flushed = f.cmd.members("user_sessions:other").empty();
      CHECK(f.pending() <= (flushed ? 0u : 2u));  // id0, and m where the shelf stands now
      f.cmd.flush_all();
      f.advance(60'100);
      f.turn();
      CHECK(f.pending() == 0);
      CHECK(f.keyspace.memory_bytes() <= none + 64);
    }
  }
}

TEST_CASE("An id that waits for a set anew is not forgotten with the set that was there before") {
  Index f;
  for (int i = 0; i < 1000; ++i) f.cmd.sadd("user_sessions:a", "id" + std::to_string(i));
  CHECK(f.cmd.del("user_sessions:a"));
  f.cmd.sadd("user_sessions:a", "id7");
  f.turn(16);
  CHECK(f.pending() == 1);
  f.cmd.set("session:id7", "v");
  CHECK(f.links("id7") == 1);
  f.cmd.del("session:id7");
  CHECK_FALSE(f.has_set("a"));
}

TEST_CASE(
    "The wait is what the setting was when the id came: a lower one waits for nobody, the longest for ever") {
  Index f;
  f.keyspace.settings().pending_ms = INT64_MAX;
  f.cmd.sadd("user_sessions:a", "x");
  f.keyspace.settings().pending_ms = 100;
  f.cmd.sadd("user_sessions:b", "y");
  f.advance(100 + 17);
  f.turn();
  CHECK(f.ids("a") == Ids{"x"});
  CHECK_FALSE(f.has_set("b"));
}

TEST_CASE(
    "A session in very many sets: links are added, taken over and dropped without looking at all of them") {
  Index f;
  constexpr int kSets = 5000;
  for (int i = 0; i < kSets; ++i) f.cmd.sadd("user_sessions:" + std::to_string(i), "x");
  f.cmd.set("session:x", "v");
  CHECK(f.links("x") == kSets);
  for (int i = 0; i < kSets; i += 2) CHECK(f.cmd.srem("user_sessions:" + std::to_string(i), "x"));
  CHECK(f.links("x") == kSets / 2);
  f.cmd.del("session:x");
  for (int i = 1; i < kSets; i += 2) CHECK_FALSE(f.has_set(std::to_string(i)));
}

}  // namespace cloakroom::storage::test
