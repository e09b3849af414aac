#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/base/assert.h"
#include "storage/keyspace/key.h"

namespace cloakroom::storage {

// What a client watches. `dirty` is set by any thread that changes a watched key; read under all their
// guards.
struct Watcher {
  Watcher() = default;
  ~Watcher() { CLOAKROOM_ASSERT(places == 0); }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  std::atomic<bool> dirty{false};
  uint32_t places = 0;  // in watch tables that point here; its own thread changes them
};

// Watched keys of one shard; belongs to its guard. Costs one branch per change while nobody watches.
class WatchTable {
 public:
  // `already_gone`: the key stood there expired, so its removal is no change.
  void add(uint32_t db, const KeyRef& key, Watcher& watcher, bool already_gone);
  void remove(uint32_t db, const KeyRef& key, Watcher& watcher);
  // Whether the key stood there expired already when this watch began.
  bool already_gone(uint32_t db, const KeyRef& key, const Watcher& watcher) const;
  bool empty() const { return by_hash_.empty(); }
  // Adds the watchers of a key to `marks`; `expired` tells that it goes because of its deadline.
  void collect(uint32_t db, const KeyRef& key, bool expired, std::vector<Watcher*>& marks) const;
  // Marks the watchers of the keys of `db` that `concerned(hash, form, stored, already_gone)` names; it may
  // change `already_gone`.
  template <class Concerned>
  void touch_all(uint32_t db, Concerned&& concerned) {
    for (auto& [hash, watch] : by_hash_) {
      if (watch.db == db && concerned(hash, watch.form, std::string_view(watch.stored), watch.already_gone)) {
        watch.watcher->dirty = true;
      }
    }
  }

 private:
  struct Watch {
    uint32_t db;
    KeyForm form;
    std::string stored;
    Watcher* watcher;
    bool already_gone;
  };
  static constexpr size_t kNodeBytes = sizeof(Watch) + 48;  // with hash, links and what the allocator takes

 public:
  // What watching a key of this many bytes takes here, about. It is the watching client's.
  static size_t bytes_for(size_t key_bytes) { return kNodeBytes + key_bytes; }

 private:
  static bool is(const Watch& w, uint32_t db, const KeyRef& key, const Watcher& watcher) {
    return w.watcher == &watcher && w.db == db && w.form == key.form() && w.stored == key.stored();
  }
  std::unordered_multimap<uint64_t, Watch> by_hash_;
};

}  // namespace cloakroom::storage
