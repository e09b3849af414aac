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

class Access;
class Entry;
struct Found;
struct Shard;

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
//
// Effects are kept as the log has them: RESP arrays of bulks, one behind the other. A long word is not copied
// but stands between two pieces of text. Where the database changes between two effects, a SELECT is among
// them, which for_each_effect() does not show.
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

  bool has_effects() const { return effects_ != 0; }
  bool has_events() const { return !events_.empty(); }
  // Watchers of what has changed; they stay where they are while the guards are held.
  std::vector<Watcher*>& marks() { return marks_; }
  void clear();

  size_t effects() const { return effects_; }
  // The database in which the first effect is meant, and the one behind the last.
  uint32_t first_db() const { return first_db_; }
  uint32_t last_db() const { return last_db_; }
  // Of all effects as RESP.
  size_t effect_bytes() const { return text_.size() + shared_bytes_; }
  // Calls fn(text, owner) for the pieces of that, in order; owner is null for what is to be copied.
  template <class Fn>
  void for_each_piece(Fn&& fn) const {
    size_t at = 0;
    for (const SharedWord& word : shared_) {
      fn(std::string_view(text_).substr(at, word.offset - at), nullptr);
      fn(word.text, &word.owner);
      at = word.offset;
    }
    fn(std::string_view(text_).substr(at), nullptr);
  }
  // Calls fn(db, words) for each effect. `words` is good for the call.
  template <class Fn>
  void for_each_effect(Fn&& fn) const {
    Reader reader(*this);
    while (reader.next()) fn(reader.db, std::span<const std::string_view>(reader.words));
  }
  // Calls fn(const Event&) for each event. Its key is good for the call.
  template <class Fn>
  void for_each_event(Fn&& fn) const {
    for (const StoredEvent& e : events_) {
      fn(Event{e.event_class, e.name, e.db, std::string_view(keys_).substr(e.key_offset, e.key_bytes)});
    }
  }

 private:
  static constexpr size_t kKeptBytes = 64 * 1024;
  static constexpr size_t kCopied = 256;  // bytes up to which copying costs less than sharing

  struct SharedWord {
    size_t offset;  // in text_, behind its length line
    std::string_view text;
    std::shared_ptr<char[]> owner;
  };
  struct StoredEvent {
    EventClass event_class;
    uint32_t db;
    std::string_view name;
    size_t key_offset;  // in keys_
    size_t key_bytes;
  };
  // Takes the effects apart again.
  struct Reader {
    explicit Reader(const Changes& of) : changes(of), db(of.first_db_) {}
    bool next();
    bool next_command();
    size_t number();

    const Changes& changes;
    uint32_t db;
    std::vector<std::string_view> words;
    size_t at = 0;
    size_t shared = 0;
  };

  void begin_effect(uint32_t db, size_t words);
  void add_count(char kind, size_t count);
  void add_word(std::string_view word);

  std::string text_;
  std::vector<SharedWord> shared_;
  size_t shared_bytes_ = 0;
  size_t effects_ = 0;
  uint32_t first_db_ = 0;
  uint32_t last_db_ = 0;
  std::string keys_;  // of the events
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

// Writes what a key holds into the effects, in front of one that takes its value over by the key's name (RENAME, COPY,
// MOVE): a log that is being rewritten may not say it yet. Called under the guard of the key.
class Restater {
 public:
  virtual ~Restater() = default;
  virtual void restate(Access& access, const Found& found, const KeyRef& key) = 0;
  // A value of a table's kind is about to be freed. Under the guard of its shard.
  virtual void discarded(const Shard& shard, const char* value) = 0;
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
