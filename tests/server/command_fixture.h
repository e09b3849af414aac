#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/output_buffer.h"
#include "protocol/reply_writer.h"
#include "server/config/config.h"
#include "server/dispatch/client.h"
#include "server/dispatch/client_link.h"
#include "server/server.h"
#include "storage/keyspace/expiry.h"
#include "storage/keyspace/keyspace_walk.h"
#include "tests/storage/fixture.h"

namespace cloakroom::server::test {

using Words = std::vector<std::string>;

// A server that neither listens nor runs threads, under a manual clock: runs single commands as they come from
// a client, under the guards their rows lead to, and answers with the bytes of the reply.
class CommandFixture {
 public:
  struct Effect {
    uint32_t db;
    Words words;
    bool operator==(const Effect&) const = default;
  };

  CommandFixture() : CommandFixture(one_thread(true), 1'700'000'000'000) {}
  CommandFixture(Config initial, int64_t now_ms)
      : clock(now_ms),
        server(std::make_shared<ConfigStore>(std::move(initial), ""), clock),
        access(server.threads.first().access),
        client_(1, server.threads.first(), link_, {}, now_ms),
        other_(2, server.threads.first(), other_link_, {}, now_ms) {
    access.read_clock();
    access.set_event_sink(&sink_);
    server.keyspace->settings().event_classes = storage::test::kAllEvents;
    server.keyspace->set_effect_sink(&sink_);
  }

  ~CommandFixture() {  // what values own outside the arena
    server.threads.first().forget(client_);
    server.threads.first().forget(other_);
    access.guard().take_all();
    storage::flush_all(access);
    access.finish();
    storage::reclaim_flushed(access);
  }
  CommandFixture(const CommandFixture&) = delete;
  CommandFixture& operator=(const CommandFixture&) = delete;

  static Config one_thread(bool session_index) {
    Config config = *ConfigStore().snapshot();
    config.io_threads = 1;
    config.session_index = session_index;
    config.session_index_pending_ms = 200;
    return config;
  }

  std::string run(const Words& words) { return run_as(client_, words); }
  void run(const Words& words, protocol::ReplyWriter& reply) { run_as(client_, words, reply); }
  std::string run_by_another(const Words& words) { return run_as(other_, words); }

  // What the clients were sent unasked since the last call.
  std::string take_pushed() { return std::exchange(link_.pushed, {}); }
  std::string take_pushed_to_another() { return std::exchange(other_link_.pushed, {}); }

  void select(uint32_t db) { client_.db = db; }
  uint32_t db() const { return client_.db; }
  void advance(int64_t ms) {
    clock.advance(ms);
    access.read_clock();
  }
  void expire_due() {
    for (storage::Shard* shard : server.keyspace->shards()) expiry_turn(access, *shard, 1'000'000);
  }
  std::vector<std::string> take_events() { return std::exchange(sink_.events, {}); }
  std::vector<Effect> take_effects() {
    last_hand_overs_ = std::exchange(sink_.hand_overs, 0);
    return std::exchange(sink_.effects, {});
  }
  // In how many groups what was taken last had come.
  int hand_overs() const { return last_hand_overs_; }

 private:
  struct Sink final : storage::EventSink, storage::EffectSink {
    void take_events(const storage::Changes& changes) override {
      changes.for_each_event([&](const storage::Changes::Event& e) {
        events.push_back(std::to_string(e.db) + " " + std::string(e.name) + " " + std::string(e.key));
      });
    }
    uint64_t take_effects(const storage::Changes& changes) override {
      changes.for_each_effect([&](uint32_t db, std::span<const std::string_view> words) {
        effects.push_back({db, Words(words.begin(), words.end())});
      });
      ++hand_overs;
      return effects.size();
    }

    std::vector<std::string> events;
    std::vector<Effect> effects;
    int hand_overs = 0;  // since the effects were taken
  };

 public:
  storage::test::ManualClock clock;
  Server server;
  storage::Access& access;

 private:
  // Of a client that nobody is connected to.
  struct NoLink final : ClientLink {
    void push(const Push& bytes) override { pushed.append(bytes.head).append(bytes.body).append(bytes.tail); }
    void resume() override {}
    void log_is_durable() override {}
    void close() override {}
    size_t base_bytes() const override { return 0; }

    std::string pushed;
  };

  NoLink link_;
  NoLink other_link_;
  std::string run_as(Client& client, const Words& words) {
    protocol::OutputBuffer out;
    protocol::ReplyWriter reply(out, client.resp.load());
    run_as(client, words, reply);
    return std::string(out.flat());
  }
  void run_as(Client& client, const Words& words, protocol::ReplyWriter& reply) {
    Dispatcher& dispatcher = server.threads.first().dispatcher;
    while (dispatcher.dispatch_parked(client, words, reply) == Outcome::kParked) {
    }
  }

  Client client_;
  Client other_;
  Sink sink_;
  int last_hand_overs_ = 0;
};

}  // namespace cloakroom::server::test
