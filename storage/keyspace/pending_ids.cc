#include "storage/keyspace/pending_ids.h"

#include <algorithm>
#include <utility>

#include "storage/base/assert.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/session_links.h"

namespace cloakroom::storage {

Place PendingIds::find(uint32_t db, uint64_t session_hash, PackedId id) const {
  const Table* table = tables_[db].get();
  if (table == nullptr) return {};
  const KeyForm form{KeyRole::kSession, id.codec};
  return table->find(session_hash, [&](const Entry& e) { return e.form() == form && e.key() == id.bytes; });
}

void PendingIds::add(Access& access, Shard& shard, uint64_t session_hash, PackedId id, uint64_t set_hash,
                     int64_t deadline_ms) {
  CLOAKROOM_ASSERT(access.guard().holds(shard.index));
  PendingIds& pending = shard.pending;
  const uint32_t db = access.db();
  std::unique_ptr<Table>& table = pending.tables_[db];
  if (table == nullptr) {
    table = access.keyspace().new_table(shard);
    table->set_db(db);
  }
  const int64_t deadline = std::min(deadline_ms, Entry::kMaxShortDeadline);
  Place place = pending.find(db, session_hash, id);
  if (!place) {
    const bool extended = Entry::needs_extension(id.bytes.size(), deadline);
    const Handle handle = shard.arena.allocate(Entry::bytes_for(id.bytes.size(), extended, true, 0));
    table->entry(handle)->init({KeyRole::kSession, id.codec}, id.bytes, Kind::kNone, extended, true);
    place = table->insert(session_hash, handle);
    pending.count(1);
  }
  Entry& entry = *table->entry(place);
  add_link(shard, entry, set_hash);
  if (deadline <= entry.deadline_ms()) return;
  entry.set_deadline_ms(deadline);
  table->file_deadline(place, deadline, access.now_ms());
}

void PendingIds::remove(Access& access, Shard& shard, uint64_t session_hash, PackedId id, uint64_t set_hash) {
  CLOAKROOM_ASSERT(access.guard().holds(shard.index));
  if (shard.pending.empty()) return;
  const Place place = shard.pending.find(access.db(), session_hash, id);
  if (!place) return;
  Table& table = *shard.pending.tables_[access.db()];
  drop_link(shard, *table.entry(place), set_hash);
  if (link_count(*table.entry(place)) == 0) erase(access, shard, table, place);
}

std::vector<uint64_t> PendingIds::sets_of(uint32_t db, uint64_t session_hash, PackedId id) const {
  if (empty()) return {};
  const Place place = find(db, session_hash, id);
  return place ? links_of(*tables_[db]->entry(place)) : std::vector<uint64_t>{};
}

void PendingIds::hand_over(Access& access, Shard& shard, const KeyRef& key, Entry& session) {
  if (shard.pending.empty()) return;
  const Place place = shard.pending.find(access.db(), key.hash(), key.id());
  if (!place) return;
  Table& table = *shard.pending.tables_[access.db()];
  move_links(*table.entry(place), session);
  erase(access, shard, table, place);
}

void PendingIds::erase(Access& access, Shard& shard, Table& table, const Place& place) {
  CLOAKROOM_ASSERT(access.guard().holds(shard.index) && shard.pending.owns(table));
  Entry& entry = *table.entry(place);
  const size_t bytes = entry.total_bytes();
  const Handle handle = place.handle();
  clear_links(shard, entry);
  table.erase(place, table.hash_of(entry));
  shard.arena.free(handle, bytes);
  shard.pending.count(-1);
  access.settle_later(table);
}

void PendingIds::release_empty_tables() {
  for (std::unique_ptr<Table>& table : tables_) {
    if (table != nullptr && table->size() == 0) table.reset();
  }
}

void PendingIds::shift(int64_t by_ms, int64_t now_ms) {
  for (const std::unique_ptr<Table>& table : tables_) {
    if (table == nullptr) continue;
    table->for_each([&](const Place& place) {
      Entry& entry = *table->entry(place);
      const int64_t deadline = std::clamp<int64_t>(entry.deadline_ms() + by_ms, 1, Entry::kMaxShortDeadline);
      entry.set_deadline_ms(deadline);
      table->file_deadline(place, deadline, now_ms);
    });
  }
}

std::unique_ptr<Table> PendingIds::detach(uint32_t db) {
  if (tables_[db] != nullptr) count(-static_cast<int64_t>(tables_[db]->size()));
  return std::move(tables_[db]);
}

void PendingIds::swap_dbs(uint32_t a, uint32_t b) {
  std::swap(tables_[a], tables_[b]);
  for (const uint32_t db : {a, b}) {
    if (tables_[db] != nullptr) tables_[db]->set_db(db);
  }
}

}  // namespace cloakroom::storage
