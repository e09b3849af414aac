#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/clock.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/keyspace.h"
#include "storage/keyspace/wall_step.h"

namespace cloakroom::storage::test {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t now_ms = 1'700'000'000'000) : now_ms_(now_ms) {}
  int64_t wall_ms() const override { return now_ms_ + wall_steps_ms_; }
  int64_t wall_us() const override { return wall_ms() * 1000; }
  int64_t monotonic_us() const override { return now_ms_ * 1000; }
  void advance(int64_t ms) { now_ms_ += ms; }
  void step_wall(int64_t ms) { wall_steps_ms_ += ms; }  // somebody sets the system's clock

 private:
  int64_t now_ms_;
  int64_t wall_steps_ms_ = 0;
};

inline constexpr uint32_t kAllEvents = 0xffff;  // of EventClass

// Keeps what it is told, as text: events "set session:1", effects as their words.
class Recorder final : public EventSink, public EffectSink {
 public:
  void take_events(const Changes& changes) override {
    changes.for_each_event(
        [&](const Changes::Event& e) { events.push_back(std::string(e.name) + " " + std::string(e.key)); });
  }
  uint64_t take_effects(const Changes& changes) override {
    changes.for_each_effect([&](uint32_t, std::span<const std::string_view> words) {
      effects.emplace_back(words.begin(), words.end());
    });
    return ++position;
  }

  std::vector<std::string> take_events() { return std::exchange(events, {}); }
  std::vector<std::vector<std::string>> take_effects() { return std::exchange(effects, {}); }

  std::vector<std::string> events;
  std::vector<std::vector<std::string>> effects;
  uint64_t position = 0;  // in an imagined log: commands so far
};

// A keyspace of four shards under a manual clock, and one access to it. With recorded(), events and effects
// are kept.
struct Fixture {
  static KeyspaceOptions default_options() {
    KeyspaceOptions options;
    options.shards = 4;
    return options;
  }
  explicit Fixture(const KeyspaceOptions& options = default_options())
      : keyspace(options, clock), access(keyspace) {
    access.read_clock();
  }
  ~Fixture() { erase_all(); }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  Recorder& recorded() {
    access.set_event_sink(&recorder);
    keyspace.settings().event_classes = kAllEvents;
    keyspace.set_effect_sink(&recorder);
    return recorder;
  }
  void advance(int64_t ms) {
    clock.advance(ms);
    access.read_clock();
  }
  // The wall clock alone steps, and is followed.
  void step_wall(int64_t ms) {
    clock.step_wall(ms);
    follow_wall_clock(access);
  }
  KeyRef key(std::string_view text) const { return keyspace.schema().make(text); }

  // Runs fn(key) as one command, under the guard of the key's shard or all guards.
  template <class Fn>
  decltype(auto) with(std::string_view text, Fn&& fn) {
    const KeyRef ref = key(text);
    access.guard().take(keyspace.shard_of(ref.hash()));
    const Finish finish{access};
    return fn(ref);
  }
  template <class Fn>
  decltype(auto) with_all(Fn&& fn) {
    access.guard().take_all();
    const Finish finish{access};
    return fn();
  }
  // Ends the key, whatever it is.
  void erase(std::string_view text) {
    const KeyRef ref = key(text);
    with_all([&] {
      if (Found found = access.write(ref)) access.end(found, ref, EndCause::kDeleted);
    });
  }
  // Ends every key of every database.
  void erase_all() {
    const uint32_t selected = access.db();
    for (uint32_t db = 0; db < keyspace.databases(); ++db) {
      access.select(db);
      for (const std::string& name : names(db)) erase(name);
    }
    access.select(selected);
  }
  std::vector<std::string> names(uint32_t db) {
    return with_all([&] {
      std::vector<std::string> out;
      for (const Shard* shard : keyspace.shards()) {
        const Table* table = shard->tables[db].get();
        if (table == nullptr) continue;
        table->for_each([&](const Place& place) {
          const Entry* entry = table->entry(place);
          out.push_back(keyspace.schema().text(entry->form(), entry->key()));
        });
      }
      return out;
    });
  }
  // Bytes of entries and of what values own outside them; 0 when the keyspace is empty.
  size_t value_bytes() {
    return with_all([&] {
      size_t sum = 0;
      for (const Shard* shard : keyspace.shards()) sum += shard->arena.used_bytes() + shard->external_bytes;
      return sum;
    });
  }

  ManualClock clock;
  Keyspace keyspace;
  Recorder recorder;
  Access access;

 private:
  struct Finish {
    Access& access;
    ~Finish() { access.finish(); }
  };
};

}  // namespace cloakroom::storage::test
