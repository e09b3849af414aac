#include <doctest/doctest.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <random>

#include "storage/value/set_value.h"
#include "tests/server/command_fixture.h"

namespace cloakroom::server::test {
namespace {

using Lines = std::vector<std::string>;

// The bulks of a reply that is one array of bulks, or one bulk.
Lines bulks(const std::string& reply) {
  Lines out;
  for (size_t at = 0; at < reply.size();) {
    const size_t end = reply.find("\r\n", at);
    int64_t n = 0;
    std::from_chars(reply.data() + at + 1, reply.data() + end, n);
    const bool bulk = reply[at] == '$' && n >= 0;
    at = end + 2;
    if (!bulk) continue;
    out.push_back(reply.substr(at, static_cast<size_t>(n)));
    at += static_cast<size_t>(n) + 2;
  }
  return out;
}

struct Shown {
  std::string type;
  std::string deadline;
  Lines value;
  bool operator==(const Shown&) const = default;
};
using State = std::map<std::pair<uint32_t, std::string>, Shown>;

constexpr uint32_t kDatabases = 3;

Shown show(CommandFixture& f, const std::string& key) {
  Shown shown{f.run({"TYPE", key}), f.run({"PEXPIRETIME", key}), {}};
  if (shown.type == "+string\r\n") shown.value = {f.run({"GET", key})};
  if (shown.type == "+hash\r\n") shown.value = bulks(f.run({"HGETALL", key}));
  if (shown.type == "+set\r\n") {
    shown.value = bulks(f.run({"SMEMBERS", key}));
    std::sort(shown.value.begin(), shown.value.end());
  }
  return shown;
}

State state_of(CommandFixture& f) {
  State state;
  const uint32_t before = f.db();
  for (uint32_t db = 0; db < kDatabases; ++db) {
    f.select(db);
    for (const std::string& key : bulks(f.run({"KEYS", "*"}))) {
      if (key.starts_with("user_sessions:")) f.run({"SCARD", key});  // ends sessions that have expired unseen
    }
    for (const std::string& key : bulks(f.run({"KEYS", "*"}))) state[{db, key}] = show(f, key);
  }
  f.select(before);
  return state;
}

// No set may hold an id without its session, but for ids that wait for theirs.
void check_index(CommandFixture& f, const State& state) {
  for (const auto& [at, shown] : state) {
    const uint32_t db = at.first;
    const std::string& key = at.second;
    if (!key.starts_with("user_sessions:") || shown.type != "+set\r\n") continue;
    for (const std::string& id : shown.value) {
      const auto session = state.find({db, "session:" + id});
      if (session != state.end() && session->second.type != "+set\r\n") continue;
      const std::string text = "session:" + id;
      const storage::KeyRef ref = f.access.schema().make(text);
      const auto waiting = f.access.shard_for(ref).pending.sets_of(db, ref.hash(), ref.id());
      CAPTURE(key);
      CAPTURE(id);
      const uint64_t set_hash = f.access.schema().make(key).hash();
      CHECK(std::count(waiting.begin(), waiting.end(), set_hash) == 1);
    }
  }
}

std::string describe(const State& state, const State::key_type& key) {
  const auto at = state.find(key);
  if (at == state.end()) return "absent";
  std::string out = at->second.type + " " + at->second.deadline;
  for (const std::string& word : at->second.value) out += " " + word;
  return out;
}

std::string difference(const State& a, const State& b) {
  std::string out;
  for (const State* state : {&a, &b}) {
    for (const auto& [key, shown] : *state) {
      const std::string in_a = describe(a, key);
      const std::string in_b = describe(b, key);
      if (in_a != in_b)
        out.append(key.second).append(": ").append(in_a).append(" / ").append(in_b).append("\n");
    }
  }
  return out;
}

class Commands {
 public:
  explicit Commands(uint64_t seed) : random_(seed) {}

  Words next() {
    switch (below(18)) {
      case 0:
        return {"SET", any(), "v" + std::to_string(below(100))};
      case 1:
        return {"SET", session(), "v", "PX", std::to_string(1 + below(300))};
      case 2:
        return {"HSET", below(2) ? session() : any(), "f" + std::to_string(below(3)), "v"};
      case 3:
      case 4:
      case 5:
        return {"SADD", user(), id(), id()};
      case 6:
        return {"SADD", plain(), id(), id()};
      case 7:
        return {"DEL", any(), any()};
      case 8:
      case 9:
        return {"RENAME", any(), any()};
      case 10:
        return {"RENAMENX", any(), any()};
      case 11:
        return {"COPY", any(), any(), "REPLACE"};
      case 12:
        return {"COPY", any(), any(), "DB", database()};
      case 13:
        return {"MOVE", any(), database()};
      case 14:
        return {"PEXPIRE", any(), std::to_string(static_cast<int>(below(400)) - 50)};
      case 15:
        return {"PERSIST", any()};
      case 16:
        return below(8) ? Words{"SREM", user(), id()} : Words{"SWAPDB", database(), database()};
      default:
        return below(20) ? Words{"SPOP", user()} : Words{below(8) ? "FLUSHDB" : "FLUSHALL"};
    }
  }
  uint64_t below(uint64_t n) { return random_() % n; }
  std::string database() { return std::to_string(below(kDatabases)); }

 private:
  std::string id() {
    const std::string digit = std::to_string(below(5));
    return below(2) ? "550e8400-e29b-41d4-a716-44665544000" + digit : "raw" + digit;
  }
  std::string session() { return "session:" + id(); }
  std::string user() { return "user_sessions:" + std::to_string(below(3)); }
  std::string plain() { return "plain" + std::to_string(below(3)); }
  std::string any() {
    const uint64_t kind = below(5);
    return kind < 2 ? session() : kind < 4 ? user() : plain();
  }

  std::mt19937_64 random_;
};

void replay(const std::vector<CommandFixture::Effect>& effects, CommandFixture& into) {
  for (const CommandFixture::Effect& effect : effects) {
    into.select(effect.db);
    const std::string reply = into.run(effect.words);
    CAPTURE(effect.words[0]);
    REQUIRE(reply[0] != '-');
  }
}

Lines events_of(CommandFixture& f, const Words& words) {
  f.take_events();
  f.run(words);
  return f.take_events();
}

}  // namespace

TEST_CASE("Random moves of keys keep the session index whole, and their effects rebuild the keyspace") {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    CAPTURE(seed);
    CommandFixture f;
    // As a Redis would replay them: without an index, and with a clock that expires nothing by itself.
    CommandFixture plain(CommandFixture::one_thread(false), 1);
    Commands commands(seed);
    for (int step = 0; step < 3000; ++step) {
      f.select(static_cast<uint32_t>(commands.below(kDatabases)));
      const Words words = commands.next();
      const std::string reply = f.run(words);
      if (reply[0] == '-')
        REQUIRE((reply == "-ERR no such key\r\n" || reply.find("are the same") != reply.npos ||
                 reply.starts_with("-WRONGTYPE")));
      if (commands.below(4) == 0) f.advance(static_cast<int64_t>(commands.below(40)));
      if (commands.below(10) == 0) f.expire_due();
      if (step % 50 != 0) continue;
      f.expire_due();
      const State state = state_of(f);
      check_index(f, state);
      replay(f.take_effects(), plain);
      State replayed = state_of(plain);
      std::erase_if(replayed, [&](const auto& item) {  // expired in `f`, and not yet reclaimed
        int64_t deadline = 0;
        std::from_chars(item.second.deadline.data() + 1,
                        item.second.deadline.data() + item.second.deadline.size(), deadline);
        return deadline > 0 && f.clock.wall_ms() > deadline;
      });
      REQUIRE(difference(state, replayed) == "");
    }
  }
}

TEST_CASE("Events of moving keys, in Redis' order") {
  CommandFixture f;
  f.run({"SET", "a", "1"});
  f.run({"SET", "b", "2"});
  CHECK(events_of(f, {"RENAME", "a", "b"}) == Lines{"0 new b", "0 rename_from a", "0 rename_to b"});
  CHECK(events_of(f, {"RENAME", "b", "c"}) == Lines{"0 new c", "0 rename_from b", "0 rename_to c"});
  CHECK(events_of(f, {"RENAME", "c", "c"}).empty());
  CHECK(events_of(f, {"COPY", "c", "d"}) == Lines{"0 new d", "0 copy_to d"});
  CHECK(events_of(f, {"COPY", "c", "d"}).empty());
  CHECK(events_of(f, {"COPY", "c", "d", "REPLACE"}) == Lines{"0 new d", "0 copy_to d"});
  CHECK(events_of(f, {"COPY", "c", "d", "DB", "2"}) == Lines{"2 new d", "2 copy_to d"});
  CHECK(events_of(f, {"MOVE", "d", "1"}) == Lines{"1 new d", "0 move_from d", "1 move_to d"});
  CHECK(events_of(f, {"EXPIRE", "c", "10"}) == Lines{"0 expire c"});
  CHECK(events_of(f, {"EXPIRE", "c", "5", "GT"}).empty());
  CHECK(events_of(f, {"PERSIST", "c"}) == Lines{"0 persist c"});
  CHECK(events_of(f, {"PEXPIRE", "c", "-1"}) == Lines{"0 del c"});
  CHECK(events_of(f, {"EXISTS", "c"}) == Lines{"0 keymiss c"});
  CHECK(events_of(f, {"OBJECT", "ENCODING", "c"}).empty());
  f.run({"SET", "c", "1"});
  CHECK(events_of(f, {"FLUSHALL"}).empty());
}

TEST_CASE("Renaming a session ends it; renaming a set of sessions takes its links along") {
  CommandFixture f;
  const std::string id = "550e8400-e29b-41d4-a716-446655440000";
  f.run({"SET", "session:" + id, "v"});
  f.run({"SET", "session:other", "v"});
  f.run({"SADD", "user_sessions:1", id, "other"});
  CHECK(events_of(f, {"RENAME", "session:" + id, "elsewhere"}) ==
        Lines{"0 srem user_sessions:1", "0 new elsewhere", "0 rename_from session:" + id,
              "0 rename_to elsewhere"});
  f.run({"RENAME", "user_sessions:1", "user_sessions:2"});
  CHECK(f.run({"SMEMBERS", "user_sessions:2"}) == "*1\r\n$5\r\nother\r\n");
  CHECK(events_of(f, {"DEL", "session:other"}) ==
        Lines{"0 del session:other", "0 srem user_sessions:2", "0 del user_sessions:2"});

  f.run({"SET", "session:x", "v"});
  f.run({"SADD", "plain", "x"});
  f.run({"RENAME", "plain", "user_sessions:3"});
  f.run({"SET", "value", "v"});
  f.run({"SADD", "set", "m"});
  CHECK(f.run({"COPY", "value", "session:x", "REPLACE"}) == ":1\r\n");  // another string: the session goes on
  CHECK(f.run({"SCARD", "user_sessions:3"}) == ":1\r\n");
  CHECK(f.run({"COPY", "set", "session:x", "REPLACE"}) == ":1\r\n");  // a set is no session
  CHECK(f.run({"EXISTS", "user_sessions:3"}) == ":0\r\n");
}

TEST_CASE("DBSIZE and OBJECT see what the policy makes of a key") {
  CommandFixture f;
  f.run({"SET", "k", "5"});
  CHECK(f.run({"OBJECT", "REFCOUNT", "k"}) == ":2147483647\r\n");
  CHECK(f.run({"OBJECT", "FREQ", "k"}).starts_with("-ERR An LFU maxmemory policy is not selected"));
  f.advance(3500);
  CHECK(f.run({"OBJECT", "IDLETIME", "k"}) == ":3\r\n");
  f.run({"TTL", "k"});
  f.run({"EXISTS", "k"});
  f.run({"TYPE", "k"});
  CHECK(f.run({"OBJECT", "IDLETIME", "k"}) == ":3\r\n");  // none of these is an access
  f.run({"TOUCH", "k"});
  CHECK(f.run({"OBJECT", "IDLETIME", "k"}) == ":0\r\n");
  f.server.keyspace->settings().policy = storage::EvictionPolicy::kAllKeysLfu;
  f.run({"SET", "l", "x"});
  CHECK(f.run({"OBJECT", "FREQ", "l"}) == ":5\r\n");
  f.advance(120'000);
  CHECK(f.run({"OBJECT", "FREQ", "l"}) == ":3\r\n");
  CHECK(f.run({"OBJECT", "IDLETIME", "l"}).starts_with("-ERR An LFU maxmemory policy is selected"));
  f.run({"PEXPIRE", "l", "10"});
  CHECK(f.run({"DBSIZE"}) == ":2\r\n");
  f.advance(11);
  CHECK(f.run({"DBSIZE"}) == ":1\r\n");
  f.server.active_expire = false;
  CHECK(f.run({"DBSIZE"}) == ":2\r\n");
}

}  // namespace cloakroom::server::test
