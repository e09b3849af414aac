// The append-only file of a whole server, in a directory of its own: written by several threads, rewritten, turned off
// and on meanwhile, and read again by the next server.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {
namespace {

// The working directory while it lives.
class Scratch {
 public:
  Scratch() : before_(std::filesystem::current_path()) {
    std::string path = (std::filesystem::temp_directory_path() / "cloakroom-log-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("no directory");
    path_ = path;
    std::filesystem::current_path(path_);
  }
  ~Scratch() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  std::filesystem::path before_;
  std::filesystem::path path_;
};

struct LoggedServer {
  explicit LoggedServer(std::string_view appendfsync)
      : config(logged(appendfsync)),
        port(static_cast<uint16_t>(config.port)),
        server(std::make_shared<ConfigStore>(config, ""), clock),
        runner([this] { server.run(); }) {
    SocketClient client(port);
    while (client.call({"PING"}).text != "PONG") std::this_thread::yield();  // -LOADING
  }
  ~LoggedServer() {
    server.shutdown();
    runner.join();
  }
  LoggedServer(const LoggedServer&) = delete;
  LoggedServer& operator=(const LoggedServer&) = delete;

  static Config logged(std::string_view appendfsync) {
    ConfigStore store(LiveServer::defaults(), "");
    const std::string_view pairs[] = {"appendonly", "yes", "appendfsync", appendfsync};
    if (store.set(pairs)) throw std::runtime_error("appendonly");
    Config config = *store.snapshot();
    config.enable_debug_command = AllowFor::kEverybody;
    return config;
  }

  Config config;
  SteppingClock clock;
  uint16_t port;
  Server server;
  std::thread runner;
};

bool info_says(SocketClient& client, std::string_view line) {
  return client.call({"INFO", "persistence"}).text.find(line) != std::string::npos;
}

void write_some(uint16_t port, int number, int count) {
  SocketClient client(port);
  const std::string own = std::to_string(number);
  for (int i = 0; i < count; ++i) {
    const std::string n = std::to_string(i % 50);
    client.call({"INCR", "counter:" + own});
    client.call({"SET", std::string("session:").append(own).append(n),
                 std::string(static_cast<size_t>(i % 300), 'v'), "EX", "1000"});
    client.call({"SADD", "user_sessions:" + own, own + n});
    client.call({"HSET", "hash:" + own, n, std::to_string(i)});
    if (i % 3 == 0) client.call({"DEL", "session:" + own + std::to_string(i % 7)});
    if (i % 5 == 0) client.call({"RENAME", "hash:" + own, "hash:" + std::to_string(number + 100)});
    if (i % 11 == 0) client.call({"COPY", "counter:" + own, "shared", "REPLACE"});
  }
}

void write_by_many(uint16_t port, int count, const std::function<void(SocketClient&)>& meanwhile) {
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) threads.emplace_back([=] { write_some(port, t, count); });
  SocketClient client(port);
  meanwhile(client);
  for (std::thread& thread : threads) thread.join();
}

std::string digest(uint16_t port) { return SocketClient(port).call({"DEBUG", "DIGEST"}).text; }

}  // namespace

TEST_CASE("A server finds again what it had, though its log was rewritten under way") {
  const Scratch scratch;
  for (const std::string_view appendfsync : {"always", "everysec"}) {
    std::string before;
    {
      LoggedServer logged(appendfsync);
      write_by_many(logged.port, rounds() / 2, [&](SocketClient& client) {
        for (int i = 0; i < 4; ++i) {
          client.call({"BGREWRITEAOF"});
          while (!info_says(client, "aof_rewrite_in_progress:0")) std::this_thread::yield();
          client.call({"CONFIG", "SET", "appendfsync", i % 2 == 0 ? "no" : std::string(appendfsync)});
        }
      });
      before = digest(logged.port);
    }
    LoggedServer again("no");
    CHECK(digest(again.port) == before);
  }
}

TEST_CASE("A log that is turned off and on while clients write has everything in the end") {
  const Scratch scratch;
  std::string before;
  {
    LoggedServer logged("everysec");
    write_by_many(logged.port, rounds() / 2, [&](SocketClient& client) {
      for (int i = 0; i < 5; ++i) {
        client.call({"CONFIG", "SET", "appendonly", "no"});
        client.call({"CONFIG", "SET", "appendonly", "yes"});
        while (i % 2 == 0 && !info_says(client, "aof_rewrite_in_progress:0")) std::this_thread::yield();
      }
    });
    SocketClient client(logged.port);
    while (!info_says(client, "aof_rewrite_in_progress:0")) std::this_thread::yield();
    before = digest(logged.port);
  }
  LoggedServer again("everysec");
  CHECK(digest(again.port) == before);
}

}  // namespace cloakroom::server::test
