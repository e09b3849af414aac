#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/concurrency/crowd.h"

namespace cloakroom::storage::test {
namespace {

constexpr uint64_t kSessions = 12;
constexpr uint64_t kUsers = 3;
std::string session(uint64_t i) { return "session:" + std::to_string(i % kSessions); }
std::string user(uint64_t i) { return "user_sessions:" + std::to_string(i % kUsers); }

// Logs in: the session, then its id in one or two sets; a thread late in its turn puts in ids of sessions
// gone since, which then wait.
void log_in_and_out(Commands& cmd) {
  cmd.access.read_clock();
  const uint64_t i = cmd.access.random();
  const std::string id = std::to_string(i % kSessions);
  switch (cmd.access.random() % 8) {
    case 0:
      cmd.del(session(i));
      break;
    case 1:
      cmd.rename(session(i), session(i + 1));
      break;
    case 2:
      cmd.srem(user(i), id);
      break;
    case 3:
      cmd.expire_at(session(i), cmd.access.now_ms() + static_cast<int64_t>(cmd.access.random() % 20));
      break;
    case 4:
      cmd.del(user(i));
      break;
    default:
      cmd.set(session(i), "payload",
              cmd.access.now_ms() + 1 + static_cast<int64_t>(cmd.access.random() % 40));
      cmd.run({session(i), user(i)}, Commands::kEnds, [&] {
        if (!cmd.access.peek(cmd.key(session(i)))) return;
        const std::string set = user(i);
        const KeyRef ref = cmd.key(set);
        Found found = cmd.access.write(ref);
        if (set_add(cmd.access, found, ref, id))
          cmd.access.changed(ref, EventClass::kSet, "sadd", {"SADD", set, id});
      });
  }
}

}  // namespace

TEST_CASE("No reader of a user's sessions ever sees an id whose session is gone") {
  for (const uint32_t shards : {2u, 8u}) {
    Crowd crowd(shards);
    const int rounds = scaled(1500);
    const Crowd::Worker client = [&](Commands& cmd) {
      for (int i = 0; i < rounds; ++i) {
        log_in_and_out(cmd);
        if (i % 4 == 0) crowd.clock.advance(1);
      }
    };
    const Crowd::Worker expiry = [&](Commands& cmd) {
      for (int i = 0; i < rounds; ++i) crowd.expire(cmd, 3);
    };
    std::vector<std::string> names;
    for (uint64_t i = 0; i < kSessions; ++i) names.push_back(session(i));
    const Crowd::Worker reader = [&](Commands& cmd) {
      for (int i = 0; i < rounds; ++i) {
        cmd.access.read_clock();
        const std::string set = user(cmd.access.random());
        std::vector<std::string_view> keys(names.begin(), names.end());
        keys.push_back(set);
        cmd.run(std::span(keys), Commands::kReads, [&] {
          const Found found = cmd.access.read(cmd.key(set));
          if (!found) return;
          crowd.note(set_size(*found.entry) > 0);
          set_visit(*found.entry, [&](std::string_view id) {
            const std::string name = "session:" + std::string(id);
            crowd.note(static_cast<bool>(cmd.access.peek(cmd.key(name))));
          });
        });
      }
    };
    crowd.run({client, client, expiry, reader});
    CHECK(crowd.wrong == 0);

    Access access(crowd.keyspace);  // once all is over, nothing is left behind
    Commands cmd(access);
    crowd.clock.advance(100'000);
    access.read_clock();
    for (int i = 0; i < 3; ++i) crowd.expire(cmd, 1'000'000);
    for (uint64_t i = 0; i < kUsers; ++i) CHECK(cmd.members(user(i)).empty());
    for (const Shard* shard : crowd.keyspace.shards()) {
      CHECK(shard->counts.sessions == 0);
      CHECK(shard->counts.user_sets == 0);
      CHECK(shard->arena.used_bytes() == 0);
      CHECK(shard->pending.empty());
    }
  }
}

TEST_CASE("Ids and sessions that arrive in either order from two threads end together") {
  Crowd crowd(4);
  const int rounds = scaled(1500);
  const auto worker = [&](bool session_side) {
    return [&, session_side](Commands& cmd) {
      for (int i = 0; i < rounds; ++i) {
        const std::string id = "id" + std::to_string(i);
        session_side ? cmd.set("session:" + id, "v")
                     : static_cast<void>(cmd.sadd(user(static_cast<uint64_t>(i)), id));
      }
    };
  };
  crowd.run({worker(true), worker(false)});
  const Crowd::Worker end = [&](Commands& cmd) {
    for (int i = 0; i < rounds; ++i) cmd.del("session:id" + std::to_string(i));
  };
  crowd.run({end, end});
  Access access(crowd.keyspace);
  Commands cmd(access);
  for (uint64_t i = 0; i < kUsers; ++i) CHECK(cmd.members(user(i)).empty());
}

}  // namespace cloakroom::storage::test
