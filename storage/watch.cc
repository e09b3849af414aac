#include "storage/watch.h"

namespace cloakroom::storage {

void WatchTable::add(uint32_t db, const KeyRef& key, Watcher& watcher, bool already_gone) {
  by_hash_.emplace(key.hash(), Watch{db, key.form(), std::string(key.stored()), &watcher, already_gone});
}

void WatchTable::remove(uint32_t db, const KeyRef& key, const Watcher& watcher) {
  auto [at, end] = by_hash_.equal_range(key.hash());
  while (at != end) {
    const Watch& w = at->second;
    const bool same = w.watcher == &watcher && w.db == db && w.form == key.form() && w.stored == key.stored();
    at = same ? by_hash_.erase(at) : std::next(at);
  }
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
