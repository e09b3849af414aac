// What a command changed is handed over once, as a whole, under its guards.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "storage/value/string_value.h"
#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage {
namespace {

using test::Fixture;

// Looks at the keyspace while it takes.
class Looking final : public EffectSink {
 public:
  explicit Looking(Access& access) : access_(access) {}

  uint64_t take_effects(const Changes& changes) override {
    std::vector<std::string>& call = calls.emplace_back();
    changes.for_each_effect([&](uint32_t db, std::span<const std::string_view> words) {
      std::string line = std::to_string(db);
      for (const std::string_view word : words) line.append(" ").append(word.substr(0, 40));
      call.push_back(line);
      last_word = words.back().data();
    });
    held = !access_.guard().held().empty();
    return position += 10;
  }

  std::vector<std::vector<std::string>> calls;
  const char* last_word = nullptr;  // where its bytes stood
  bool held = false;
  uint64_t position = 0;

 private:
  Access& access_;
};

struct Changing : Fixture {
  Changing() { keyspace.set_effect_sink(&sink); }
  ~Changing() { keyspace.set_effect_sink(nullptr); }

  uint64_t position_of(std::string_view name) {
    return keyspace.shard(keyspace.shard_of(key(name).hash())).log_position;
  }

  Looking sink{access};
};

void set(Access& access, const KeyRef& key, std::string_view value) {
  Found found = access.write(key);
  string_set(access, found, key, {value, nullptr}, Deadline::kClear);
  access.changed(key, EventClass::kString, "set", {"SET", key.raw(), value});
}

TEST_CASE("The effects of a command are one call, in order, under its guards") {
  Changing fixture;
  const KeyRef one = fixture.key("one");
  const KeyRef two = fixture.key("two");
  fixture.with_all([&] {
    set(fixture.access, one, "1");
    fixture.access.select(3);
    set(fixture.access, two, "2");
    fixture.access.select(0);
    CHECK(fixture.sink.calls.empty());
  });
  REQUIRE(fixture.sink.calls.size() == 1);
  CHECK(fixture.sink.calls[0] == std::vector<std::string>{"0 SET one 1", "3 SET two 2"});
  CHECK(fixture.sink.held);
  fixture.with("one", [&](const KeyRef& key) { CHECK(fixture.access.read(key)); });
  CHECK(fixture.sink.calls.size() == 1);  // who only reads hands nothing over
}

TEST_CASE("A shard knows the log's position behind its last change, and who could see it learns it") {
  Changing fixture;
  fixture.with("one", [&](const KeyRef& key) { set(fixture.access, key, "1"); });
  CHECK(fixture.position_of("one") == 10);
  CHECK(fixture.access.guard().take_log_position() == 10);
  std::string apart;  // a key of another shard
  for (int i = 0; apart.empty() || fixture.position_of(apart) != 0; ++i) apart = "apart" + std::to_string(i);
  fixture.with(apart, [&](const KeyRef& key) { CHECK_FALSE(fixture.access.read(key)); });
  CHECK(fixture.access.guard().take_log_position() == 0);
  fixture.with(apart, [&](const KeyRef& key) { set(fixture.access, key, "1"); });
  CHECK(fixture.position_of(apart) == 20);
  CHECK(fixture.position_of("one") == 10);
  fixture.with("one", [&](const KeyRef& key) { CHECK(fixture.access.read(key)); });
  CHECK(fixture.access.guard().take_log_position() == 20);  // its own change, seen before
  fixture.with("one", [&](const KeyRef& key) { CHECK(fixture.access.read(key)); });
  CHECK(fixture.access.guard().take_log_position() == 10);
}

TEST_CASE("A big word travels with its owner, a small one as a copy") {
  Changing fixture;
  auto buffer = std::make_shared<char[]>(1000, 'x');
  const std::string_view big(buffer.get(), 1000);
  fixture.with("k", [&](const KeyRef& key) {
    set(fixture.access, key, "1");
    fixture.access.effect({"APPEND", key.raw(), {big, &buffer}});
    CHECK(buffer.use_count() == 2);
  });
  CHECK(fixture.sink.last_word == big.data());
  CHECK(buffer.use_count() == 1);
  fixture.with("k", [&](const KeyRef& key) {
    set(fixture.access, key, "1");
    fixture.access.effect({"APPEND", key.raw(), {big.substr(0, 100), &buffer}});
    CHECK(buffer.use_count() == 1);
  });
  CHECK(fixture.sink.last_word != big.data());
}

TEST_CASE("A watcher is marked when the command ends") {
  Fixture fixture;
  Watcher watcher;
  fixture.with("k", [&](const KeyRef& key) { fixture.access.watch(key, watcher); });
  fixture.with("k", [&](const KeyRef& key) {
    set(fixture.access, key, "1");
    CHECK_FALSE(watcher.dirty);
  });
  CHECK(watcher.dirty);
  fixture.with("k", [&](const KeyRef& key) { fixture.access.unwatch(0, key, watcher); });
}

}  // namespace
}  // namespace cloakroom::storage
