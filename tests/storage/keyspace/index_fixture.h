// A keyspace whose effects are written down, for tests of the session index.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/keyspace/expiry.h"
#include "storage/keyspace/session_index.h"
#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {

using Ids = std::set<std::string>;

// Effects: "0 SET a b"; those that are handed over together, if they are several, stand between "[" and "]".
class Journal final : public EffectSink {
 public:
  uint64_t take_effects(const Changes& changes) override {
    std::vector<std::string> group;
    changes.for_each_effect([&](uint32_t db, std::span<const std::string_view> words) {
      std::string& line = group.emplace_back(std::to_string(db));
      for (const std::string_view word : words) line.append(" ").append(word);
    });
    const bool several = group.size() > 1;
    if (several) lines.push_back("[");
    lines.insert(lines.end(), group.begin(), group.end());
    if (several) lines.push_back("]");
    return lines.size();
  }
  std::vector<std::string> take() { return std::exchange(lines, {}); }

  std::vector<std::string> lines;
};

struct Index : Fixture {
  explicit Index(const KeyspaceOptions& options = default_options()) : Fixture(options) {
    keyspace.set_effect_sink(&journal);
  }
  ~Index() { keyspace.set_effect_sink(nullptr); }

  void login(const std::string& id, std::initializer_list<std::string> users, int64_t deadline_ms = 0) {
    cmd.set("session:" + id, "payload", deadline_ms);
    for (const std::string& user : users) cmd.sadd("user_sessions:" + user, id);
    journal.take();
  }
  Ids ids(const std::string& user) { return cmd.members("user_sessions:" + user); }
  bool has_set(const std::string& user) {
    const std::string text = "user_sessions:" + user;
    const KeyRef ref = key(text);
    return with_all([&] { return static_cast<bool>(access.peek(ref)); });
  }
  size_t links(const std::string& id) {
    const std::string text = "session:" + id;
    const KeyRef ref = key(text);
    return with_all([&] { return link_count(*access.peek(ref).entry); });
  }
  size_t pending() {
    size_t sum = 0;
    for (const Shard* shard : keyspace.shards()) sum += shard->pending.size();
    return sum;
  }
  void turn(uint32_t budget = 1'000'000) {
    const uint32_t db = access.db();
    for (Shard* shard : keyspace.shards()) {
      while (expiry_turn(access, *shard, budget) == ExpiryTurn::kMore) {
      }
    }
    access.select(db);
  }
  uint64_t ended(EndCause cause) {
    uint64_t sum = 0;
    for (const Shard* shard : keyspace.shards())
      sum += shard->counts.sessions_ended[static_cast<size_t>(cause)];
    return sum;
  }
  void end(const std::string& id, EndCause cause) {
    const std::string text = "session:" + id;
    cmd.run({text}, Commands::kEnds, [&] {
      const KeyRef ref = key(text);
      Found found = access.find_raw(ref, true);
      access.end(found, ref, cause);
    });
  }

  Journal journal;
  Commands cmd{access};
};

inline const std::string kUuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
inline const std::string kHex = "0123456789abcdef0123456789abcdef01234567";
inline const std::string kBase64 = "Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5";
inline const std::vector<std::string> kIdForms = {kUuid, kHex, kBase64, "plain", "77", std::string(300, 'r')};

}  // namespace cloakroom::storage::test
