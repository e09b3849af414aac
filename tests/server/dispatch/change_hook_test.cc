// Whoever wants the state before a change is told before every change: what was kept then, put back, gives the
// keyspace as it was.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "storage/value/hash_value.h"
#include "storage/value/set_value.h"
#include "storage/value/string_value.h"
#include "tests/server/command_fixture.h"

namespace cloakroom::server::test {
namespace {

using storage::Entry;
using Place = std::pair<uint32_t, std::string>;  // database and key

// All there is to say of an entry.
std::string image_of(const Entry& entry) {
  std::vector<std::string> parts;
  if (entry.type() == storage::Type::kString) {
    char digits[storage::kI64Chars];
    parts.emplace_back(storage::string_bytes(entry, digits));
  } else if (entry.type() == storage::Type::kSet) {
    storage::set_visit(entry, [&](std::string_view member) { parts.emplace_back(member); });
  } else {
    storage::hash_for_each(entry, [&](storage::HashField field) {
      parts.push_back(std::string(field.name) + "=" + std::string(field.value));
    });
  }
  std::sort(parts.begin(), parts.end());
  std::string image =
      std::to_string(static_cast<int>(entry.type())) + " " + std::to_string(entry.deadline_ms());
  for (const std::string& part : parts) image.append(" ").append(part);
  return image;
}

using Images = std::map<Place, std::string>;

Images images_of(CommandFixture& fixture) {
  Images images;
  fixture.access.guard().take_all();
  for (const storage::Shard* shard : fixture.server.keyspace->shards()) {
    for (const auto& table : shard->tables) {
      if (table == nullptr) continue;
      table->for_each([&](const storage::Place& place) {
        const Entry& entry = *table->entry(place);
        images[{table->db(), fixture.access.schema().text(entry.form(), entry.key())}] = image_of(entry);
      });
    }
  }
  fixture.access.finish();
  return images;
}

// Keeps the first state of each key it is told of.
class Keeper final : public storage::ChangeHook {
 public:
  explicit Keeper(const storage::KeySchema& schema) : schema_(schema) {}

  void before_change(uint32_t db, const Entry& entry) override {
    kept.try_emplace({db, schema_.text(entry.form(), entry.key())}, image_of(entry));
  }
  void before_create(uint32_t db, const storage::KeyRef& key) override {
    kept.try_emplace({db, std::string(key.raw())}, std::nullopt);
  }

  std::map<Place, std::optional<std::string>> kept;

 private:
  const storage::KeySchema& schema_;
};

class Script {
 public:
  explicit Script(uint32_t seed) : random_(seed) {}

  Words next() {
    static const std::vector<Words> kForms = {
        {"SET", "S", "V"},
        {"SET", "S", "V", "PX", "N"},
        {"SET", "S", "V", "KEEPTTL"},
        {"APPEND", "S", "V"},
        {"SETRANGE", "S", "N", "V"},
        {"INCRBY", "S", "N"},
        {"GETDEL", "S"},
        {"GETEX", "S", "PERSIST"},
        {"GETEX", "S", "PX", "N"},
        {"MSET", "S", "V", "S", "V"},
        {"DEL", "K", "K"},
        {"PEXPIRE", "K", "N"},
        {"PERSIST", "K"},
        {"RENAME", "K", "K"},
        {"COPY", "K", "K", "REPLACE"},
        {"COPY", "K", "K", "DB", "1"},
        {"MOVE", "K", "1"},
        {"HSET", "H", "M", "V"},
        {"HSET", "H", "M", "V", "M", "V"},
        {"HDEL", "H", "M", "M"},
        {"HINCRBY", "H", "M", "N"},
        {"SADD", "U", "I"},
        {"SADD", "U", "M", "I", "M"},
        {"SREM", "U", "I", "M"},
        {"SPOP", "U"},
        {"SPOP", "U", "3"},
        {"SMOVE", "U", "U", "I"},
        {"SUNIONSTORE", "U", "U", "U"},
        {"SDIFFSTORE", "U", "U", "U"},
        {"GET", "K"},
        {"SMEMBERS", "U"},
        {"SCARD", "U"},
    };
    Words words = kForms[random_() % kForms.size()];
    for (size_t i = 1; i < words.size(); ++i) fill(words[i]);
    return words;
  }

 private:
  static std::string numbered(std::string_view prefix, size_t number) {
    return std::string(prefix) + std::to_string(number);
  }
  void fill(std::string& word) {
    const auto pick = [&](size_t n) { return static_cast<size_t>(random_() % n); };
    if (word == "K") {
      static const std::vector<std::string> kKinds = {"S", "H", "U"};
      word = kKinds[pick(3)];
    }
    if (word == "S") word = pick(2) == 0 ? numbered("session:", pick(12)) : numbered("s", pick(4));
    if (word == "H") word = pick(2) == 0 ? numbered("session:", pick(12)) : numbered("h", pick(4));
    if (word == "U") word = pick(4) == 0 ? numbered("u", pick(3)) : numbered("user_sessions:", pick(4));
    if (word == "I") word = std::to_string(pick(12));
    if (word == "M") word = pick(9) == 0 ? std::string(100, 'm') : numbered("m", pick(200));
    if (word == "N") word = std::to_string(1 + pick(300));
    if (word == "V") {
      const size_t size = pick(3) == 0 ? 20'000 : pick(60);
      word = pick(3) == 0 ? std::to_string(random_()) : std::string(size, static_cast<char>('a' + pick(26)));
    }
  }

  std::mt19937 random_;
};

TEST_CASE("Before any change the hook is told: with what it kept the old keyspace is had again") {
  Script script(11);
  CommandFixture fixture;
  size_t told = 0;
  for (int round = 0; round < 400; ++round) {
    const Images before = images_of(fixture);
    Keeper keeper(fixture.access.schema());
    fixture.server.keyspace->set_change_hook(&keeper);
    for (int i = 0; i < 8; ++i) {
      fixture.run(script.next());
      if (i == 5) fixture.advance(20);
      if (i == 6) fixture.expire_due();
    }
    fixture.server.keyspace->set_change_hook(nullptr);
    Images back = images_of(fixture);
    for (const auto& [place, image] : keeper.kept) {
      image ? static_cast<void>(back[place] = *image) : static_cast<void>(back.erase(place));
    }
    REQUIRE(back == before);
    told += keeper.kept.size();
  }
  CHECK(told > 1500);
}

}  // namespace
}  // namespace cloakroom::server::test
