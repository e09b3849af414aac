// A connection's turn is bounded: others are served, accepted and closed before a long pipeline is through,
// and what is left of it goes on where it stood.
#include <doctest/doctest.h>

#include <future>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {
namespace {

constexpr int kLong = 8000;  // commands: several reads

Config one_thread() {
  Config config = LiveServer::defaults();
  config.io_threads = 1;
  return config;
}

// Keeps the only thread from its sockets, so that what is sent meanwhile is there all at once.
class Held {
 public:
  explicit Held(LiveServer& live) {
    std::promise<void> began;
    live.server.threads[0].post([&began, end = end_.get_future().share()] {
      began.set_value();
      end.wait();
    });
    began.get_future().wait();
  }
  ~Held() { end_.set_value(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  std::promise<void> end_;
};

std::string long_pipeline() {
  std::string bytes;
  for (int i = 0; i < kLong; ++i) bytes += "INCR n\r\n";
  return bytes;
}

bool counts_up(SocketClient& client) {
  for (int i = 1; i <= kLong; ++i) {
    if (client.read().number() != i) return false;
  }
  return true;
}

std::string random_text(std::mt19937& random) {
  static constexpr size_t kSizes[] = {0, 3, 50, 5'000, 33'000, 120'000};
  const size_t kinds = random() % 20 == 0 ? std::size(kSizes) : 3;
  return std::string(kSizes[random() % kinds], static_cast<char>('a' + random() % 26));
}

// A pipeline of all that the parser and the connection tell apart, and what it must answer.
struct Script {
  std::string bytes;
  std::vector<std::string> replies;

  void echo(const std::string& text) {
    bytes += SocketClient::request({"ECHO", text});
    replies.push_back(text);
  }
  void add(std::mt19937& random, int number) {
    const std::string text = std::to_string(number) + random_text(random);
    switch (random() % 5) {
      case 0:
        bytes += "ECHO " + text.substr(0, 1000) + "\r\n";
        replies.push_back(text.substr(0, 1000));
        break;
      case 1:
        bytes += SocketClient::request({"NOSUCH", std::to_string(number)});
        replies.push_back("ERR unknown command 'NOSUCH', with args beginning with: '" +
                          std::to_string(number) + "' ");
        break;
      case 2:
        bytes += "MULTI\r\n";
        replies.emplace_back("OK");
        bytes += SocketClient::request({"ECHO", text});
        replies.emplace_back("QUEUED");
        bytes += "EXEC\r\n";
        replies.emplace_back("");
        break;
      default:
        echo(text);
    }
  }
};

void run_script(LiveServer& live, SocketClient& client, uint32_t seed) {
  std::mt19937 random(seed);
  for (int round = 0; round < rounds() / 25; ++round) {
    Script script;
    for (int i = 0; i < 200; ++i) script.add(random, i);
    std::thread sender([&] {
      for (size_t at = 0; at < script.bytes.size();) {
        const size_t size = 1 + random() % (random() % 2 == 0 ? 100 : 100'000);
        client.send_bytes(script.bytes.substr(at, size));
        at += size;
      }
    });
    for (const std::string& expected : script.replies) live.note(client.read().text == expected);
    sender.join();
  }
  client.send_bytes("PING\r\n*1\r\n$4\r\nPING\r\n*x\r\nPING\r\n");
  for (const char* expected : {"PONG", "PONG", "ERR Protocol error: invalid multibulk length"}) {
    live.note(client.read().text == expected);
  }
  live.note(client.at_end());
}

void pause_and_go_on(LiveServer& live, SocketClient& client) {
  for (int i = 0; i < rounds() / 5; ++i) {
    live.note(client.call({"CLIENT", "PAUSE", "20", i % 2 == 0 ? "WRITE" : "ALL"}).text == "OK");
    live.note(client.call({"CLIENT", "UNPAUSE"}).text == "OK");
  }
}

}  // namespace

TEST_CASE("A turn ends after a number of commands: another connection is served in the middle") {
  LiveServer live(one_thread());
  SocketClient pumping(live.port);
  SocketClient other(live.port);
  pumping.call({"PING"});
  other.call({"PING"});
  {
    const Held held(live);
    pumping.send_bytes(long_pipeline());
    other.send({"GET", "n"});
  }
  CHECK(other.read().number() < kLong);
  CHECK(counts_up(pumping));
}

TEST_CASE("A new connection is accepted and served in the middle of a pipeline") {
  LiveServer live(one_thread());
  live.server.slice_cycles = 0;
  SocketClient pumping(live.port);
  pumping.call({"PING"});
  std::optional<Held> held(live);
  pumping.send_bytes(long_pipeline());
  SocketClient fresh(live.port);
  fresh.send({"GET", "n"});
  held.reset();
  CHECK(fresh.read().number() < kLong);
  CHECK(counts_up(pumping));
}

TEST_CASE("A client is killed in the middle of its pipeline, by a task of its thread") {
  LiveServer live(one_thread());
  live.server.slice_cycles = 0;
  SocketClient pumping(live.port);
  SocketClient other(live.port);
  const std::string id = pumping.call({"CLIENT", "ID"}).text;
  other.call({"PING"});
  {
    const Held held(live);
    pumping.send_bytes(long_pipeline());
    other.send({"CLIENT", "KILL", "ID", id});
    other.send({"GET", "n"});
  }
  CHECK(other.read().number() == 1);
  CHECK(other.read().number() < kLong);
  pumping.read_to_end();
  CHECK(other.call({"GET", "n"}).number() < kLong);
}

TEST_CASE("Turns of one command: nothing of a pipeline is lost or changes its place") {
  LiveServer live;
  live.server.slice_cycles = 0;
  live.run(
      {[&](SocketClient& c) { run_script(live, c, 1); }, [&](SocketClient& c) { run_script(live, c, 2); },
       [&](SocketClient& c) { run_script(live, c, 3); }, [&](SocketClient& c) { run_script(live, c, 4); },
       [&](SocketClient& c) { pause_and_go_on(live, c); }});
  CHECK(live.wrong == 0);
}

}  // namespace cloakroom::server::test
