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

void WatchTable::touch(uint32_t db, uint64_t hash, KeyForm form, std::string_view stored, bool expired) {
  if (by_hash_.empty()) return;
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto at = first; at != last; ++at) {
    const Watch& w = at->second;
    if (w.db != db || w.form != form || w.stored != stored || (expired && w.already_gone)) continue;
    w.watcher->dirty = true;
  }
}

}  // namespace cloakroom::storage
