#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/keyspace/guard.h"
#include "storage/keyspace/keyspace.h"

namespace cloakroom::storage {

// Counter written by one thread and read by any.
class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct AccessCounters {
  Counter hits;
  Counter misses;
  Counter changes;
};

// A live entry and where it stands. Valid until the next change through the same Access.
struct Found {
  Shard* shard = nullptr;
  Table* table = nullptr;
  Place place;
  Entry* entry = nullptr;

  explicit operator bool() const { return entry != nullptr; }
  Entry* operator->() const { return entry; }
};

// What becomes of the deadline when a value is replaced.
enum class Deadline : uint8_t { kKeep, kClear };

// A value taken out of the keyspace whole (RENAME, MOVE) or copied (COPY). `bytes` is the value part; what it
// owns outside is owned by this object until put back.
struct DetachedValue {
  Kind kind = Kind::kNone;
  std::string bytes;
  int64_t deadline_ms = 0;
};

// Thrown when ending a session needs guards that are not held and could not be had without waiting. Nothing
// has been changed by the command yet: release, take the union, run it again. Rare (a lost race).
struct GuardsNeeded {
  ShardSet shards;
};

// One thread's window on the keyspace: the guards it holds, a frozen clock, the selected database. Every read
// and every change of keys goes through here. Changes pass one point (changed()): it bumps the shard's
// version and notes watchers, keyspace event and effect, which are handed over when the command ends. Not
// thread-safe; reused from command to command.
class Access {
 public:
  explicit Access(Keyspace& keyspace)
      : keyspace_(keyspace), guard_(keyspace.shards(), keyspace.single_threaded()) {}

  Keyspace& keyspace() { return keyspace_; }
  const KeySchema& schema() const { return keyspace_.schema(); }
  Guard& guard() { return guard_; }
  AccessCounters& counters() { return counters_; }
  // Gets the events of the classes in KeyspaceSettings::event_classes.
  void set_event_sink(EventSink* sink) { event_sink_ = sink; }

  // Reads the clock, which then stands still until the next call. No guard is held.
  void read_clock();
  int64_t now_ms() const { return guard_.now_ms(); }        // wall time, for deadlines
  int64_t steady_ms() const { return guard_.steady_ms(); }  // monotonic, for durations
  void select(uint32_t db) { db_ = db; }
  uint32_t db() const { return db_; }
  // CLIENT NO-TOUCH: reads leave LRU and LFU alone.
  void set_touch(bool touch) { touch_ = touch; }

  // --- looking up; the guard of the key's shard is held. An expired entry is invisible.
  // Counts hit or miss, marks the access; what has expired is ended at the end of the command.
  Found read(const KeyRef& key);
  Found peek(const KeyRef& key);  // neither counts nor marks
  Found write(
      const KeyRef& key);  // for changing: first ends an entry that stands there expired; marks the access
  Found find_raw(const KeyRef& key, bool even_expired);

  // Before the entry of a key with this hash is changed in place or removed. The operations below do it by
  // themselves; who edits a value where it stands does it first. What is reported with changed() and was not
  // announced stops the process.
  void before_change(const Found& found, uint64_t hash) {
    announce(hash);
    if (ChangeHook* hook = keyspace_.change_hook(); __builtin_expect(hook != nullptr, 0)) {
      hook->before_change(found.table->db(), *found.entry);
    }
  }

  // --- changing. None of these emits anything by itself (except "new" on creation and the index's own
  // events): the caller says what happened with changed() afterwards. Gives the key a value part of `bytes`
  // bytes, uninitialised, creating the key or replacing its value (whose outside parts are dropped). The
  // returned memory is at found->value(); pointers into the old value are gone.
  char* emplace(Found& found, const KeyRef& key, Kind kind, size_t bytes, Deadline deadline);
  // As emplace but keeps what the old value part owns outside: for callers that carry it over themselves.
  char* resize(Found& found, const KeyRef& key, Kind kind, size_t bytes);
  // 0 removes the deadline.
  void set_deadline(Found& found, const KeyRef& key, int64_t deadline_ms);
  // Adds to the memory account of values' outside parts.
  void account(Found& found, int64_t delta_bytes) {
    const int64_t bytes = static_cast<int64_t>(found.shard->external_bytes) + delta_bytes;
    CLOAKROOM_ASSERT(bytes >= 0 && guard_.holds(found.shard->index));
    found.shard->external_bytes = static_cast<size_t>(bytes);
  }

  // --- ending. Emits "del" / "expired" / "evicted" with the effect DEL; kReplaced and kFlushed emit nothing.
  // Ends the links of a session too. `found` is null afterwards.
  void end(Found& found, const KeyRef& key, EndCause cause);
  // Takes the value out without dropping it and removes the key like end(kReplaced): nothing emitted but the
  // index's own.
  DetachedValue detach(Found& found, const KeyRef& key);
  DetachedValue copy(const Found& found) const;
  // Puts a detached value under `key`, replacing what stands there.
  void attach(Found& found, const KeyRef& key, DetachedValue&& value);

  // --- the one point through which every change passes.
  void changed(const KeyRef& key, EventClass event_class, std::string_view event,
               std::span<const std::string_view> effect);
  void changed(const KeyRef& key, EventClass event_class, std::string_view event,
               std::initializer_list<EffectWord> effect);
  // A further event or a further effect of a change already reported.
  void event(const KeyRef& key, EventClass event_class, std::string_view name);
  void effect(std::initializer_list<EffectWord> command);
  void effect(std::span<const EffectWord> command);
  void effect(std::span<const std::string_view> command);
  // Before an effect that takes over the value by its key's name: see Restater.
  void restate(const Found& found, const KeyRef& key) {
    if (Restater* restater = keyspace_.restater(); restater != nullptr && found) {
      restater->restate(*this, found, key);
    }
  }
  // Whether anybody wants effects: lets callers skip building long ones.
  bool wants_effects() const { return keyspace_.effect_sink() != nullptr; }

  // --- watching; the guard of the key is held.
  void watch(const KeyRef& key, Watcher& watcher);
  void unwatch(uint32_t db, const KeyRef& key, Watcher& watcher);
  // Whether a watched key has expired since, and is not yet ended.
  bool watched_expired(const KeyRef& key, const Watcher& watcher);

  // Sparse segments of a table that something was erased from are merged at the end of the command.
  void settle_later(Table& table) {
    if (unsettled_.empty() || unsettled_.back() != &table) unsettled_.push_back(&table);
  }
  // Another command under the same guards (EXEC): it announces its changes anew.
  void next_command() { announced_.clear(); }
  // Ends the command: merges sparse segments, hands over what was changed, as one group of effects, releases
  // the guards, then frees what was dropped.
  void finish();

  // Start loading what a lookup of the key will read, unless another thread has its shard. No guard is held.
  void prefetch_bucket(const KeyRef& key, bool for_writing);
  void prefetch_entry(const KeyRef& key);

  uint64_t random() {
    random_state_ += 0x9e3779b97f4a7c15;
    uint64_t z = random_state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  void seed(uint64_t seed) { random_state_ = seed; }
  Garbage& garbage() { return garbage_; }
  // Moves a value to the garbage; its bytes leave the shard's account.
  void discard(Shard& shard, Kind kind, const char* value);
  // Changes made since the guards were taken: GuardsNeeded is only thrown at 0.
  uint32_t changes_in_command() const { return changes_in_command_; }
  // What was changed so far is complete by itself, and is handed over.
  void mark_restartable() {
    changes_in_command_ = 0;
    hand_over();
  }
  Shard& shard_for(const KeyRef& key) { return keyspace_.shard(keyspace_.shard_of(key.hash())); }

 private:
  char* create(Found& found, const KeyRef& key, Kind kind, size_t bytes);
  char* replace(Found& found, const KeyRef& key, Kind kind, size_t bytes, Deadline deadline, bool drop);
  char* replace_block(Found& found, Kind kind, size_t old_total, size_t bytes, int64_t deadline_ms);
  std::vector<uint64_t> hold_links(const Entry& session);
  bool try_links(const Entry& entry);
  void end_overdue();
  void remove(Found& found, uint64_t hash, bool drop);
  void free_garbage();
  void part_with_value(Shard& shard, Entry& entry);
  void touch(Entry& entry);
  void count_role(Shard& shard, KeyRole role, Kind before, Kind after);
  void report(const KeyRef& key, EventClass event_class, std::string_view name, bool expired);
  void changed_by_expiry(const KeyRef& key);
  void announce(uint64_t hash) {
    if (announced_.empty() || announced_.back() != hash) announced_.push_back(hash);
  }
  void hand_over();
  void hand_over_all();

  Keyspace& keyspace_;
  Guard guard_;
  AccessCounters counters_;
  EventSink* event_sink_ = nullptr;
  uint32_t lru_now_ = 0;
  uint32_t db_ = 0;
  bool touch_ = true;
  uint32_t changes_in_command_ = 0;
  uint64_t random_state_ = 0x853c49e6748fea9b;
  Garbage garbage_;
  size_t garbage_bytes_ = 0;  // of the values in it whose freeing takes long
  std::vector<Table*> unsettled_;
  std::vector<std::pair<uint32_t, std::string>> overdue_;  // database and key
  Changes changes_;
  std::vector<uint64_t> announced_;  // hashes of the keys whose change has begun, until it is handed over
};

}  // namespace cloakroom::storage
