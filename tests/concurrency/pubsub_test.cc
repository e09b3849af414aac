#include "server/pubsub/pubsub.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {

TEST_CASE("all subscribers of a channel see one order, and PUBLISH counts just who gets its message") {
  constexpr int kPublishers = 3;
  constexpr int kMessages = 2000;  // of each
  LiveServer live;
  std::vector<std::unique_ptr<SocketClient>> steady;
  for (int i = 0; i < 6; ++i) {
    steady.push_back(std::make_unique<SocketClient>(live.port));
    steady.back()->call({i % 2 == 0 ? "SUBSCRIBE" : "PSUBSCRIBE", "c"});
  }
  size_t threads_in_use = 0;
  for (const Worker* worker : live.server.workers)
    threads_in_use += worker->client_total_bytes.get() != 0 ? 1 : 0;
  REQUIRE(threads_in_use > 1);

  std::atomic<int64_t> counted{0};
  std::atomic<int> publishing{kPublishers};
  std::vector<std::thread> publishers;
  publishers.reserve(kPublishers);
  for (int p = 0; p < kPublishers; ++p) {
    publishers.emplace_back([&, p] {
      SocketClient client(live.port);
      for (int i = 0; i < kMessages; ++i) {
        counted += client.call({"PUBLISH", "c", std::to_string(p) + ":" + std::to_string(i)}).number();
      }
      --publishing;
    });
  }
  // One that comes and goes all the time.
  int64_t received_by_guest = 0;
  std::thread guest([&] {
    SocketClient client(live.port);
    const auto read_to = [&](const std::string& word) {
      for (;;) {
        const Reply reply = client.read();
        if (reply.items[0].text == word) return;
        ++received_by_guest;
      }
    };
    while (publishing != 0) {
      client.send({"SUBSCRIBE", "c"});
      read_to("subscribe");
      client.send({"UNSUBSCRIBE", "c"});
      read_to("unsubscribe");
    }
  });
  std::vector<std::vector<std::string>> got(steady.size());
  std::vector<std::thread> readers;
  readers.reserve(steady.size());
  for (size_t n = 0; n < steady.size(); ++n) {
    readers.emplace_back([&, n] {
      while (got[n].size() < size_t{kPublishers} * kMessages)
        got[n].push_back(steady[n]->read().items.back().text);
    });
  }
  for (std::thread& thread : publishers) thread.join();
  guest.join();
  for (std::thread& thread : readers) thread.join();
  for (const auto& messages : got) CHECK(messages == got[0]);
  CHECK(counted == received_by_guest + static_cast<int64_t>(steady.size()) * kPublishers * kMessages);
}

TEST_CASE("subscribers that die while messages are on their way leave nothing") {
  LiveServer live;
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    SocketClient client(live.port);
    for (int i = 0; !stop; ++i)
      client.call({"PUBLISH", "c" + std::to_string(i % 3), std::string(i % 3 * 2000, 'x')});
  });
  for (int round = 0; round < 100; ++round) {
    SocketClient client(live.port);
    client.send({"SUBSCRIBE", "c0", "c1", "c2"});
    if (round % 2 == 0) client.read();
  }
  stop = true;
  publisher.join();
  SocketClient client(live.port);
  Reply counts;
  do {  // a close is seen a little later
    counts = client.call({"PUBSUB", "NUMSUB", "c0", "c1", "c2"});
  } while (counts.items[1].number() + counts.items[3].number() + counts.items[5].number() != 0);
  CHECK(client.call({"PUBSUB", "CHANNELS"}).items.empty());
  CHECK_FALSE(live.server.pubsub->anybody());
  while (live.server.message_bytes.load() != 0) std::this_thread::yield();
}

}  // namespace cloakroom::server::test
