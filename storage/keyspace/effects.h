#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/keyspace/watch.h"

namespace cloakroom::storage {

class Entry;

// Classes of keyspace events, with the letters of notify-keyspace-events (Redis 7.0).
enum class EventClass : uint16_t {
  kGeneric = 1 << 0,  // g
  kString = 1 << 1,   // $
  kList = 1 << 2,     // l
  kSet = 1 << 3,      // s
  kHash = 1 << 4,     // h
  kZset = 1 << 5,     // z
  kExpired = 1 << 6,  // x
  kEvicted = 1 << 7,  // e
  kStream = 1 << 8,   // t
  kKeyMiss = 1 << 9,  // m
  kNew = 1 << 10,     // n
};

// A word of an effect. What has an owner is shared with it instead of copied.
struct EffectWord {
  EffectWord(std::string_view word) : text(word) {}    // NOLINT(google-explicit-constructor)
  EffectWord(const std::string& word) : text(word) {}  // NOLINT(google-explicit-constructor)
  EffectWord(const char* word) : text(word) {}         // NOLINT(google-explicit-constructor)
  EffectWord(std::string_view word, const std::shared_ptr<char[]>* word_owner)
      : text(word), owner(word_owner) {}

  std::string_view text;
  const std::shared_ptr<char[]>* owner = nullptr;
};

// What one command has changed, in order: effects, keyspace events, marks of watched keys. Append-only; an
// Access owns one and hands it over as a whole while the guards are still held (Access::hand_over). Nothing
// in it refers to the keyspace.
class Changes {
 public:
  struct Event {
    EventClass event_class;
    std::string_view name;
    uint32_t db;
    std::string_view key;
  };

  void add_effect(uint32_t db, std::span<const EffectWord> words);
  void add_effect(uint32_t db, std::span<const std::string_view> words);
  // `name` is a literal.
  void add_event(EventClass event_class, std::string_view name, uint32_t db, std::string_view key);

  bool has_effects() const { return !effects_.empty(); }
  bool has_events() const { return !events_.empty(); }
  // Watchers of what has changed; they stay where they are while the guards are held.
  std::vector<Watcher*>& marks() { return marks_; }
  void clear();

  // Calls fn(db, words) for each effect. `words` is good for the call.
  template <class Fn>
  void for_each_effect(Fn&& fn) const {
    std::vector<std::string_view> views;
    for (const Effect& effect : effects_) {
      views.clear();
      for (const Word& word : std::span(words_).subspan(effect.first_word, effect.words))
        views.push_back(view(word));
      fn(effect.db, std::span<const std::string_view>(views));
    }
  }
  // Calls fn(const Event&) for each event. Its key is good for the call.
  template <class Fn>
  void for_each_event(Fn&& fn) const {
    for (const StoredEvent& e : events_) fn(Event{e.event_class, e.name, e.db, view(e.key)});
  }

 private:
  static constexpr size_t kKeptBytes = 64 * 1024;
  static constexpr size_t kCopied = 256;  // bytes up to which copying costs less than sharing

  struct Word {
    const char* shared;  // or null: at `offset` in text_
    size_t offset;
    size_t size;
  };
  struct Effect {
    uint32_t db;
    uint32_t words;
    size_t first_word;
  };
  struct StoredEvent {
    EventClass event_class;
    uint32_t db;
    std::string_view name;
    Word key;
  };

  Word copied(std::string_view text);
  std::string_view view(const Word& word) const {
    return {word.shared != nullptr ? word.shared : text_.data() + word.offset, word.size};
  }

  std::string text_;
  std::vector<std::shared_ptr<char[]>> owners_;
  std::vector<Word> words_;
  std::vector<Effect> effects_;
  std::vector<StoredEvent> events_;
  std::vector<Watcher*> marks_;
};

// Told before a key changes, however that comes about: what looks at the keyspace while it is written on, or
// may want it back, takes the old value then. Called under the guard of the key, possibly several times a
// command and also when nothing changes in the end. Flushes and SWAPDB, which move whole tables, do not tell.
class ChangeHook {
 public:
  virtual ~ChangeHook() = default;
  // The entry, which may have expired, is still whole.
  virtual void before_change(uint32_t db, const Entry& entry) = 0;
  virtual void before_create(uint32_t db, const KeyRef& key) = 0;
};

// Receives the keyspace events of a command, in the order of changes. Called under the guards of the keys:
// must only append to queues.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void take_events(const Changes& changes) = 0;
};

// Receives the effects of a command, all or nothing: every change as a Redis command that is idempotent when
// replayed in order (absolute deadlines, no randomness, no conditions). Called under the guards, as above.
class EffectSink {
 public:
  virtual ~EffectSink() = default;
  // The position in the log behind these effects: grows from call to call.
  virtual uint64_t take_effects(const Changes& changes) = 0;
};

}  // namespace cloakroom::storage
