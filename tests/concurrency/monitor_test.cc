#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {

TEST_CASE("MONITOR: what one turn produces is sent in one piece, from own and other threads") {
  constexpr int kCommands = 500;
  LiveServer live;
  std::vector<std::unique_ptr<SocketClient>> clients;  // on all threads
  for (int i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<SocketClient>(live.port));
    clients.back()->call({"PING"});
  }
  SocketClient& watcher = *clients[0];
  const auto writes = [&] {
    uint64_t sum = 0;
    for (const Worker* worker : live.server.workers) sum += worker->stats.writes.get();
    return sum;
  };
  REQUIRE(watcher.call({"MONITOR"}).text == "OK");
  const uint64_t before = writes();
  for (size_t n = 1; n < clients.size(); ++n) {
    std::string bytes;
    for (int i = 0; i < kCommands; ++i) bytes += SocketClient::request({"ECHO", std::to_string(i)});
    clients[n]->send_bytes(bytes);
    for (int i = 0; i < kCommands; ++i) clients[n]->read();
    for (int i = 0; i < kCommands; ++i) {
      CHECK(watcher.read().text.ends_with("\"ECHO\" \"" + std::to_string(i) + "\""));
    }
  }
  CHECK(writes() - before < 100 * clients.size());
}

}  // namespace cloakroom::server::test
