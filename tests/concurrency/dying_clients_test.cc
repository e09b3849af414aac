// Clients that end in the middle of their own pipeline: what stands behind that point in it must not run, and
// nothing of them may stay where others find it.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {
namespace {

using Pipeline = std::vector<std::vector<std::string>>;

constexpr int kLongest = 200'000;  // commands until what others do must have been seen

std::string packet(const Pipeline& commands) {
  std::string bytes;
  for (const auto& words : commands) bytes += SocketClient::request(words);
  return bytes;
}

// A server with a value that no socket takes at once, and an output limit that it passes.
struct Fixture {
  Fixture() : other(live.port) {
    other.call({"CONFIG", "SET", "client-output-buffer-limit", "normal 2097152 0 0"});
    other.call({"SET", "big", std::string(16 << 20, 'x')});
  }

  // Sends commands in one packet and waits until the server has closed the connection.
  void send_until_closed(const Pipeline& commands) {
    SocketClient client(live.port);
    client.call({"PING"});  // it has been accepted
    client.send_bytes(packet(commands));
    read_when_closed(client);
  }
  // Reads only then: who reads at once may keep up with what is sent, and never passes a limit.
  void read_when_closed(SocketClient& client) {
    CHECK(soon([&] { return live.server.clients.size() == 1; }));
    client.read_to_end();
  }
  // Resets the connection while the first of the commands runs.
  void send_and_reset(const Pipeline& commands) {
    SocketClient client(live.port);
    client.send_bytes(packet(commands));
    other.call({"PING"});
    client.reset();
  }
  // Changes what the dead have watched: their memory is written to if they still stand there.
  void touch_watched() {
    for (int i = 0; i < 3; ++i) other.call({"SET", "k", std::to_string(i)});
  }
  template <class Condition>
  bool soon(Condition&& condition) {
    for (int i = 0; i < kLongest; ++i) {
      if (condition()) return true;
      other.call({"PING"});
    }
    return false;
  }
  bool alone() {
    return soon([&] { return live.server.clients.size() == 1 && live.server.monitors == 0; });
  }
  bool nothing_watched() {
    live.stop();
    for (const storage::Shard* shard : live.server.keyspace->shards()) {
      if (!shard->watches.empty()) return false;
    }
    return live.server.monitors == 0 && live.server.clients.size() == 0;
  }

  LiveServer live;
  SocketClient other;
};

const Pipeline kRegistering = {{"WATCH", "k"}, {"MONITOR"}, {"SET", "written", "1"}};

Pipeline behind(const std::vector<std::string>& first) {
  Pipeline commands = {first};
  commands.insert(commands.end(), kRegistering.begin(), kRegistering.end());
  return commands;
}

}  // namespace

TEST_CASE("Nothing of a pipeline runs behind the reply that closed its client") {
  Fixture fixture;
  SUBCASE("past the output limit") { fixture.send_until_closed(behind({"GET", "big"})); }
  SUBCASE("past the output limit, MONITOR next") { fixture.send_until_closed({{"GET", "big"}, {"MONITOR"}}); }
  SUBCASE("past the output limit, in a transaction") {
    Pipeline commands = {{"MULTI"}, {"GET", "big"}, {"EXEC"}};
    commands.insert(commands.end(), kRegistering.begin(), kRegistering.end());
    fixture.send_until_closed(commands);
  }
  SUBCASE("QUIT") { fixture.send_until_closed(behind({"QUIT"})); }
  SUBCASE("a browser's POST") { fixture.send_until_closed(behind({"POST", "/"})); }
  SUBCASE("CLIENT KILL of itself") {
    SocketClient client(fixture.live.port);
    const std::string id = client.call({"CLIENT", "ID"}).text;
    client.send_bytes(packet(behind({"CLIENT", "KILL", "ID", id, "SKIPME", "no"})));
    fixture.read_when_closed(client);
  }
  CHECK(fixture.alone());
  fixture.touch_watched();
  CHECK(fixture.other.call({"EXISTS", "written"}).number() == 0);
  CHECK(fixture.nothing_watched());
}

TEST_CASE("A client whose connection is reset while its pipeline runs leaves nothing behind") {
  Fixture fixture;
  for (const char* key : {"big1", "big2"}) {
    std::vector<std::string> add = {"SADD", key};
    for (int i = 0; i < 20'000; ++i) add.push_back(key + std::to_string(i));
    fixture.other.call(add);
  }
  for (int i = 0; i < 20; ++i) {
    Pipeline commands = {{"SUNIONSTORE", "d", "big1", "big2"}, {"GET", "big"}};
    commands.insert(commands.end(), kRegistering.begin(), kRegistering.end());
    fixture.send_and_reset(commands);
    fixture.touch_watched();
  }
  CHECK(fixture.alone());
  CHECK(fixture.nothing_watched());
}

TEST_CASE("A client that watches or monitors ends in every way without a trace") {
  Fixture fixture;
  SUBCASE("it leaves") {
    SocketClient client(fixture.live.port);
    client.pipeline(kRegistering);
    client.reset();
  }
  SUBCASE("it resets itself and stays") {
    SocketClient client(fixture.live.port);
    client.pipeline({{"WATCH", "k"}, {"MONITOR"}, {"RESET"}, {"MULTI"}, {"PING"}, {"EXEC"}});
    CHECK(fixture.live.server.monitors == 0);
    client.call({"QUIT"});
  }
  SUBCASE("another kills it") {
    SocketClient client(fixture.live.port);
    client.pipeline(kRegistering);
    fixture.other.call({"CLIENT", "KILL", "TYPE", "normal"});
  }
  SUBCASE("it does not read what it monitors") {
    SocketClient client(fixture.live.port);
    client.pipeline(kRegistering);
    const std::string argument(1 << 20, 'y');
    fixture.soon([&] {
      fixture.other.call({"ECHO", argument});
      return fixture.live.server.monitors == 0;
    });
  }
  SUBCASE("it is held back by CLIENT PAUSE, then reset") {
    SocketClient client(fixture.live.port);
    client.pipeline({{"WATCH", "k"}, {"PING"}});
    fixture.other.call({"CLIENT", "PAUSE", "100000", "WRITE"});
    client.send_bytes(packet(behind({"SET", "held", "1"})));
    client.reset();
    CHECK(fixture.alone());
    fixture.other.call({"CLIENT", "UNPAUSE"});
    CHECK(fixture.other.call({"EXISTS", "held"}).number() == 0);
  }
  SUBCASE("it is held back by CLIENT PAUSE, then killed") {
    SocketClient client(fixture.live.port);
    const std::string id = client.call({"CLIENT", "ID"}).text;
    fixture.other.call({"CLIENT", "PAUSE", "100000", "WRITE"});
    client.send_bytes(packet(behind({"SET", "held", "1"})));
    CHECK(fixture.soon([&] {
      return fixture.other.call({"CLIENT", "LIST", "ID", id}).text.find(" flags=b") != std::string::npos;
    }));
    fixture.other.call({"CLIENT", "KILL", "ID", id});
    fixture.other.call({"CLIENT", "UNPAUSE"});
  }
  SUBCASE("it is held back by CLIENT PAUSE, and closed when it runs") {
    SocketClient client(fixture.live.port);
    client.call({"PING"});
    fixture.other.call({"CLIENT", "PAUSE", "20"});
    client.send_bytes(packet(behind({"GET", "big"})));
    fixture.read_when_closed(client);
  }
  CHECK(fixture.alone());
  fixture.touch_watched();
  CHECK(fixture.nothing_watched());
}

TEST_CASE("A server that stops with clients that watch and monitor forgets them") {
  Fixture fixture;
  std::vector<std::unique_ptr<SocketClient>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<SocketClient>(fixture.live.port));
    clients.back()->pipeline({{"WATCH", "k"}, {"MONITOR"}});
  }
  CHECK(fixture.nothing_watched());
}

}  // namespace cloakroom::server::test
