// Handlers that make more than the keyspace holds stop when their reply has passed its limit, or is not read.
#include <doctest/doctest.h>

#include <string>

#include "tests/server/command_fixture.h"

namespace cloakroom::server::test {
namespace {

constexpr size_t kLimit = 10'000;
constexpr uint64_t kSeed = 20;
const std::string kMany = "-1000000000";

// How many random numbers a command has drawn: those that the seed gives before the next one.
uint64_t draws(CommandFixture& f, const Words& words, protocol::ReplyWriter& reply) {
  f.access.seed(kSeed);
  f.run(words, reply);
  const uint64_t next = f.access.random();
  f.access.seed(kSeed);
  uint64_t count = 0;
  while (f.access.random() != next) ++count;
  return count;
}

std::string member(int i) { return std::string(50, 'm') + std::to_string(i); }

void fill(CommandFixture& f) {
  Words hash = {"HSET", "hash"};
  for (int i = 0; i < 2000; ++i) {
    hash.push_back(member(i));
    hash.push_back("v");
    f.run({"SADD", "set", member(i)});
  }
  f.run(hash);
  f.run({"SADD", "ints", "1000", "1001"});
  f.run({"SADD", "flat", member(1), member(2)});
  f.run({"HSET", "small", member(1), "v", member(2), "w"});
}

}  // namespace

TEST_CASE("Members are drawn until the reply has passed its limit, and no further") {
  CommandFixture f;
  fill(f);
  for (const Words& words :
       {Words{"SRANDMEMBER", "set", kMany}, Words{"SRANDMEMBER", "ints", kMany},
        Words{"SRANDMEMBER", "flat", kMany}, Words{"HRANDFIELD", "hash", kMany},
        Words{"HRANDFIELD", "small", kMany, "WITHVALUES"}, Words{"HRANDFIELD", "hash", kMany, "WITHVALUES"},
        Words{"SRANDMEMBER", "set", "600"}, Words{"HRANDFIELD", "hash", "400"}}) {
    CAPTURE(words[1]);
    protocol::OutputBuffer out;
    out.set_limit(kLimit);
    protocol::ReplyWriter reply(out, 3);
    const uint64_t drawn = draws(f, words, reply);
    CHECK(drawn > 0);
    CHECK(drawn < 20'000);  // a table may draw a few times for each
    CHECK(out.overflowed());
    CHECK(out.empty());
  }
}

TEST_CASE("Nothing is drawn for a client that has switched its replies off") {
  CommandFixture f;
  fill(f);
  for (const Words& words : {Words{"SRANDMEMBER", "set", kMany}, Words{"HRANDFIELD", "hash", kMany},
                             Words{"HRANDFIELD", "small", kMany}, Words{"HRANDFIELD", "hash", "400"}}) {
    protocol::OutputBuffer out;
    protocol::ReplyWriter reply(out);
    reply.mute(true);
    CHECK(draws(f, words, reply) == 0);
    CHECK(out.empty());
  }
}

TEST_CASE("A reply that passes its limit leaves nothing, and a change is still made as a whole") {
  CommandFixture f;
  fill(f);
  f.run({"SET", "big", std::string(100'000, 'x')});
  for (int i = 0; i < 500; ++i) {
    f.run({"APPEND", "ax", "ax"});
    f.run({"APPEND", "ay", "ay"});
  }
  const Words many_fields = [] {
    Words words = {"HMGET", "small"};
    words.insert(words.end(), 10'000, member(1));
    return words;
  }();
  for (const Words& words :
       {Words{"SMEMBERS", "set"}, Words{"SUNION", "set", "flat"}, Words{"SINTER", "set", "set"},
        Words{"SDIFF", "set", "flat"}, Words{"HGETALL", "hash"}, Words{"HKEYS", "hash"}, many_fields,
        Words{"MGET", "big", "big"}, Words{"COMMAND", "DOCS"}, Words{"COMMAND", "INFO"},
        Words{"SSCAN", "set", "0", "COUNT", "10000"}, Words{"HSCAN", "hash", "0", "COUNT", "10000"},
        Words{"SPOP", "set", "1999"}, Words{"LCS", "ax", "ay", "IDX"}}) {
    CAPTURE(words[0]);
    protocol::OutputBuffer out;
    out.set_limit(kLimit);
    protocol::ReplyWriter reply(out);
    f.run(words, reply);
    CHECK(out.overflowed());
    CHECK(out.empty());
  }
  CHECK(f.run({"SCARD", "set"}) == ":1\r\n");
  protocol::OutputBuffer out;
  out.set_limit(kLimit);
  protocol::ReplyWriter reply(out);
  f.run({"SET", "big", "small", "GET"}, reply);
  CHECK(f.run({"GET", "big"}) == "$5\r\nsmall\r\n");
}

TEST_CASE("KEYS and SCAN end early, and SCAN says where to go on") {
  CommandFixture f;
  const std::string filler(1 << 14, 'k');
  for (int i = 0; i < 3000; ++i) f.run({"SET", filler + std::to_string(i), "v"});
  const std::string first = f.run({"SCAN", "0", "COUNT", "1000000"});
  CHECK(first.size() > (16u << 20));
  CHECK(first.size() < (17u << 20));
  CHECK_FALSE(first.starts_with("*2\r\n$1\r\n0\r\n"));
  protocol::OutputBuffer out;
  out.set_limit(kLimit);
  protocol::ReplyWriter reply(out);
  f.run({"KEYS", "*"}, reply);
  CHECK(out.overflowed());
}

}  // namespace cloakroom::server::test
