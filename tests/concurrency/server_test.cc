#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {
namespace {

std::string account(int i) { return "account:" + std::to_string(i % 5); }

void transfer(SocketClient& client) {
  for (int i = 0; i < rounds(); ++i) {
    client.transact({{"DECRBY", account(i), "7"}, {"INCRBY", account(i * 3 + 1), "7"}});
  }
}

void audit(LiveServer& live, SocketClient& client) {
  const std::vector<std::string> all = {"MGET", account(0), account(1), account(2), account(3), account(4)};
  for (int i = 0; i < rounds(); ++i) {
    int64_t sum = 0;
    for (const Reply& item : client.call(all).items) sum += item.number();
    live.note(sum == 0);
  }
}

void compare_and_set(SocketClient& client, std::atomic<int64_t>& succeeded) {
  for (int i = 0; i < rounds(); ++i) {
    client.call({"WATCH", "register"});
    const int64_t seen = client.call({"GET", "register"}).number();
    if (!client.transact({{"SET", "register", std::to_string(seen + 1)}}).empty()) ++succeeded;
  }
}

void log_in(LiveServer& live, SocketClient& client) {
  for (int i = 0; i < rounds(); ++i) {
    const std::string id = std::to_string(i % 8);
    const std::string user = "user_sessions:" + std::to_string(i % 2);
    const auto logged_in = client.transact(
        {{"SET", "session:" + id, "v", "PX", std::to_string(1 + i % 30)}, {"SADD", user, id}});
    live.note(logged_in.size() == 2);
    if (i % 5 == 0) client.call({"DEL", "session:" + id});
    if (i % 7 == 0) client.call({"UNLINK", user});
    if (i % 11 == 0) client.call({"RENAME", "session:" + id, "session:" + std::to_string((i + 1) % 8)});
  }
}

// Counts what begins and what has ended of a pause: while one lasts, which is when the number is odd, sessions
// that are over stay in their sets.
std::atomic<int> pauses{0};

void read_sessions(LiveServer& live, SocketClient& client) {
  for (int i = 0; i < rounds(); ++i) {
    const int before = pauses;
    std::vector<std::vector<std::string>> commands = {{"SMEMBERS", "user_sessions:" + std::to_string(i % 2)}};
    for (int s = 0; s < 8; ++s) commands.push_back({"EXISTS", "session:" + std::to_string(s)});
    const auto replies = client.transact(commands);
    live.note(replies.size() == 9);
    if (replies.size() != 9) continue;
    const bool paused = before % 2 == 1 || pauses != before;
    for (const Reply& id : replies[0].items) {
      live.note(replies[1 + static_cast<size_t>(id.number())].number() == 1 || paused);
    }
  }
}

void administer(LiveServer& live, SocketClient& client) {
  for (int i = 0; i < rounds() / 5; ++i) {
    live.note(client.call({"CLIENT", "LIST"}).text.starts_with("id="));
    live.note(client.call({"CONFIG", "SET", "maxmemory", i % 2 == 0 ? "0" : "1gb"}).text == "OK");
    live.note(client.call({"CONFIG", "SET", "slowlog-log-slower-than", i % 2 == 0 ? "0" : "10000"}).text ==
              "OK");
    ++pauses;
    client.pipeline({{"CLIENT", "PAUSE", "20", i % 2 == 0 ? "WRITE" : "ALL"}, {"CLIENT", "UNPAUSE"}});
    ++pauses;
    client.pipeline({{"INFO"}, {"DBSIZE"}, {"SLOWLOG", "GET"}, {"SCAN", "0"}, {"KEYS", "*"}, {"RANDOMKEY"}});
    client.transact({{"SELECT", "5"}, {"SET", "k", "v"}, {"SWAPDB", "5", "6"}, {"FLUSHDB"}, {"SELECT", "0"}});
    SocketClient victim(live.port);
    const std::string id = victim.call({"CLIENT", "ID"}).text;
    live.note(client.call({"CLIENT", "KILL", "ID", id}).number() == 1);
    live.note(victim.at_end());
  }
}

void monitor(LiveServer& live) {
  for (int i = 0; i < rounds() / 25; ++i) {
    SocketClient watcher(live.port);
    live.note(watcher.call({"MONITOR"}).text == "OK");
    SocketClient other(live.port);
    other.call({"ECHO", "seen"});
    bool seen = false;
    for (int line = 0; line < 100'000 && !seen; ++line)
      seen = watcher.read().text.ends_with("\"ECHO\" \"seen\"");
    live.note(seen);
  }
}

}  // namespace

TEST_CASE("A live server: transactions, watches, sessions, administration, monitors, all at once") {
  LiveServer live;
  std::atomic<int64_t> succeeded{0};
  const auto cas = [&](SocketClient& client) { compare_and_set(client, succeeded); };
  live.run({transfer, transfer, cas, cas, [&](SocketClient& c) { audit(live, c); },
            [&](SocketClient& c) { log_in(live, c); }, [&](SocketClient& c) { log_in(live, c); },
            [&](SocketClient& c) { read_sessions(live, c); }, [&](SocketClient& c) { administer(live, c); },
            [&](SocketClient&) { monitor(live); }});
  CHECK(live.wrong == 0);
  SocketClient client(live.port);
  CHECK(client.call({"GET", "register"}).number() == succeeded);
  CHECK(succeeded > 0);
}

TEST_CASE("A FLUSHALL that still waits for its guards when a pause begins is held back") {
  for (const char* flush : {"FLUSHALL", "FLUSHDB"}) {
    LiveServer live;
    SocketClient client(live.port);
    SocketClient flusher(live.port);
    client.call({"SET", "k", "v"});
    flusher.call({"PING"});
    storage::Access access(*live.server.keyspace);
    storage::Access probe(*live.server.keyspace);
    const uint32_t last = live.server.keyspace->shard_count() - 1;
    access.guard().take(last);
    flusher.send({flush});
    // It holds all others once none of them can be had.
    for (uint32_t shard = 0; shard < last;) {
      const bool had = probe.guard().try_take(shard);
      if (had) probe.guard().release_unchanged();
      shard = had ? 0 : shard + 1;
      if (had) std::this_thread::yield();
    }
    live.server.pause.until_ms = INT64_MAX;
    live.server.pause.mode = Pause::kPauseWrites;
    access.guard().release_unchanged();
    while (client.call({"CLIENT", "LIST"}).text.find("flags=b") == std::string::npos &&
           client.call({"DBSIZE"}).number() == 1) {
    }
    CHECK(client.call({"DBSIZE"}).number() == 1);
    client.call({"CLIENT", "UNPAUSE"});
    CHECK(flusher.read().text == "OK");
    CHECK(client.call({"DBSIZE"}).number() == 0);
  }
}

TEST_CASE("Short pauses that begin as others end leave nothing paused") {
  LiveServer live;
  const auto pause = [&](SocketClient& client) {
    for (int i = 0; i < 4 * rounds(); ++i)
      live.note(client.call({"CLIENT", "PAUSE", "1", "WRITE"}).text == "OK");
  };
  live.run(std::vector<LiveServer::Role>(3, pause));
  CHECK(live.wrong == 0);
  SocketClient client(live.port);
  CHECK(client.call({"SET", "k", "v"}).text == "OK");
  for (int i = 0; i < 100'000 && !live.server.keyspace->may_end_keys(); ++i) client.call({"PING"});
  CHECK(live.server.keyspace->may_end_keys());
}

}  // namespace cloakroom::server::test
