#include <doctest/doctest.h>

#include "tests/server/steps.h"

namespace cloakroom::server::test {

// As seen on redis-server 7.0.15 with notify-keyspace-events KEAmn.
TEST_CASE("replies and keyspace events of the hash commands") {
  CommandFixture f;
  check_steps(
      f, {
             {"HSET h f 1 g 2", ":2\r\n", {"new h", "hset h"}},
             {"HSET h f 3 n 4", ":1\r\n", {"hset h"}},
             {"HGET h f", "$1\r\n3\r\n", {}},
             {"HGET h none", "$-1\r\n", {}},
             {"HGET none f", "$-1\r\n", {"keymiss none"}},
             {"HMSET h a b", "+OK\r\n", {"hset h"}},
             {"HMGET h f none a", "*3\r\n$1\r\n3\r\n$-1\r\n$1\r\nb\r\n", {}},
             {"HSETNX h f 9", ":0\r\n", {}},
             {"HSETNX h z 9", ":1\r\n", {"hset h"}},
             {"HINCRBY h f 4", ":7\r\n", {"hincrby h"}},
             {"HINCRBYFLOAT h f 0.5", "$3\r\n7.5\r\n", {"hincrbyfloat h"}},
             {"HINCRBY h a 1", "-ERR hash value is not an integer\r\n", {}},
             {"HLEN h", ":5\r\n", {}},
             {"HSTRLEN h f", ":3\r\n", {}},
             {"HEXISTS h f", ":1\r\n", {}},
             {"HEXISTS none f", ":0\r\n", {"keymiss none"}},
             {"HDEL h f none", ":1\r\n", {"hdel h"}},
             {"HDEL h g n a z", ":4\r\n", {"hdel h", "del h"}},
             {"HLEN h", ":0\r\n", {"keymiss h"}},
             {"TYPE h", "+none\r\n", {"keymiss h"}},
             {"SET s v", "+OK\r\n", {"new s", "set s"}},
             {"HSET s f v", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", {}},
             {"HGET s f", "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", {}},
             {"HDEL none f", ":0\r\n", {}},
             {"HSET h f v", ":1\r\n", {"new h", "hset h"}},
             {"EXPIRE h 100", ":1\r\n", {"expire h"}},
             {"HSET h f w", ":0\r\n", {"hset h"}},
             {"TTL h", ":100\r\n", {}},
             {"HDEL h f", ":1\r\n", {"hdel h", "del h"}},
         });
}

TEST_CASE("a session that is a hash leaves its sets with its last field") {
  CommandFixture f;
  f.run({"HSET", "session:1", "a", "1", "b", "2"});
  f.run({"SADD", "user_sessions:u", "1"});
  f.run({"HDEL", "session:1", "a"});
  CHECK(f.run({"SISMEMBER", "user_sessions:u", "1"}) == ":1\r\n");
  f.take_effects();
  CHECK(f.run({"HDEL", "session:1", "b"}) == ":1\r\n");
  CHECK(f.run({"EXISTS", "user_sessions:u"}) == ":0\r\n");
  CHECK(f.take_effects().size() == 4);  // HDEL, DEL of the session, SREM, DEL of the set
}

}  // namespace cloakroom::server::test
