#include <doctest/doctest.h>

#include <string>

#include "tests/server/command_fixture.h"

namespace cloakroom::server::test {

// 2^32 and more of what is kept in 32 bits; the sums they go into.
TEST_CASE("very large settings are large ones") {
  CommandFixture f;
  const auto set = [&](const std::string& name, const std::string& value) {
    REQUIRE(f.run({"CONFIG", "SET", name, value}) == "+OK\r\n");
  };
  for (const std::string large : {"4294967296", "4294967297", "9223372036854775807"}) {
    CAPTURE(large);
    for (const std::string name :
         {"hash-max-listpack-entries", "hash-max-listpack-value", "set-max-intset-entries"}) {
      set(name, large);
    }
    f.run({"FLUSHALL"});
    CHECK(f.run({"HSET", "h", "a", std::string(100, 'x'), "b", "2"}) == ":2\r\n");
    CHECK(f.run({"OBJECT", "ENCODING", "h"}) == "$8\r\nlistpack\r\n");
    CHECK(f.run({"SADD", "s", "1", "2", "3"}) == ":3\r\n");
    CHECK(f.run({"OBJECT", "ENCODING", "s"}) == "$6\r\nintset\r\n");
  }
  const std::string id = "0123456789abcdef0123456789abcdef";
  for (const std::string large : {"1000", "9223372036854775807"}) {
    set("session-index-pending-ms", large);
    f.run({"DEL", "user_sessions:1"});
    CHECK(f.run({"SADD", "user_sessions:1", id}) == ":1\r\n");
    f.advance(500);
    f.expire_due();
    CHECK(f.run({"SCARD", "user_sessions:1"}) == ":1\r\n");
  }
  set("latency-monitor-threshold", "9223372036854775807");
  set("slowlog-max-len", "9223372036854775807");
  set("lfu-decay-time", "2147483647");
  set("lfu-log-factor", "2147483647");
  set("maxmemory-policy", "allkeys-lfu");
  CHECK(f.run({"GET", "h2"}) == "$-1\r\n");
  CHECK(f.run({"HGET", "h", "b"}) == "$1\r\n2\r\n");
}

}  // namespace cloakroom::server::test
