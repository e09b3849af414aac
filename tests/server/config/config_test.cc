#include "server/config/config.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "server/config/config_table.h"

using namespace cloakroom::server;
using cloakroom::storage::EvictionPolicy;
using Views = std::vector<std::string_view>;

namespace {

std::string get(const ConfigStore& store, std::string_view name) {
  const auto found = store.get(Views{name});
  REQUIRE(found.size() == 1);
  return found[0].second;
}

// The error's text, or "OK".
std::string set(ConfigStore& store, const Views& pairs) { return store.set(pairs).value_or("OK"); }

std::string refusal(std::string_view name, std::string_view reason) {
  return "ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " +
         std::string(reason);
}

}  // namespace

TEST_CASE("every row has a default that it accepts and shows") {
  const auto config = ConfigStore().snapshot();
  const auto rows = directives::config_rows();
  for (size_t i = 0; i < rows.size(); ++i) {
    INFO(rows[i]->name);
    CHECK(config->values[i].text == rows[i]->default_text());
    CHECK((rows[i]->effect == directives::Effect::kRefused) == !rows[i]->why_refused.empty());
    CHECK(directives::find_row(rows[i]->name)->index == i);
    if (!rows[i]->old_name.empty()) CHECK(directives::find_row(rows[i]->old_name)->index == i);
  }
}

TEST_CASE("defaults reach the fields") {
  const auto config = ConfigStore().snapshot();
  CHECK(config->port == 6379);
  CHECK(config->bind == std::vector<std::string>{"*", "-::*"});
  CHECK(config->protected_mode);
  CHECK(config->maxclients == 10000);
  CHECK(config->io_threads == std::max(1u, std::thread::hardware_concurrency()));
  CHECK(config->maxmemory_policy == EvictionPolicy::kNoEviction);
  CHECK(config->hash_max_listpack_entries == 512);
  CHECK(config->client_output_buffer_limits.of(cloakroom::protocol::ClientClass::kPubsub).hard_bytes ==
        33554432);
  CHECK(config->client_output_buffer_limits.of(cloakroom::protocol::ClientClass::kReplica).soft_seconds ==
        60);
  CHECK(config->latency_tracking_info_percentiles == std::vector<double>{50, 99, 99.9});
  CHECK(config->save.size() == 3);
  CHECK(config->save[1].seconds == 300);
  CHECK(config->session_key_pattern == "session:{id}");
  CHECK(config->session_index);
  CHECK(config->session_index_pending_ms == 60000);
  CHECK(config->text("privacy") == "yes");
  CHECK(config->loglevel == "notice");
  CHECK(config->enable_debug_command == AllowFor::kNobody);
  CHECK(config->dir == std::filesystem::current_path());
}

TEST_CASE("CONFIG GET: globs, exact names, both names, hidden ones") {
  const ConfigStore store;
  const auto names = [&](const Views& globs) {
    std::vector<std::string> out;
    for (const auto& [name, value] : store.get(globs)) out.push_back(name);
    std::sort(out.begin(), out.end());
    return out;
  };
  CHECK(names({"*"}).size() == 192 + 5);  // Redis' and our own
  CHECK(names({"hash-max-*-entries"}) ==
        std::vector<std::string>{"hash-max-listpack-entries", "hash-max-ziplist-entries"});
  CHECK(names({"MAXMEMORY", "maxmemory", "max*mory"}) == std::vector<std::string>{"MAXMEMORY"});
  CHECK(names({"MAX*ENTS"}) == std::vector<std::string>{"maxclients", "maxmemory-clients"});
  CHECK(names({"watchdog*"}).empty());
  CHECK(names({"watchdog-period"}).size() == 1);
  CHECK(names({"nothing"}).empty());
}

TEST_CASE("CONFIG SET changes text, field and generation together") {
  ConfigStore store;
  const uint64_t before = store.generation();
  const auto old = store.snapshot();
  CHECK(set(store, {"maxmemory", "256MB", "MAXMEMORY-POLICY", "AllKeys-LRU", "hash-max-ziplist-entries",
                    "7"}) == "OK");
  CHECK(store.generation() != before);
  CHECK(store.snapshot()->maxmemory == 256u << 20);
  CHECK(store.snapshot()->maxmemory_policy == EvictionPolicy::kAllKeysLru);
  CHECK(store.snapshot()->hash_max_listpack_entries == 7);
  CHECK(store.snapshot()->text("hash-max-ziplist-entries") == "7");
  CHECK(get(store, "maxmemory") == "268435456");
  CHECK(old->maxmemory == 0);
  CHECK(set(store, {"hz", "0"}) == "OK");
  CHECK(get(store, "hz") == "1");
}

TEST_CASE("CONFIG SET of what has no effect leaves a notice, as at start") {
  ConfigStore store;
  const auto notices = [&](const Views& pairs) {
    const auto before = store.snapshot();
    CHECK(set(store, pairs) == "OK");
    return store.notices_since(*before);
  };
  const std::vector<std::string> none;
  const std::string kept = "Accepted without effect in this version: ";
  CHECK(notices({"maxmemory", "1gb", "timeout", "5", "maxmemory-eviction-tenacity", "11"}) == none);
  CHECK(notices({"list-compress-depth", "1", "timeout", "6", "list-max-ziplist-size", "3"}) ==
        std::vector{kept + "list-max-listpack-size, list-compress-depth"});
  CHECK(notices({"list-compress-depth", "1"}) == none);  // as it was
  CHECK(notices({"activerehashing", "no"}) == std::vector{kept + "activerehashing"});
  CHECK(notices({"list-compress-depth", "0", "activerehashing", "yes"}) == none);  // the default
  CHECK(notices({"save", "", "appendonly", "no"}) == none);
  CHECK(notices({"save", "60 1"}).size() == 1);
  CHECK(notices({"client-output-buffer-limit", "normal 1mb 0 0"}) == none);
  CHECK(notices({"client-output-buffer-limit", "pubsub 1mb 0 0"}) == none);
  CHECK(notices({"client-output-buffer-limit", "slave 1mb 0 0"}).size() == 1);
  CHECK(store.startup_notices().size() == 3);
}

TEST_CASE("CONFIG SET is all or nothing, with Redis' words") {
  ConfigStore store;
  const uint64_t before = store.generation();
  CHECK(set(store, {"timeout", "5", "maxmemory-samples", "0"}) ==
        refusal("maxmemory-samples", "argument must be between 1 and 2147483647 inclusive"));
  CHECK(get(store, "timeout") == "0");
  CHECK(store.snapshot()->timeout_s == 0);
  CHECK(store.generation() == before);
  CHECK(set(store, {"timeout"}) == "ERR syntax error");
  CHECK(set(store, {"hz", "zz", "PORT2", "1"}) ==
        "ERR Unknown option or number of arguments for CONFIG SET - 'PORT2'");
  CHECK(set(store, {"hz", "5", "HZ", "6"}) == refusal("HZ", "duplicate parameter"));
  CHECK(set(store, {"DATABASES", "1"}) == refusal("DATABASES", "can't set immutable config"));
  CHECK(set(store, {"dbfilename", "x"}) == refusal("dbfilename", "can't set protected config"));
  CHECK(set(store, {"TIMEOUT", "x"}) == refusal("timeout", "argument couldn't be parsed into an integer"));
  CHECK(set(store, {"maxmemory", "x"}) == refusal("maxmemory", "argument must be a memory value"));
  CHECK(set(store, {"maxmemory-clients", "101%"}) ==
        refusal("maxmemory-clients", "percentage argument must be less or equal to 100"));
  CHECK(set(store, {"maxmemory-clients", "x"}) ==
        refusal("maxmemory-clients", "argument must be a memory or percent value"));
  CHECK(set(store, {"protected-mode", "1"}) == refusal("protected-mode", "argument must be 'yes' or 'no'"));
  CHECK(set(store, {"appendfsync", "x"}) ==
        refusal("appendfsync", "argument(s) must be one of the following: everysec, always, no"));
  CHECK(set(store, {"cluster-enabled", "yes"})
            .starts_with(refusal("cluster-enabled", "can't set immutable config")));
  CHECK(set(store, {"tls-port", "6380"}) == refusal("tls-port", "TLS is not supported yet"));
  CHECK(set(store, {"appendonly", "no", "tls-port", "0"}) == "OK");
}

TEST_CASE("a directive of our own that is set at start only takes the value it has") {
  ConfigStore store;
  CHECK(set(store, {"session-index", "yes", "session-key-pattern", "session:{id}"}) == "OK");
  CHECK(set(store, {"session-index", "no"}) == refusal("session-index", "can't set immutable config"));
  CHECK(set(store, {"session-key-pattern", "s:{id}"}) ==
        refusal("session-key-pattern", "can't set immutable config"));
  CHECK(set(store, {"databases", "16"}) == refusal("databases", "can't set immutable config"));
}

TEST_CASE("special directives") {
  ConfigStore store;
  CHECK(set(store, {"notify-keyspace-events", "KA"}) == "OK");
  CHECK(get(store, "notify-keyspace-events") == "AK");
  CHECK((store.snapshot()->notify_keyspace_events & kNotifyKeyspace) != 0);
  CHECK(set(store, {"notify-keyspace-events", "xKn$E"}) == "OK");
  CHECK(get(store, "notify-keyspace-events") == "$xnKE");
  CHECK(set(store, {"client-output-buffer-limit", "replica 1mb 2 3"}) == "OK");
  CHECK(get(store, "client-output-buffer-limit") ==
        "normal 0 0 0 slave 1048576 2 3 pubsub 33554432 8388608 60");
  CHECK(set(store, {"save", "60  1"}) == refusal("save", "Invalid save parameters"));
  CHECK(set(store, {"save", "60 1"}) == "OK");
  CHECK(store.snapshot()->save.size() == 1);
  CHECK(set(store, {"save", ""}) == "OK");
  CHECK(store.snapshot()->save.empty());
  CHECK(set(store, {"shutdown-on-sigint", "now save"}) == "OK");
  CHECK(get(store, "shutdown-on-sigint") == "save now");
  CHECK(set(store, {"latency-tracking-info-percentiles", "0.001 100"}) == "OK");
  CHECK(get(store, "latency-tracking-info-percentiles") == "0.001 100");
  CHECK(set(store, {"maxmemory-clients", "5%"}) == "OK");
  CHECK(get(store, "maxmemory-clients") == "5%");
  CHECK(set(store, {"maxmemory", "18446744073709551615"}) == "OK");
  CHECK(get(store, "maxmemory") == "18446744073709551615");
}

TEST_CASE("appliers see the change before readers do, and may refuse it") {
  ConfigStore store;
  std::vector<std::string> calls;
  store.on_change({"port", "bind"}, [&](const Config& before, const Config& after) {
    CHECK(store.snapshot()->port == 6379);
    calls.push_back(std::to_string(before.port) + ">" + std::to_string(after.port));
    return std::optional<std::string>();
  });
  store.on_change({"maxclients"}, [&](const Config&, const Config& after) {
    return after.maxclients > 100 ? std::optional<std::string>("too many") : std::nullopt;
  });
  CHECK(set(store, {"port", "7", "maxclients", "200"}) == refusal("maxclients", "too many"));
  CHECK(calls == std::vector<std::string>{"6379>7", "7>6379"});
  CHECK(store.snapshot()->port == 6379);
  calls.clear();
  CHECK(set(store, {"port", "6379", "timeout", "1"}) == "OK");
  CHECK(calls.empty());
  CHECK(set(store, {"port", "8", "maxclients", "50"}) == "OK");
  CHECK(calls == std::vector<std::string>{"6379>8"});
}

TEST_CASE("protected directives follow enable-protected-configs; a failed set leaves the directory alone") {
  const std::string here = std::filesystem::current_path();
  Config config = directives::default_config();
  const std::vector<std::string> local{"local"};
  REQUIRE_FALSE(
      directives::assign(config, directives::find_row("enable-protected-configs")->index, local, true));
  ConfigStore store(std::move(config), "");
  CHECK(store.set(Views{"dir", "/"}) == refusal("dir", "can't set protected config"));
  CHECK(store.set(Views{"dir", "/nope"}, true) == refusal("dir", "No such file or directory"));
  CHECK(store.set(Views{"dir", "/", "hz", "x"}, true) ==
        refusal("hz", "argument couldn't be parsed into an integer"));
  CHECK(std::filesystem::current_path() == here);
  CHECK_FALSE(store.set(Views{"dir", "/"}, true));
  CHECK(std::filesystem::current_path() == "/");
  CHECK(get(store, "dir") == "/");
  std::filesystem::current_path(here);
}

TEST_CASE("secrets are named as such") {
  CHECK(ConfigStore::is_sensitive("RequirePass"));
  CHECK(ConfigStore::is_sensitive("tls-key-file-pass"));
  CHECK_FALSE(ConfigStore::is_sensitive("port"));
  CHECK_FALSE(ConfigStore::is_sensitive("nothing"));
}

TEST_CASE("snapshots are whole while others set") {
  ConfigStore store;
  std::thread writer([&] {
    for (int i = 0; i < 500; ++i) {
      const std::string value = std::to_string(i);
      REQUIRE_FALSE(store.set(Views{"timeout", value, "tcp-keepalive", value}));
    }
  });
  int64_t last = 0;
  while (last != 499) {
    const auto config = store.snapshot();
    if (config->timeout_s == 0) continue;
    REQUIRE(config->timeout_s == config->tcp_keepalive_s);
    REQUIRE(config->timeout_s >= last);
    last = config->timeout_s;
  }
  writer.join();
}
