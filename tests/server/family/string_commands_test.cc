#include <doctest/doctest.h>

#include <random>

#include "tests/server/command_fixture.h"
#include "tests/server/steps.h"

namespace cloakroom::server::test {
namespace {

using Lines = std::vector<std::string>;

const std::string kNull = "$-1\r\n";
const std::string kOk = "+OK\r\n";

}  // namespace

// As seen on redis-server 7.0.15 with notify-keyspace-events KEAmn.
TEST_CASE("replies and keyspace events of the string commands") {
  CommandFixture f;
  const std::vector<Step> steps = {
      {"SET k v", kOk, {"new k", "set k"}},
      {"SET k v EX 100", kOk, {"set k", "expire k"}},
      {"SET k v KEEPTTL", kOk, {"set k"}},
      {"PTTL k", ":100000\r\n", {}},
      {"SET k w GET", "$1\r\nv\r\n", {"set k"}},
      {"PTTL k", ":-1\r\n", {}},
      {"SET k w NX", kNull, {}},
      {"SET none w XX", kNull, {}},
      {"SET none w XX GET", kNull, {"keymiss none"}},
      {"GETEX k EX 100", "$1\r\nw\r\n", {"expire k"}},
      {"GETEX k PERSIST", "$1\r\nw\r\n", {"persist k"}},
      {"GETEX k PERSIST", "$1\r\nw\r\n", {}},
      {"GETEX k EXAT 1", "$1\r\nw\r\n", {"del k"}},
      {"GETEX none EX 1", kNull, {"keymiss none"}},
      {"SETEX k 10 v", kOk, {"new k", "set k", "expire k"}},
      {"PSETEX k 10000 v", kOk, {"set k", "expire k"}},
      {"SETNX k v", ":0\r\n", {}},
      {"SETNX n v", ":1\r\n", {"new n", "set n"}},
      {"GETSET k x", "$1\r\nv\r\n", {"set k"}},
      {"GETDEL k", "$1\r\nx\r\n", {"del k"}},
      {"GETDEL k", kNull, {"keymiss k"}},
      {"MSET a 1 b 2", kOk, {"new a", "set a", "new b", "set b"}},
      {"MSETNX a 1 c 2", ":0\r\n", {}},
      {"MSETNX c 1 d 2", ":1\r\n", {"new c", "set c", "new d", "set d"}},
      {"INCR a", ":2\r\n", {"incrby a"}},
      {"DECRBY a 3", ":-1\r\n", {"incrby a"}},
      {"INCRBYFLOAT a 0.5", "$4\r\n-0.5\r\n", {"incrbyfloat a"}},
      {"APPEND a x", ":5\r\n", {"append a"}},
      {"APPEND fresh x", ":1\r\n", {"new fresh", "append fresh"}},
      {"SETRANGE a 1 zz", ":5\r\n", {"setrange a"}},
      {"SETRANGE zz 2 a", ":3\r\n", {"new zz", "setrange zz"}},
      {"SETRANGE a 1 ''", ":5\r\n", {}},
      {"SETRANGE no 1 ''", ":0\r\n", {}},
      {"STRLEN no", ":0\r\n", {"keymiss no"}},
      {"GETRANGE no 0 1", "$0\r\n\r\n", {"keymiss no"}},
      {"MGET no a", "*2\r\n$-1\r\n$5\r\n-zz5x\r\n", {"keymiss no"}},
      {"LCS a no", "$0\r\n\r\n", {"keymiss no"}},
      {"SADD s m", ":1\r\n", {"new s", "sadd s"}},
      {"SET s v GET", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", {}},
      {"GETEX s EX 0", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", {}},
      {"GETEX a EX 0", "-ERR invalid expire time in 'getex' command\r\n", {}},
      {"GETEX no EX 0", kNull, {"keymiss no"}},
      {"SET s v EX 9223372036854776", "-ERR invalid expire time in 'set' command\r\n", {}},
      {"SET s v EX 5 PX 5", "-ERR syntax error\r\n", {}},
      {"SET s v EX 5 ex 6", kOk, {"set s", "expire s"}},
      {"PTTL s", ":6000\r\n", {}},
      {"MSET a", "-ERR wrong number of arguments for 'mset' command\r\n", {}},
  };
  check_steps(f, steps);
}

TEST_CASE("a deadline in the past: SET's key is gone at once, GETEX deletes; a session leaves its sets") {
  CommandFixture f;
  f.run({"SET", "session:1", "a"});
  f.run({"SADD", "user_sessions:u", "1"});
  CHECK(f.run({"SET", "session:1", "b", "PXAT", "1"}) == kOk);
  CHECK(f.run({"GET", "session:1"}) == kNull);
  f.expire_due();
  CHECK(f.run({"EXISTS", "user_sessions:u"}) == ":0\r\n");

  f.run({"SET", "session:2", "a"});
  f.run({"SADD", "user_sessions:u", "2"});
  f.take_events();
  CHECK(f.run({"GETEX", "session:2", "PXAT", "1700000000000"}) == "$1\r\na\r\n");  // now is past
  CHECK(f.take_events() == Lines{"0 del session:2", "0 srem user_sessions:u", "0 del user_sessions:u"});
}

namespace {

std::string random_value(std::mt19937& random) {
  static constexpr size_t kSizes[] = {0, 1, 10, 44, 45, 1960, 1961, 5000};
  if (random() % 3 == 0) return std::to_string(random() % 1000);
  return std::string(kSizes[random() % std::size(kSizes)], static_cast<char>('a' + random() % 26));
}

Words random_command(std::mt19937& random) {
  const auto key = [&] { return "k" + std::to_string(random() % 8); };
  switch (random() % 13) {
    case 0:
      return {"SET", key(), random_value(random)};
    case 1:
      return {"SET", key(), random_value(random), "KEEPTTL"};
    case 2:
      return {"SET", key(), random_value(random), "PX", std::to_string(1 + random() % 300)};
    case 3:
      return {"MSET", key(), random_value(random), key(), random_value(random)};
    case 4:
      return {"INCRBY", key(), std::to_string(random() % 100)};
    case 5:
      return {"INCRBYFLOAT", key(), "1.25"};
    case 6:
      return {"APPEND", key(), random_value(random)};
    case 7:
      return {"SETRANGE", key(), std::to_string(random() % 2500), random_value(random)};
    case 8:
      return {"GETDEL", key()};
    case 9:
      return {"GETEX", key(), "PX", std::to_string(1 + random() % 300)};
    case 10:
      return {"GETEX", key(), random() % 2 == 0 ? "PERSIST" : "EXAT", "1"};
    case 11:
      return {"GETSET", key(), random_value(random)};
    default:
      return {"MSETNX", key(), random_value(random), key(), random_value(random)};
  }
}

}  // namespace

TEST_CASE("replaying the effects of string commands rebuilds values and deadlines") {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    CommandFixture original;
    CommandFixture replica;
    for (int i = 0; i < 1000; ++i) {
      Words command = random_command(random);
      if (command.size() == 4 && command[2] == "PERSIST") command.pop_back();
      original.run(command);
      for (const CommandFixture::Effect& effect : original.take_effects()) replica.run(effect.words);
      const auto ms = static_cast<int64_t>(random() % 20);
      original.advance(ms);
      replica.advance(ms);
      for (int k = 0; k < 8; ++k) {
        const std::string key = "k" + std::to_string(k);
        REQUIRE(original.run({"PEXPIRETIME", key}) == replica.run({"PEXPIRETIME", key}));
        REQUIRE(original.run({"GET", key}) == replica.run({"GET", key}));
      }
    }
  }
}

}  // namespace cloakroom::server::test
