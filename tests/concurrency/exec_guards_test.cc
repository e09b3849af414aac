// Which guards EXEC takes: commands that touch no keys add none.
#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "storage/keyspace/access.h"
#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {
namespace {

using Commands = std::vector<std::vector<std::string>>;

// A key whose guard comes after that of any other key in use here.
std::string key_of_last_shard(storage::Access& access) {
  for (int i = 0;; ++i) {
    std::string key = "key" + std::to_string(i);
    const storage::KeyRef ref = access.schema().make(key);
    if (access.keyspace().shard_of(ref.hash()) + 1 == access.keyspace().shard_count()) return key;
  }
}

}  // namespace

TEST_CASE("EXEC of commands without keys waits for no guard") {
  LiveServer live;
  storage::Access access(*live.server.keyspace);
  access.read_clock();
  const std::string key = key_of_last_shard(access);
  SocketClient client(live.port);
  const Commands commands = {{"PING"},
                             {"ECHO", "x"},
                             {"HELLO", "2"},
                             {"AUTH", "x"},
                             {"TIME"},
                             {"UNWATCH"},
                             {"CONFIG", "GET", "port"},
                             {"CONFIG", "SET", "slowlog-max-len", "100"},
                             {"COMMAND", "COUNT"},
                             {"COMMAND", "INFO", "get"},
                             {"COMMAND", "GETKEYS", "get", "a"},
                             {"CLIENT", "ID"},
                             {"CLIENT", "LIST"},
                             {"CLIENT", "KILL", "ID", "999999"},
                             {"SLOWLOG", "GET"},
                             {"SLOWLOG", "RESET"},
                             {"LATENCY", "LATEST"},
                             {"LATENCY", "RESET"},
                             {"MEMORY", "DOCTOR"},
                             {"MODULE", "LIST"},
                             {"SET", key, "v"}};
  // The client is on thread 0. Expiry waits for the guards of its thread's shards: shard 1 is not one of
  // them.
  client.call({"PING"});
  REQUIRE(live.server.threads[0].connection_count == 1);
  access.guard().take(1);
  auto answered = std::async(std::launch::async, [&] { return client.transact(commands).size(); });
  const bool in_time = answered.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  access.guard().release_unchanged();
  CHECK(in_time);
  CHECK(answered.get() == commands.size());
}

TEST_CASE("EXEC has all guards for what looks beyond its keys") {
  Config config = LiveServer::defaults();
  config.enable_debug_command = AllowFor::kEverybody;
  LiveServer live(std::move(config));
  storage::Access access(*live.server.keyspace);
  access.read_clock();
  const std::string key = key_of_last_shard(access);
  SocketClient client(live.port);
  for (const std::vector<std::string>& command : Commands{{"INFO"},
                                                          {"INFO", "everything"},
                                                          {"DBSIZE"},
                                                          {"KEYS", "*"},
                                                          {"SCAN", "0"},
                                                          {"RANDOMKEY"},
                                                          {"MEMORY", "STATS"},
                                                          {"CONFIG", "RESETSTAT"},
                                                          {"DEBUG", "OBJECT", "other"},
                                                          {"SELECT", "1"},
                                                          {"COPY", key, "other", "DB", "2"},
                                                          {"MOVE", "other", "3"},
                                                          {"SWAPDB", "4", "5"},
                                                          {"FLUSHDB"},
                                                          {"FLUSHALL"},
                                                          {"CLIENT", "UNPAUSE"}}) {
    CAPTURE(command[0]);
    CHECK(client.transact({{"SET", key, "v"}, command, {"GET", key}}).size() == 3);
    client.call({"SELECT", "0"});
  }
}

}  // namespace cloakroom::server::test
