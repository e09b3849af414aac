#include "storage/keyspace/watch.h"

namespace cloakroom::storage {

void WatchTable::add(uint32_t db, const KeyRef& key, Watcher& watcher, bool already_gone) {
  by_hash_.emplace(key.hash(), Watch{db, key.form(), std::string(key.stored()), &watcher, already_gone});
  ++watcher.places;
}

void WatchTable::remove(uint32_t db, const KeyRef& key, Watcher& watcher) {
  auto [at, end] = by_hash_.equal_range(key.hash());
  while (at != end) {
    const bool found = is(at->second, db, key, watcher);
    CLOAKROOM_ASSERT(!found || watcher.places > 0);
    at = found ? by_hash_.erase(at) : std::next(at);
    watcher.places -= found;
  }
  constexpr size_t kKeptBuckets = 1024;
  if (by_hash_.empty() && by_hash_.bucket_count() > kKeptBuckets) {
    by_hash_ = std::unordered_multimap<uint64_t, Watch>();  // {} would keep the memory
  }
}

bool WatchTable::already_gone(uint32_t db, const KeyRef& key, const Watcher& watcher) const {
  const auto [first, last] = by_hash_.equal_range(key.hash());
  for (auto at = first; at != last; ++at) {
    if (is(at->second, db, key, watcher)) return at->second.already_gone;
  }
  return false;
}

void WatchTable::collect(uint32_t db, const KeyRef& key, bool expired, std::vector<Watcher*>& marks) const {
  if (by_hash_.empty()) return;
  const auto [first, last] = by_hash_.equal_range(key.hash());
  for (auto at = first; at != last; ++at) {
    const Watch& w = at->second;
    if (w.db != db || w.form != key.form() || w.stored != key.stored() || (expired && w.already_gone))
      continue;
    marks.push_back(w.watcher);
  }
}

}  // namespace cloakroom::storage
