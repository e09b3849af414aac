#include "storage/keyspace/wall_step.h"

#include <doctest/doctest.h>

#include <string>

#include "storage/keyspace/access_clock.h"
#include "storage/keyspace/expiry.h"
#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage {
namespace {

using test::Commands;
using test::Fixture;

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;

struct Stepping : Fixture {
  void turns() {
    for (Shard* shard : keyspace.shards()) {
      while (expiry_turn(access, *shard, 100) == ExpiryTurn::kMore) {
      }
    }
  }
  size_t keys() { return names(0).size(); }
  int64_t now() const { return keyspace.now().wall_ms; }

  Commands cmd{access};
};

}  // namespace

TEST_CASE("until it is followed, a step of the wall clock changes nothing") {
  for (const int64_t step_ms : {-kHourMs, kHourMs}) {
    Stepping f;
    f.cmd.set("k", "v", f.now() + 1000);
    f.clock.step_wall(step_ms);
    f.advance(1000);
    CHECK(f.cmd.exists("k"));
    f.advance(1);
    CHECK_FALSE(f.cmd.exists("k"));
  }
}

TEST_CASE("small deviations of the wall clock are no steps") {
  Stepping f;
  f.clock.step_wall(16);
  CHECK(follow_wall_clock(f.access) == 0);
  f.clock.step_wall(1);
  CHECK(follow_wall_clock(f.access) == 17);
  CHECK(f.now() == f.clock.wall_ms());
  f.clock.step_wall(-17);
  CHECK(follow_wall_clock(f.access) == -17);
  CHECK(f.now() == f.clock.wall_ms());
}

TEST_CASE(
    "when the wall clock steps back, what is set afterwards expires on time and old deadlines are kept") {
  for (const int64_t step_ms : {kHourMs, 30 * kDayMs, 390 * kDayMs}) {
    CAPTURE(step_ms);
    Stepping f;
    const int64_t old_deadline = f.now() + 1000;
    f.cmd.set("session:old", "v", old_deadline);
    f.cmd.sadd("user_sessions:u", "old");
    f.step_wall(-step_ms);
    f.cmd.set("session:new", "v", f.now() + 500);
    f.cmd.sadd("user_sessions:u", "new");
    f.advance(517);
    f.turns();
    CHECK(f.keys() == 2);
    CHECK(f.cmd.members("user_sessions:u") == std::set<std::string>{"old"});
    CHECK(f.cmd.exists("session:old"));
    f.advance(old_deadline - f.now());
    f.turns();
    CHECK(f.cmd.exists("session:old"));
    f.advance(17);
    f.turns();
    CHECK(f.keys() == 0);
  }
}

TEST_CASE("when the wall clock steps forward, what is due goes and the rest goes on time") {
  for (const int64_t step_ms : {2 * kHourMs, 300 * kDayMs, 398 * kDayMs, 1000 * kDayMs, 40'000 * kDayMs}) {
    CAPTURE(step_ms);
    Stepping f;
    f.cmd.set("past", "v", f.now() + step_ms - 1);
    f.cmd.set("soon", "v", f.now() + step_ms + 100);
    f.cmd.set("later", "v", f.now() + step_ms + 50 * kDayMs);
    f.step_wall(step_ms);
    CHECK_FALSE(f.cmd.exists("past"));
    f.advance(17);
    f.turns();
    CHECK(f.keys() == 2);
    f.cmd.set("fresh", "v", f.now() + 50);
    f.advance(67);
    f.turns();
    CHECK(f.keys() == 2);
    f.advance(50);
    f.turns();
    CHECK(f.keys() == 1);
    f.advance(50 * kDayMs);
    f.turns();
    CHECK(f.keys() == 0);
  }
}

TEST_CASE("what was seen expired before the wall clock stepped back does not come back") {
  Stepping f;
  f.cmd.set("session:s", "v", f.now() + 100);
  f.cmd.sadd("user_sessions:u", "s");
  f.advance(101);
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, true);  // it is seen, and stays
  REQUIRE_FALSE(f.cmd.exists("session:s"));
  f.keyspace.forbid_ending(Keyspace::kPauseForbids, false);
  f.recorded();
  f.step_wall(-kHourMs);
  const std::vector<std::string> gone = {"expired session:s", "srem user_sessions:u", "del user_sessions:u"};
  CHECK(f.recorder.take_events() == gone);
  CHECK_FALSE(f.cmd.exists("session:s"));
  CHECK(f.keys() == 0);
}

TEST_CASE("ids wait for their sessions as long as ever, however the wall clock steps") {
  for (const int64_t step_ms : {-kDayMs, kDayMs}) {
    Stepping f;
    f.keyspace.settings().pending_ms = 1000;
    f.cmd.sadd("user_sessions:u", "waits");
    f.step_wall(step_ms);
    f.advance(900);
    f.turns();
    CHECK(f.cmd.members("user_sessions:u").size() == 1);
    f.advance(200);
    f.turns();
    CHECK(f.cmd.members("user_sessions:u").empty());
  }
}

TEST_CASE("idle times do not jump with the wall clock") {
  Stepping f;
  f.cmd.set("k", "v");
  f.step_wall(-kDayMs);
  f.advance(5000);
  const auto idle = f.with(
      "k", [&](const KeyRef& key) { return idle_ms(f.access.peek(key)->access(), f.access.steady_ms()); });
  CHECK(idle == 5000);
}

TEST_CASE("who takes a guard takes over what its shard has seen: nothing that was seen expired lives on") {
  Stepping f;
  Access late(f.keyspace);
  Commands other(late);
  f.cmd.set("session:s", "v", f.now() + 100);
  late.read_clock();  // and then waits for the guard
  f.advance(101);
  REQUIRE_FALSE(f.cmd.exists("session:s"));
  CHECK_FALSE(other.exists("session:s"));
  CHECK_FALSE(other.expire_at("session:s", f.now() + kHourMs));
  CHECK_FALSE(other.persist("session:s"));
  CHECK_FALSE(other.rename("session:s", "session:t"));
  CHECK(late.now_ms() == f.access.now_ms());
}

TEST_CASE("a clock read before a step is not carried into the shards after it") {
  Stepping f;
  Access late(f.keyspace);
  Commands other(late);
  late.read_clock();
  f.step_wall(-kHourMs);
  CHECK_FALSE(other.exists("k"));  // takes a guard
  CHECK(late.now_ms() == f.now());
  f.cmd.set("k", "v", f.now() + 100);
  f.advance(101);
  CHECK_FALSE(f.cmd.exists("k"));
  late.read_clock();
  CHECK_FALSE(other.exists("k"));
}

}  // namespace cloakroom::storage
