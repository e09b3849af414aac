#include <doctest/doctest.h>

#include "tests/server/steps.h"

namespace cloakroom::server::test {

// As seen on redis-server 7.0.15 with notify-keyspace-events KEAmn.
TEST_CASE("replies and keyspace events of the set commands") {
  CommandFixture f;
  check_steps(
      f, {
             {"SADD s a b c", ":3\r\n", {"new s", "sadd s"}},
             {"SADD s c d", ":1\r\n", {"sadd s"}},
             {"SCARD s", ":4\r\n", {}},
             {"SISMEMBER s a", ":1\r\n", {}},
             {"SMISMEMBER s a x", "*2\r\n:1\r\n:0\r\n", {}},
             {"SREM s a x", ":1\r\n", {"srem s"}},
             {"SMOVE s t b", ":1\r\n", {"srem s", "new t", "sadd t"}},
             {"SMOVE s t none", ":0\r\n", {}},
             {"SMOVE s t c", ":1\r\n", {"srem s", "sadd t"}},
             {"SCARD t", ":2\r\n", {}},
             {"SREM s d", ":1\r\n", {"srem s", "del s"}},
             {"EXISTS s", ":0\r\n", {"keymiss s"}},
             {"SADD i 1 2 3", ":3\r\n", {"new i", "sadd i"}},
             {"OBJECT ENCODING i", "$6\r\nintset\r\n", {}},
             {"SADD i x", ":1\r\n", {"sadd i"}},
             {"OBJECT ENCODING i", "$9\r\nhashtable\r\n", {}},
             {"SUNIONSTORE u t i", ":6\r\n", {"new u", "sunionstore u"}},
             {"SCARD u", ":6\r\n", {}},
             {"SINTERSTORE u t none", ":0\r\n", {"keymiss none", "del u"}},
             {"EXISTS u", ":0\r\n", {"keymiss u"}},
             {"SDIFFSTORE u t i", ":2\r\n", {"new u", "sdiffstore u"}},
             {"SINTERCARD 2 t i", ":0\r\n", {}},
             {"SPOP none", "$-1\r\n", {}},
             {"SADD one 1", ":1\r\n", {"new one", "sadd one"}},
             {"SPOP one", "$1\r\n1\r\n", {"spop one", "del one"}},
             {"EXISTS one", ":0\r\n", {"keymiss one"}},
             {"SET k v", "+OK\r\n", {"new k", "set k"}},
             {"SADD k a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", {}},
             {"SISMEMBER k a", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", {}},
             {"SREM none a", ":0\r\n", {}},
             {"SADD s a", ":1\r\n", {"new s", "sadd s"}},
             {"EXPIRE s 100", ":1\r\n", {"expire s"}},
             {"SADD s b", ":1\r\n", {"sadd s"}},
             {"TTL s", ":100\r\n", {}},
         });
}

TEST_CASE("a set stored over a user's set: ids without a session wait, and leave") {
  CommandFixture f;
  f.run({"SET", "session:1", "a"});
  f.run({"SADD", "ids", "1", "2"});
  CHECK(f.run({"SUNIONSTORE", "user_sessions:u", "ids"}) == ":2\r\n");
  f.run({"DEL", "session:1"});
  CHECK(f.run({"SMEMBERS", "user_sessions:u"}) == "*1\r\n$1\r\n2\r\n");
  f.advance(201);  // session-index-pending-ms is 200 here
  f.expire_due();
  f.advance(16);
  f.expire_due();
  CHECK(f.run({"EXISTS", "user_sessions:u"}) == ":0\r\n");
  CHECK(f.run({"SCARD", "ids"}) == ":2\r\n");
}

}  // namespace cloakroom::server::test
