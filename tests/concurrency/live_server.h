#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/config/config.h"
#include "server/net/io_thread.h"
#include "server/server.h"
#include "storage/base/clock.h"
#include "tests/concurrency/socket_client.h"

namespace cloakroom::server::test {

inline uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = SocketClient::loopback(0);
  socklen_t size = sizeof address;
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  ::close(fd);
  if (!bound) throw std::runtime_error("no free port");
  return ntohs(address.sin_port);
}

// The system's clocks, but somebody sets the wall clock.
class SteppingClock final : public storage::Clock {
 public:
  int64_t wall_ms() const override { return wall_us() / 1000; }
  int64_t wall_us() const override { return system_.wall_us() + step_us_.load(); }
  int64_t monotonic_us() const override { return system_.monotonic_us(); }
  void step_wall(int64_t by_ms) { step_us_ += by_ms * 1000; }

 private:
  storage::SystemClock system_;
  std::atomic<int64_t> step_us_{0};
};

// The whole server in this process, with three threads.
struct LiveServer {
  LiveServer() : LiveServer(defaults()) {}
  explicit LiveServer(Config config)
      : port(static_cast<uint16_t>(config.port)),
        server(std::make_shared<ConfigStore>(std::move(config), ""), clock) {
    runner = std::thread([this] { server.run(); });
  }
  ~LiveServer() { stop(); }
  LiveServer(const LiveServer&) = delete;
  LiveServer& operator=(const LiveServer&) = delete;

  static Config defaults() {
    Config config = *ConfigStore().snapshot();
    config.io_threads = 3;
    config.port = free_port();
    return config;
  }
  // With no thread left, what the server holds may be looked at.
  void stop() {
    if (!runner.joinable()) return;
    {
      SocketClient client(port);  // it has started to listen
      client.call({"FLUSHALL"});
    }
    server.shutdown();
    runner.join();
  }
  // Runs every client at once; what they find wrong is counted.
  using Role = std::function<void(SocketClient&)>;
  void run(const std::vector<Role>& roles) {
    std::vector<std::thread> threads;
    threads.reserve(roles.size());
    for (const Role& role : roles) {
      threads.emplace_back([&] {
        try {
          SocketClient client(port);
          role(client);
        } catch (const std::exception&) {
          ++wrong;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  void note(bool fine) { wrong += fine ? 0 : 1; }

  SteppingClock clock;
  uint16_t port;
  Server server;
  std::thread runner;
  std::atomic<int> wrong{0};
};

inline int rounds() { return std::getenv("CLOAKROOM_TEST_FULL") != nullptr ? 10'000 : 250; }

}  // namespace cloakroom::server::test
