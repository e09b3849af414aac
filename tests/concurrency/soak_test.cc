// Everything that has brought a server down, at once, for a while: resets and output limits in pipelines,
// PAUSE, KILL, big values, steps of the clock, transactions, sessions that expire. Meant for the sanitizers;
// what it checks itself is that nothing is left at the end.
#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {
namespace {

constexpr int kLongest = 20'000;  // commands until what others do must have been seen

using Words = std::vector<std::string>;
using Random = std::mt19937_64;

std::string number(uint64_t n) { return std::to_string(n); }
std::string session(Random& random) { return "session:" + number(random() % 64); }
std::string user(Random& random) { return "user_sessions:" + number(random() % 6); }

std::string packet(const std::vector<Words>& commands) {
  std::string bytes;
  for (const Words& words : commands) bytes += SocketClient::request(words);
  return bytes;
}

class Soak {
 public:
  explicit Soak(std::chrono::seconds length) : until_(std::chrono::steady_clock::now() + length) {
    SocketClient client(live_.port);
    client.call({"CONFIG", "SET", "client-output-buffer-limit", "normal 2097152 0 0"});
    client.call({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
    client.call({"CONFIG", "SET", "session-index-pending-ms", "50"});
  }

  using Role = void (Soak::*)(SocketClient&, Random&);
  void run(const std::vector<Role>& roles) {
    std::vector<std::thread> threads;
    for (size_t i = 0; i < roles.size(); ++i) {
      threads.emplace_back([this, role = roles[i], seed = i] { play(role, seed); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  void log_in_and_out(SocketClient& client, Random& random) {
    const std::string key = session(random);
    const std::string id = key.substr(8);
    client.transact({{"SET", key, std::string(random() % 400, 's'), "PX", number(1 + random() % 60)},
                     {"SADD", user(random), id}});
    client.pipeline({{"GETEX", session(random), "PX", number(1 + random() % 60)},
                     {"SMEMBERS", user(random)},
                     {"HSET", session(random), "field", "value"},
                     {"PEXPIRE", session(random), number(random() % 50)},
                     {"RENAME", session(random), session(random)},
                     {"DEL", session(random)},
                     {"SUNIONSTORE", user(random), user(random), user(random)},
                     {"UNLINK", user(random)}});
  }
  void handle_big_values(SocketClient& client, Random& random) {
    const std::string key = "big:" + number(random() % 3);
    client.call(
        {"SET", key, std::string(32'000 + random() % 300'000, 'b'), "PX", number(50 + random() % 500)});
    client.pipeline({{"APPEND", key, std::string(random() % 50'000, 'c')},
                     {"SETRANGE", key, number(random() % 100'000), std::string(40'000, 'd')},
                     {"STRLEN", key},
                     {"COPY", key, "big:copy", "REPLACE"},
                     {"SLOWLOG", "GET", "3"}});
  }
  void transact(SocketClient& client, Random& random) {
    client.call({"WATCH", session(random), user(random), "big:1"});
    std::vector<Words> commands = {{"SELECT", number(random() % 2)}};
    for (uint64_t n = random() % 8; n > 0; --n) {
      commands.push_back({"SADD", user(random), number(random() % 64)});
      commands.push_back({"EXPIRE", session(random), "1"});
      commands.push_back({"SPOP", user(random)});
    }
    if (random() % 50 == 0) commands.push_back({"SWAPDB", "0", "1"});
    if (random() % 200 == 0) commands.push_back({"FLUSHDB"});
    client.transact(commands);
    client.call({"SELECT", "0"});
  }
  // Dies in its own pipeline: reset, or past its output limit, with watches and MONITOR behind.
  void die(SocketClient&, Random& random) {
    SocketClient victim(live_.port);
    victim.call({"PING"});
    victim.send_bytes(
        packet({{"GET", "huge"}, {"WATCH", session(random), "big:0"}, {"MONITOR"}, {"SET", "x", "1"}}));
    if (random() % 2 == 0) victim.reset();
  }
  // A line comes for each read, also when the others have ended.
  void monitor(SocketClient& client, Random& random) {
    SocketClient watcher(live_.port);
    watcher.call({"MONITOR"});
    for (uint64_t n = random() % 50; n > 0; --n) {
      client.call({"PING"});
      watcher.read();
    }
  }
  void administer(SocketClient& client, Random& random) {
    client.pipeline({{"CLIENT", "PAUSE", number(1 + random() % 5), random() % 2 == 0 ? "WRITE" : "ALL"},
                     {"CLIENT", "UNPAUSE"},
                     {"INFO"},
                     {"DBSIZE"},
                     {"CLIENT", "LIST"},
                     {"SCAN", "0", "COUNT", "100"}});
    if (random() % 4 == 0) client.call({"CLIENT", "KILL", "TYPE", "normal"});
    if (random() % 4 == 0) client.call({"SET", "huge", std::string(8 << 20, 'h')});
    live_.clock.step_wall(static_cast<int64_t>(random() % 100'000) - 50'000);
  }
  static bool all_members_live(SocketClient& client) {
    for (uint64_t n = 0; n < 6; ++n) {
      for (const Reply& id : client.call({"SMEMBERS", "user_sessions:" + number(n)}).items) {
        if (client.call({"EXISTS", "session:" + id.text}).number() == 0) return false;
      }
    }
    return true;
  }
  // Nothing is left of the dead: no client, no watch, no monitor, no id of a session that is gone.
  void end() {
    SocketClient client(live_.port);
    client.call({"DEL", "huge", "big:copy", "x"});
    live_.clock.step_wall(3'600'000);
    const auto soon = [&](auto&& condition) {
      for (int i = 0; i < kLongest; ++i) {
        if (condition()) return true;
        client.call({"PING"});
      }
      return false;
    };
    CHECK(soon([&] { return live_.server.clients.size() == 1; }));
    CHECK(soon([&] { return live_.server.monitors == 0; }));
    CHECK(soon([&] { return all_members_live(client); }));
    live_.stop();
    for (const storage::Shard* shard : live_.server.keyspace->shards()) CHECK(shard->watches.empty());
  }
  uint64_t turns() const { return turns_; }

 private:
  void play(Role role, uint64_t seed) {
    Random random(seed);
    while (std::chrono::steady_clock::now() < until_) {
      try {
        SocketClient client(live_.port);
        while (std::chrono::steady_clock::now() < until_) {
          (this->*role)(client, random);
          ++turns_;
        }
      } catch (const std::runtime_error&) {  // killed, or past its limit: it comes back
      }
    }
  }

  LiveServer live_;
  const std::chrono::steady_clock::time_point until_;
  std::atomic<uint64_t> turns_{0};
};

}  // namespace

TEST_CASE("A soak: clients that die, pause, kill and monitor, big values, sessions and clock steps at once") {
  Soak soak(std::getenv("CLOAKROOM_TEST_FULL") != nullptr ? std::chrono::minutes(20)
                                                          : std::chrono::seconds(6));
  soak.run({&Soak::log_in_and_out, &Soak::log_in_and_out, &Soak::handle_big_values, &Soak::handle_big_values,
            &Soak::transact, &Soak::transact, &Soak::die, &Soak::monitor, &Soak::administer});
  CHECK(soak.turns() > 100);
  soak.end();
}

}  // namespace cloakroom::server::test
