#include "storage/keyspace/session_index.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/storage/keyspace/index_fixture.h"

namespace cloakroom::storage::test {
namespace {

struct Way {
  const char* name;
  EndCause cause;
  std::vector<std::string> first;  // effects up to the removals; %: the id
  std::function<void(Index&, const std::string&)> end;
};

std::vector<Way> ways_to_end() {
  return {
      {"deleted",
       EndCause::kDeleted,
       {"[", "0 DEL session:%"},
       [](Index& f, const std::string& id) { CHECK(f.cmd.del("session:" + id)); }},
      {"evicted",
       EndCause::kEvicted,
       {"[", "0 DEL session:%"},
       [](Index& f, const std::string& id) { f.end(id, EndCause::kEvicted); }},
      {"expiry turn",
       EndCause::kExpired,
       {"[", "0 DEL session:%"},
       [](Index& f, const std::string&) {
         f.advance(1000 + 16);
         f.turn();
       }},
      {"found expired by a write",
       EndCause::kExpired,
       {"[", "0 DEL session:%"},
       [](Index& f, const std::string& id) {
         f.advance(1001);
         CHECK_FALSE(f.cmd.persist("session:" + id));
       }},
      {"found expired by a reader of a set",
       EndCause::kExpired,
       {"[", "0 DEL session:%"},
       [](Index& f, const std::string&) {
         f.advance(1001);
         CHECK(f.ids("b") == Ids{"other"});
       }},
      {"EXPIRE in the past",
       EndCause::kDeleted,
       {"[", "0 DEL session:%"},
       [](Index& f, const std::string& id) { CHECK(f.cmd.expire_at("session:" + id, f.access.now_ms())); }},
      {"renamed away",
       EndCause::kReplaced,
       {"["},
       [](Index& f, const std::string& id) { CHECK(f.cmd.rename("session:" + id, "plain")); }},
      {"renamed onto by a set",
       EndCause::kReplaced,
       {"["},
       [](Index& f, const std::string& id) { CHECK(f.cmd.rename("shelf", "session:" + id)); }},
      {"moved to another database",
       EndCause::kReplaced,
       {"["},
       [](Index& f, const std::string& id) { CHECK(f.cmd.move("session:" + id, 3)); }},
      {"overwritten by a stored set",
       EndCause::kReplaced,
       {"["},
       [](Index& f, const std::string& id) { CHECK(f.cmd.store("session:" + id, "shelf")); }},
  };
}

void check_end(const Way& way, const std::string& id) {
  Index f;
  f.cmd.sadd("shelf", "m");
  f.login("other", {"b"});
  f.login(id, {"a", "b", "c"}, f.clock.wall_ms() + 1000);
  const uint64_t before = f.ended(way.cause);
  way.end(f, id);
  const std::vector<std::string> journal = f.journal.take();
  size_t at = 0;
  for (std::string line : way.first) {
    if (const size_t hole = line.find('%'); hole != std::string::npos) line.replace(hole, 1, id);
    REQUIRE(at < journal.size());
    CHECK(journal[at++] == line);
  }
  const std::vector<std::string> rest(journal.begin() + static_cast<std::ptrdiff_t>(at), journal.end());
  CHECK(std::count(rest.begin(), rest.end(), "]") == 1);
  CHECK(rest.back() == "]");
  for (const std::string user : {"a", "b", "c"}) {
    std::string removal = "0 SREM user_sessions:";
    removal.append(user).append(" ").append(id);
    CHECK(std::count(rest.begin(), rest.end(), removal) == 1);
  }
  CHECK(f.ended(way.cause) == before + 1);
  CHECK_FALSE(f.has_set("a"));
  CHECK_FALSE(f.has_set("c"));
  CHECK(f.ids("b") == Ids{"other"});
  CHECK(f.pending() == 0);
}

}  // namespace

TEST_CASE("However a session is ended, its id leaves all its sets in one group, the session first") {
  for (const Way& way : ways_to_end()) {
    for (const std::string& id : kIdForms) {
      CAPTURE(way.name);
      CAPTURE(id);
      check_end(way, id);
    }
  }
}

TEST_CASE("Commands that leave a session a session leave its sets alone") {
  Index f;
  f.login("x", {"a", "b"}, f.clock.wall_ms() + 1000);
  f.cmd.set("session:x", "longer than before, so that the entry moves to another block of the arena");
  f.cmd.set("session:x", std::string(5000, 'x'), f.clock.wall_ms() + 500);
  f.cmd.expire_at("session:x", int64_t{1} << 50);
  f.cmd.persist("session:x");
  CHECK(f.links("x") == 2);
  f.cmd.set("hash-to-be", "1");
  f.cmd.del("hash-to-be");
  f.cmd.hset("hash-to-be", "f", "v");
  CHECK(f.cmd.rename("hash-to-be", "session:x"));  // a string replaced by a hash is still the session
  CHECK(f.links("x") == 2);
  f.advance(5000);
  f.turn();
  CHECK(f.ids("a") == Ids{"x"});
  CHECK(f.cmd.del("session:x"));
  CHECK_FALSE(f.has_set("a"));
  CHECK_FALSE(f.has_set("b"));
}

TEST_CASE("RENAME of one session over another ends the first and leaves the second its links") {
  Index f;
  f.login("x", {"a"});
  f.login("y", {"b"});
  CHECK(f.cmd.rename("session:x", "session:y"));
  CHECK_FALSE(f.has_set("a"));
  CHECK(f.ids("b") == Ids{"y"});
  f.cmd.del("session:y");
  CHECK_FALSE(f.has_set("b"));
}

TEST_CASE("At the millisecond after a deadline no reader of a set sees the id, without any turn of expiry") {
  for (const std::string& id : kIdForms) {
    CAPTURE(id);
    Index f;
    const int64_t deadline = f.clock.wall_ms() + 40'000;
    f.login(id, {"a", "b"}, deadline);
    f.login("stays", {"b"});
    f.advance(40'000);
    CHECK(f.ids("a") == Ids{id});
    f.advance(1);
    CHECK(f.ids("b") == Ids{"stays"});
    CHECK_FALSE(f.has_set("a"));  // went with it, unread
    CHECK(f.journal.take().front() == "[");
  }
}

TEST_CASE("A deadline that was brought forward, put off or taken away is the one that counts") {
  Index f;
  const int64_t now = f.clock.wall_ms();
  f.login("sooner", {"u"}, now + 100'000);
  f.login("later", {"u"}, now + 1000);
  f.login("never", {"u"}, now + 1000);
  f.cmd.expire_at("session:sooner", now + 500);
  f.cmd.expire_at("session:later", now + 5000);
  f.cmd.persist("session:never");
  f.advance(501);
  CHECK(f.ids("u") == Ids{"later", "never"});
  f.advance(4499);
  CHECK(f.ids("u") == Ids{"later", "never"});
  f.advance(1);
  CHECK(f.ids("u") == Ids{"never"});
}

TEST_CASE("A set that went first does not hold its sessions back") {
  Index f;
  f.login("x", {"a", "b"});
  CHECK(f.cmd.del("user_sessions:a"));
  CHECK(f.cmd.expire_at("user_sessions:b", f.clock.wall_ms() + 10));
  f.advance(11);
  CHECK(f.cmd.exists("session:x"));
  f.journal.take();
  CHECK(f.cmd.del("session:x"));  // b stands there expired
  for (const std::string& line : f.journal.take()) CHECK(line.find("SREM") == std::string::npos);
  f.advance(16);
  f.turn();
  CHECK_FALSE(f.has_set("a"));
  CHECK_FALSE(f.has_set("b"));
  CHECK(f.value_bytes() == 0);
}

TEST_CASE("Set and session go together when they stand in one bucket, the set with a deadline or without") {
  KeyspaceOptions options = Fixture::default_options();
  options.shards = 1;
  Index f(options);
  for (int round = 0; round < 200; ++round) {
    const int64_t deadline = f.clock.wall_ms() + 100;
    for (int user = 0; user < 6; ++user) {
      const std::string name = std::to_string(round) + "-" + std::to_string(user);
      f.login(name, {name}, deadline);
      if (user % 2 == 0) f.cmd.expire_at("user_sessions:" + name, deadline + user * 10);
    }
    f.advance(120);
    f.turn();
    f.advance(60);
    f.turn();
    REQUIRE(f.value_bytes() == 0);
    REQUIRE(f.keyspace.shard(0).counts.user_sets == 0);
    REQUIRE(f.keyspace.shard(0).counts.sessions == 0);
    REQUIRE(f.keyspace.shard(0).tables[0]->volatile_size() == 0);
    REQUIRE(f.keyspace.shard(0).tables[0]->size() == 0);
  }
}

TEST_CASE("Ids removed from a set are no longer linked; stale links do no harm and are pruned") {
  Index f;
  f.login("x", {"a", "b", "c"});
  CHECK(f.cmd.srem("user_sessions:b", "x"));
  CHECK(f.links("x") == 2);
  // DEL of a set and SPOP leave the link: the session's guard is not at hand.
  for (int i = 0; i < 100; ++i) {
    const std::string user = "gone" + std::to_string(i);
    f.cmd.sadd("user_sessions:" + user, "x");
    f.cmd.del("user_sessions:" + user);
  }
  CHECK(f.links("x") < 30);
  CHECK(f.links("x") >= 2);
  f.journal.take();
  CHECK(f.cmd.del("session:x"));
  CHECK(f.journal.take() == std::vector<std::string>{"[", "0 DEL session:x", "0 SREM user_sessions:a x",
                                                     "0 DEL user_sessions:a", "0 SREM user_sessions:c x",
                                                     "0 DEL user_sessions:c", "]"});
}

TEST_CASE("Renaming, copying and storing sets carries the links along") {
  Index f;
  f.login("x", {"a"});
  CHECK(f.cmd.rename("user_sessions:a", "user_sessions:b"));
  CHECK(f.cmd.copy("user_sessions:b", 0, "user_sessions:c"));
  CHECK(f.cmd.store("user_sessions:d", "user_sessions:b"));
  CHECK(f.cmd.rename("user_sessions:b", "elsewhere"));  // an ordinary set now
  CHECK(f.cmd.del("session:x"));
  CHECK(f.cmd.members("elsewhere") == Ids{"x"});
  for (const std::string user : {"a", "b", "c", "d"}) CHECK_FALSE(f.has_set(user));
}

TEST_CASE("A key of another type under the session pattern is no session") {
  Index f;
  f.cmd.sadd("session:x", "m");
  f.cmd.sadd("user_sessions:a", "x");
  CHECK(f.pending() == 1);
  f.cmd.set("session:x", "now one");
  CHECK(f.pending() == 0);
  CHECK(f.ended(EndCause::kDeleted) == 0);
  f.cmd.del("session:x");
  CHECK(f.ended(EndCause::kDeleted) == 1);
  CHECK_FALSE(f.has_set("a"));
}

TEST_CASE("Databases have indexes of their own; SWAPDB takes them along") {
  Index f;
  f.login("x", {"a"});
  f.access.select(5);
  f.login("x", {"a"});
  f.cmd.sadd("user_sessions:a", "waits");
  f.access.select(0);
  f.cmd.del("session:x");
  CHECK_FALSE(f.has_set("a"));
  f.cmd.swap_dbs(0, 5);
  CHECK(f.ids("a") == Ids{"waits", "x"});
  f.cmd.del("session:x");
  f.cmd.set("session:waits", "v");
  CHECK(f.ids("a") == Ids{"waits"});
  f.cmd.del("session:waits");
  CHECK_FALSE(f.has_set("a"));
  CHECK(f.pending() == 0);
}

TEST_CASE("Flushing forgets sessions, links and waiting ids") {
  Index f;
  f.login("x", {"a", "b"});
  f.cmd.sadd("user_sessions:b", "waits");
  f.cmd.flush_db();
  CHECK(f.pending() == 0);
  f.cmd.sadd("user_sessions:a", "other");
  f.cmd.set("session:x", "v");
  f.cmd.del("session:x");
  CHECK(f.ids("a") == Ids{"other"});
  f.turn();
  CHECK(f.ended(EndCause::kFlushed) == 1);
}

TEST_CASE("With the index off, sets keep what they were given") {
  KeyspaceOptions options = Fixture::default_options();
  options.session_index = false;
  Index f(options);
  f.cmd.set("session:x", "v");
  f.cmd.sadd("user_sessions:a", "x");
  f.cmd.del("session:x");
  f.advance(100'000);
  f.turn();
  CHECK(f.ids("a") == Ids{"x"});
  CHECK(f.pending() == 0);
}

TEST_CASE("Ending a session marks the watchers of its sets") {
  Index f;
  f.login("x", {"a"}, f.clock.wall_ms() + 100);
  Watcher watcher;
  f.with("user_sessions:a", [&](const KeyRef& ref) { f.access.watch(ref, watcher); });
  f.advance(200);
  CHECK_FALSE(watcher.dirty);
  f.turn();
  CHECK(watcher.dirty);
  f.with("user_sessions:a", [&](const KeyRef& ref) { f.access.unwatch(0, ref, watcher); });
}

}  // namespace cloakroom::storage::test
