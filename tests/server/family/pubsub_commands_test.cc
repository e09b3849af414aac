#include <doctest/doctest.h>

#include <string>

#include "server/pubsub/keyspace_events.h"
#include "server/pubsub/pubsub.h"
#include "tests/server/steps.h"

namespace cloakroom::server::test {
namespace {

std::string run(CommandFixture& f, const std::string& line) { return f.run(words_of(line)); }
std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string confirmed(const std::string& word, const std::string& name, int count) {
  return "*3\r\n" + bulk(word) + bulk(name) + ":" + std::to_string(count) + "\r\n";
}
std::string message(const std::string& channel, const std::string& payload) {
  return "*3\r\n" + bulk("message") + bulk(channel) + bulk(payload);
}

}  // namespace

TEST_CASE("SUBSCRIBE and its reverses confirm each name with the number of subscriptions") {
  CommandFixture f;
  CHECK(run(f, "SUBSCRIBE a b a") ==
        confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2) + confirmed("subscribe", "a", 2));
  CHECK(run(f, "PSUBSCRIBE a*") == confirmed("psubscribe", "a*", 3));
  CHECK(run(f, "SSUBSCRIBE a") == confirmed("ssubscribe", "a", 1));
  CHECK(run(f, "UNSUBSCRIBE z a") == confirmed("unsubscribe", "z", 3) + confirmed("unsubscribe", "a", 2));
  CHECK(run(f, "UNSUBSCRIBE") == confirmed("unsubscribe", "b", 1));
  CHECK(run(f, "UNSUBSCRIBE") == "*3\r\n" + bulk("unsubscribe") + "$-1\r\n:1\r\n");
  CHECK(run(f, "PUNSUBSCRIBE") == confirmed("punsubscribe", "a*", 0));
  CHECK(run(f, "SUNSUBSCRIBE x") == confirmed("sunsubscribe", "x", 1));
  CHECK(run(f, "SUNSUBSCRIBE") == confirmed("sunsubscribe", "a", 0));
  CHECK(run(f, "GET a") == "$-1\r\n");  // an ordinary client again
}

TEST_CASE("a subscriber may send little else in RESP2, anything in RESP3") {
  CommandFixture f;
  run(f, "SUBSCRIBE a");
  CHECK(run(f, "GET a") ==
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        "in this "
        "context\r\n");
  CHECK(run(f, "PING") == "*2\r\n" + bulk("pong") + bulk(""));
  CHECK(run(f, "PING x") == "*2\r\n" + bulk("pong") + bulk("x"));
  CHECK(run(f, "RESET") == "+RESET\r\n");
  CHECK_FALSE(f.server.pubsub->anybody());
  CHECK(run(f, "PING") == "+PONG\r\n");
  run(f, "HELLO 3");
  CHECK(run(f, "SUBSCRIBE a").starts_with(">3\r\n"));
  CHECK(run(f, "GET a") == "_\r\n");
  CHECK(run(f, "PING") == "+PONG\r\n");
}

TEST_CASE("PUBLISH answers its receivers; the client's own message comes first") {
  CommandFixture f;
  run(f, "PING");  // which lets a client in that needs no password
  run(f, "HELLO 3");
  run(f, "SUBSCRIBE c");
  f.run_by_another({"SUBSCRIBE", "c"});
  f.take_pushed();
  CHECK(run(f, "PUBLISH c hello") == ":2\r\n");
  CHECK(f.take_pushed() == ">" + message("c", "hello").substr(1));
  CHECK(f.take_pushed_to_another() == message("c", "hello"));
  CHECK(run(f, "PUBLISH none x") == ":0\r\n");
  run(f, "MULTI");
  run(f, "PUBLISH c 1");
  run(f, "PUBLISH c 2");
  CHECK(run(f, "EXEC") == "*2\r\n:2\r\n:2\r\n");
  CHECK(f.take_pushed_to_another() == message("c", "1") + message("c", "2"));
  f.take_pushed();
}

TEST_CASE("PUBSUB tells who is subscribed") {
  CommandFixture f;
  f.run_by_another({"SUBSCRIBE", "a1", "b1"});
  f.run_by_another({"PSUBSCRIBE", "*"});
  CHECK(run(f, "PUBSUB CHANNELS a*") == "*1\r\n" + bulk("a1"));
  CHECK(run(f, "PUBSUB CHANNELS").starts_with("*2\r\n"));
  CHECK(run(f, "PUBSUB NUMSUB a1 x") == "*4\r\n" + bulk("a1") + ":1\r\n" + bulk("x") + ":0\r\n");
  CHECK(run(f, "PUBSUB NUMPAT") == ":1\r\n");
  CHECK(run(f, "PUBSUB SHARDCHANNELS") == "*0\r\n");
  CHECK(run(f, "PUBSUB SHARDNUMSUB a1") == "*2\r\n" + bulk("a1") + ":0\r\n");
  CHECK(run(f, "PUBSUB CHANNELS a b") ==
        "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.\r\n");
  CHECK(run(f, "PUBSUB x") == "-ERR unknown subcommand 'x'. Try PUBSUB HELP.\r\n");
}

TEST_CASE("shard channels are no keys") {
  CommandFixture f;
  CHECK(run(f, "COMMAND GETKEYS SPUBLISH a b") == "-ERR The command has no key arguments\r\n");
  CHECK(run(f, "SPUBLISH a b") == ":0\r\n");
}

TEST_CASE("keyspace events: both channels, the classes that are asked for, sessions before their sets") {
  CommandFixture f;
  KeyspaceEvents events(f.server.threads.first(), *f.server.pubsub);
  f.access.set_event_sink(&events);
  f.run_by_another({"PSUBSCRIBE", "__key*"});
  const auto announced = [&](const std::string& flags, const std::string& line) {
    CHECK(run(f, "CONFIG SET notify-keyspace-events " + flags) == "+OK\r\n");
    run(f, line);
    return f.take_pushed_to_another();
  };
  const auto event = [](const std::string& channel, const std::string& payload) {
    return "*4\r\n" + bulk("pmessage") + bulk("__key*") + bulk(channel) + bulk(payload);
  };
  CHECK(announced("KEA", "SET a 1") == event("__keyspace@0__:a", "set") + event("__keyevent@0__:set", "a"));
  CHECK(announced("K$", "SET a 1 EX 10") == event("__keyspace@0__:a", "set"));
  CHECK(announced("Eg", "SET a 1 EX 10") == event("__keyevent@0__:expire", "a"));
  CHECK(announced("A", "SET a 1").empty());
  CHECK(announced("KEA", "GET none").empty());
  CHECK(announced("Em", "GET none") == event("__keyevent@0__:keymiss", "none"));
  CHECK(announced("En", "SET fresh 1") == event("__keyevent@0__:new", "fresh"));
  run(f, "SET session:1 x EX 10");
  run(f, "SADD user_sessions:u 1");
  f.take_pushed_to_another();
  CHECK(announced("Exgs", "DEL session:1") == event("__keyevent@0__:del", "session:1") +
                                                  event("__keyevent@0__:srem", "user_sessions:u") +
                                                  event("__keyevent@0__:del", "user_sessions:u"));
  run(f, "SET session:2 x PX 10");
  f.take_pushed_to_another();
  f.advance(1000);
  f.expire_due();
  f.server.threads.first().wake_others();
  CHECK(f.take_pushed_to_another() == event("__keyevent@0__:expired", "session:2"));
}

}  // namespace cloakroom::server::test
