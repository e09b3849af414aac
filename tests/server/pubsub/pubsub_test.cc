#include "server/pubsub/pubsub.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/server.h"
#include "storage/base/glob.h"
#include "tests/server/command_fixture.h"

namespace cloakroom::server::test {
namespace {

using Kind = PubSub::Kind;

class Link final : public ClientLink {
 public:
  void push(const Push& bytes) override {
    std::string text(bytes.head);
    text.append(bytes.body).append(bytes.tail);
    messages.push_back(std::move(text));
  }
  void resume() override {}
  void log_is_durable() override {}
  void close() override {}
  size_t base_bytes() const override { return 0; }

  std::vector<std::string> messages;
};

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string message(const std::string& channel, const std::string& payload) {
  return "*3\r\n" + bulk("message") + bulk(channel) + bulk(payload);
}

// A server of three threads that do not run, and a client at each place.
class Subscribers {
 public:
  explicit Subscribers(size_t count)
      : server_(std::make_shared<ConfigStore>(threads(3), ""), clock_), links_(count) {
    for (size_t i = 0; i < count; ++i) {
      clients_.push_back(std::make_unique<Client>(i + 1, worker(i), links_[i], Client::Texts{}, 0));
    }
  }
  ~Subscribers() {
    for (const auto& client : clients_) client->worker.forget(*client);
  }
  Subscribers(const Subscribers&) = delete;
  Subscribers& operator=(const Subscribers&) = delete;

  PubSub& pubsub() { return *server_.pubsub; }
  ServerState& server() { return server_; }
  Worker& worker(size_t i) { return *server_.workers[i % 3]; }
  Client& client(size_t i) { return *clients_[i]; }
  std::vector<std::string> taken(size_t i) {
    worker(i).deliver_mail();
    return std::exchange(links_[i].messages, {});
  }

 private:
  static Config threads(int count) {
    Config config = CommandFixture::one_thread(true);
    config.io_threads = count;
    return config;
  }

  storage::test::ManualClock clock_;
  Server server_;
  std::vector<Link> links_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace

TEST_CASE("a message goes to the channel's subscribers and to those of every pattern that matches") {
  Subscribers s(4);
  CHECK(s.pubsub().subscribe(s.client(0), Kind::kChannel, "news.a"));
  CHECK_FALSE(s.pubsub().subscribe(s.client(0), Kind::kChannel, "news.a"));
  CHECK(s.pubsub().subscribe(s.client(1), Kind::kPattern, "news.*"));
  CHECK(s.pubsub().subscribe(s.client(1), Kind::kPattern, "*.a"));
  CHECK(s.pubsub().subscribe(s.client(2), Kind::kShardChannel, "news.a"));
  CHECK(s.pubsub().publish(s.worker(0), Kind::kChannel, "news.a", "x") == 3);
  CHECK(s.taken(0) == std::vector{message("news.a", "x")});
  const auto by_patterns = s.taken(1);
  const auto by_pattern = [](const std::string& pattern) {
    return "*4\r\n" + bulk("pmessage") + bulk(pattern) + bulk("news.a") + bulk("x");
  };
  CHECK(std::set(by_patterns.begin(), by_patterns.end()) ==
        std::set{by_pattern("news.*"), by_pattern("*.a")});
  CHECK(s.taken(2).empty());
  CHECK(s.pubsub().publish(s.worker(1), Kind::kShardChannel, "news.a", "y") == 1);
  CHECK(s.taken(2) == std::vector{"*3\r\n" + bulk("smessage") + bulk("news.a") + bulk("y")});
  CHECK(s.pubsub().publish(s.worker(0), Kind::kChannel, "old", "x") == 0);
  CHECK(s.pubsub().count(Kind::kChannel) == 1);
  CHECK(s.pubsub().count(Kind::kPattern) == 2);
  CHECK(s.pubsub().count(Kind::kShardChannel) == 1);
  CHECK(s.pubsub().subscribers(Kind::kChannel, "news.a") == 1);
  CHECK(s.client(1).subscription_counts[1].load() == 2);
  CHECK(s.pubsub().unsubscribe(s.client(1), Kind::kPattern, "*.a"));
  CHECK_FALSE(s.pubsub().unsubscribe(s.client(1), Kind::kPattern, "*.a"));
  CHECK_FALSE(s.pubsub().unsubscribe(s.client(3), Kind::kChannel, "news.a"));
  CHECK(s.pubsub().count(Kind::kPattern) == 1);
}

TEST_CASE("in RESP3 messages are pushes") {
  Subscribers s(1);
  s.client(0).resp = 3;
  s.pubsub().subscribe(s.client(0), Kind::kChannel, "c");
  s.pubsub().subscribe(s.client(0), Kind::kPattern, "?");
  CHECK(s.pubsub().publish(s.worker(0), Kind::kChannel, "c", "") == 2);
  CHECK(s.taken(0) == std::vector{">3\r\n" + bulk("message") + bulk("c") + bulk(""),
                                  ">4\r\n" + bulk("pmessage") + bulk("?") + bulk("c") + bulk("")});
}

TEST_CASE("who subscribes gets no earlier message, who leaves gets all that counted it") {
  Subscribers s(6);  // 0 and 3 are of one thread
  s.pubsub().subscribe(s.client(0), Kind::kChannel, "c");
  CHECK(s.pubsub().publish(s.worker(1), Kind::kChannel, "c", "1") == 1);
  s.pubsub().subscribe(s.client(3), Kind::kChannel, "c");
  CHECK(s.pubsub().publish(s.worker(1), Kind::kChannel, "c", "2") == 2);
  s.pubsub().unsubscribe(s.client(0), Kind::kChannel, "c");
  CHECK(s.pubsub().publish(s.worker(1), Kind::kChannel, "c", "3") == 1);
  CHECK(s.taken(0) == std::vector{message("c", "1"), message("c", "2")});
  CHECK(s.taken(3) == std::vector{message("c", "2"), message("c", "3")});
}

TEST_CASE("whatever clients of several threads do, each gets the messages that counted it, in their order") {
  constexpr size_t kClients = 7;
  const std::vector<std::string> names = {"a", "b", "ab", "?", "a*"};
  std::mt19937_64 random(3);
  Subscribers s(kClients);
  std::vector<std::set<std::pair<int, std::string>>> subscribed(kClients);
  std::vector<std::multiset<std::string>> due(kClients);     // patterns are matched in no order ...
  std::vector<std::vector<std::string>> in_order(kClients);  // ... but channels' messages keep theirs
  std::vector<std::vector<std::string>> got(kClients);
  for (int step = 0; step < 20'000; ++step) {
    const size_t who = random() % kClients;
    const std::string& name = names[random() % names.size()];
    const auto kind = static_cast<Kind>(random() % 3);
    const std::pair<int, std::string> mark(static_cast<int>(kind), name);
    switch (random() % 4) {
      case 0:
        CHECK(s.pubsub().subscribe(s.client(who), kind, name) == subscribed[who].insert(mark).second);
        break;
      case 1:
        CHECK(s.pubsub().unsubscribe(s.client(who), kind, name) == (subscribed[who].erase(mark) != 0));
        break;
      case 2:
        for (std::string& text : s.taken(who)) got[who].push_back(std::move(text));
        break;
      default: {
        const std::string text = std::to_string(step);
        size_t receivers = 0;
        const auto expect = [&](size_t i, const std::string& bytes) {
          due[i].insert(bytes);
          ++receivers;
        };
        for (size_t i = 0; i < kClients; ++i) {
          if (subscribed[i].contains({0, name})) {
            expect(i, message(name, text));
            in_order[i].push_back(message(name, text));
          }
          for (const auto& [of, pattern] : subscribed[i]) {
            if (of != 1 || !storage::glob_match(pattern, name)) continue;
            expect(i, "*4\r\n" + bulk("pmessage") + bulk(pattern) + bulk(name) + bulk(text));
          }
        }
        CHECK(s.pubsub().publish(s.worker(who), Kind::kChannel, name, text) == receivers);
      }
    }
  }
  for (size_t i = 0; i < kClients; ++i) {
    for (std::string& text : s.taken(i)) got[i].push_back(std::move(text));
    CHECK(std::multiset(got[i].begin(), got[i].end()) == due[i]);
    std::erase_if(got[i], [](const std::string& text) { return text.starts_with("*4"); });
    CHECK(got[i] == in_order[i]);
    CHECK(PubSub::names_of(s.client(i), Kind::kChannel).size() ==
          static_cast<size_t>(std::count_if(subscribed[i].begin(), subscribed[i].end(),
                                            [](const auto& mark) { return mark.first == 0; })));
  }
}

TEST_CASE("messages are counted while they wait; a thread that does not keep up loses its subscribers") {
  Subscribers s(3);
  s.pubsub().subscribe(s.client(1), Kind::kChannel, "c");
  const std::string big(20 << 20, 'x');
  for (int i = 0; i < 3; ++i) CHECK(s.pubsub().publish(s.worker(0), Kind::kChannel, "c", big) == 1);
  CHECK(s.server().message_bytes.load() >= 3 * big.size());
  CHECK(s.server().message_bytes.load() < 4 * big.size());
  for (int i = 0; i < 3; ++i) CHECK(s.pubsub().publish(s.worker(0), Kind::kChannel, "c", big) == 1);
  CHECK(s.server().message_bytes.load() < 4 * big.size());  // what was too much is not kept
  CHECK(s.taken(1).size() == 3);
  CHECK(s.server().message_bytes.load() == 0);
}

TEST_CASE("a client that goes leaves nothing behind") {
  Subscribers s(2);
  for (int i = 0; i < 1000; ++i) {
    s.pubsub().subscribe(s.client(0), static_cast<Kind>(i % 3), "name" + std::to_string(i));
  }
  CHECK(s.client(0).is(Client::kSubscriber));
  CHECK(s.client(0).subscription_bytes.load() > 1000 * 100);
  s.worker(0).forget(s.client(0));
  CHECK_FALSE(s.pubsub().anybody());
  for (const Kind kind : {Kind::kChannel, Kind::kPattern, Kind::kShardChannel})
    CHECK(s.pubsub().count(kind) == 0);
  CHECK(s.client(0).subscription_bytes.load() == 0);
  CHECK_FALSE(s.client(0).is(Client::kSubscriber));
}

}  // namespace cloakroom::server::test
