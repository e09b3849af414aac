#include "storage/keyspace/session_index.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "storage/base/assert.h"

namespace cloakroom::storage {
namespace {

constexpr size_t kPruneAbove = 16;  // links of one session, before stale ones are looked for

// No overflow: a wait of any length ends some day.
int64_t later(int64_t now_ms, int64_t wait_ms) {
  int64_t sum = 0;
  return __builtin_add_overflow(now_ms, wait_ms, &sum) ? INT64_MAX : sum;
}

bool is_set(const Entry& entry) { return entry.type() == Type::kSet; }

const SetOps& set_ops(const Entry& set) { return set_ops(set.kind()); }

bool contains(const Entry& set, PackedId id) { return set_ops(set).contains_id(set, id); }

bool is_live_session(const Entry& entry, int64_t now_ms) {
  return !is_set(entry) && (entry.type() == Type::kString || entry.type() == Type::kHash) &&
         !entry.expired(now_ms);
}

}  // namespace

Found SessionIndex::find_session(Access& access, uint64_t hash, PackedId id) {
  Shard& shard = access.keyspace().shard(access.keyspace().shard_of(hash));
  CLOAKROOM_ASSERT(access.guard().holds(shard.index));
  Table* table = shard.tables[access.db()].get();
  Found found{&shard, table, {}, nullptr};
  if (table == nullptr) return found;
  const KeyForm form{KeyRole::kSession, id.codec};
  found.place = table->find(hash, [&](const Entry& e) { return e.form() == form && e.key() == id.bytes; });
  if (found.place) found.entry = table->entry(found.place);
  return found;
}

Found SessionIndex::find_set(Access& access, uint64_t hash) {
  Shard& shard = access.keyspace().shard(access.keyspace().shard_of(hash));
  CLOAKROOM_ASSERT(access.guard().holds(shard.index));
  Table* table = shard.tables[access.db()].get();
  Found found{&shard, table, {}, nullptr};
  if (table == nullptr) return found;
  found.place = table->find(hash, [&](const Entry& e) {
    return e.role() == KeyRole::kUserSessions && is_set(e) && table->hash_of(e) == hash;
  });
  if (found.place) found.entry = table->entry(found.place);
  return found;
}

void SessionIndex::session_created(Access& access, const KeyRef& key, Entry& entry) {
  Shard& shard = access.shard_for(key);
  ++shard.counts.sessions_created;
  PendingIds::hand_over(access, shard, key, entry);
}

void SessionIndex::member_added(Access& access, const KeyRef& set, PackedId member) {
  member_added(access, set, member, access.keyspace().settings().pending_ms.load(std::memory_order_relaxed));
}

void SessionIndex::member_added(Access& access, const KeyRef& set, PackedId member, int64_t wait_ms) {
  const uint64_t hash = access.schema().session_hash(member);
  const Found session = find_session(access, hash, member);
  if (session && is_live_session(*session.entry, access.now_ms())) {
    if (add_link(*session.shard, *session.entry, set.hash())) prune_links(access, session, member);
    return;
  }
  // One that stands there expired: a link left from an earlier membership must not take this id out with it.
  if (session && session->has(Entry::kHasLink)) drop_link(*session.shard, *session.entry, set.hash());
  PendingIds::add(access, *session.shard, hash, member, set.hash(), later(access.now_ms(), wait_ms));
}

// Links left by sets that dropped the id unseen would add up: drops those that are known to be stale.
void SessionIndex::prune_links(Access& access, const Found& session, PackedId id) {
  if (link_count(*session.entry) <= kPruneAbove) return;
  for (const uint64_t hash : links_of(*session.entry)) {
    if (!access.guard().try_add(access.keyspace().shard_of(hash))) continue;
    const Found set = find_set(access, hash);
    if (!set || !contains(*set.entry, id)) drop_link(*session.shard, *session.entry, hash);
  }
}

void SessionIndex::member_removed(Access& access, const KeyRef& set, PackedId member) {
  const uint64_t hash = access.schema().session_hash(member);
  const uint32_t shard = access.keyspace().shard_of(hash);
  if (!access.guard().try_add(shard)) return;  // a stale link does no harm
  const Found session = find_session(access, hash, member);
  if (session && session->has(Entry::kHasLink)) drop_link(*session.shard, *session.entry, set.hash());
  PendingIds::remove(access, *session.shard, hash, member, set.hash());
}

void SessionIndex::added(Access& access, const KeyRef& set, std::string_view member) {
  if (!concerns(access, set)) return;
  char buffer[kMaxPackedId];
  member_added(access, set, pack_id(member, buffer));
}

void SessionIndex::removed(Access& access, const KeyRef& set, std::string_view member) {
  if (!concerns(access, set)) return;
  char buffer[kMaxPackedId];
  member_removed(access, set, pack_id(member, buffer));
}

void SessionIndex::collect_link_shards(Access& access, const KeyRef& key, ShardSet& shards) {
  const Keyspace& keyspace = access.keyspace();
  const Found found = access.find_raw(key, true);
  if (found && found->has(Entry::kHasLink)) {
    shards.add(keyspace.shards_of(links_of(*found.entry)));
  }
  shards.add(keyspace.shards_of(access.shard_for(key).pending.sets_of(access.db(), key.hash(), key.id())));
}

void SessionIndex::end_if_due(Access& access, uint64_t hash, PackedId id, ShardSet& missing) {
  const uint32_t shard = access.keyspace().shard_of(hash);
  if (!access.keyspace().shard(shard).wheel.may_be_due(access.now_ms())) return;
  ShardSet wanted;
  wanted.add(shard);
  if (!access.guard().try_add(wanted, missing)) return;
  Found session = find_session(access, hash, id);
  if (!session || !session->expired(access.now_ms())) return;
  if (session->has(Entry::kHasLink)) wanted.add(access.keyspace().shards_of(links_of(*session.entry)));
  if (!access.guard().try_add(wanted, missing)) return;
  std::string text;
  access.end(session, access.schema().reference({KeyRole::kSession, id.codec}, id.bytes, hash, text),
             EndCause::kExpired);
}

void SessionIndex::end_due(Access& access, std::span<const std::string_view> ids, ShardSet& missing) {
  char buffer[kMaxPackedId];
  for (const std::string_view text : ids) {
    const PackedId id = pack_id(text, buffer);
    end_if_due(access, access.schema().session_hash(id), id, missing);
  }
}

void SessionIndex::end_due_members(Access& access, const KeyRef& key, ShardSet& missing) {
  const Found found = access.peek(key);
  if (!found || !is_set(*found.entry)) return;
  const Keyspace& keyspace = access.keyspace();
  struct Suspect {
    uint64_t hash;
    IdCodec codec;
    std::string id;
  };
  std::vector<Suspect> suspects;  // copies: ending one changes the set
  set_ops(*found.entry).for_each_id(*found.entry, [&](PackedId id) {
    const uint64_t hash = keyspace.schema().session_hash(id);
    if (!keyspace.shard(keyspace.shard_of(hash)).wheel.may_be_due(access.now_ms())) return;
    suspects.push_back({hash, id.codec, std::string(id.bytes)});
  });
  for (const Suspect& suspect : suspects) {
    end_if_due(access, suspect.hash, {suspect.codec, suspect.id}, missing);
  }
}

void SessionIndex::leave_sets(Access& access, PackedId id, std::span<const uint64_t> set_hashes) {
  std::string member;
  append_unpacked(id, member);
  for (const uint64_t hash : set_hashes) {
    Found set = find_set(access, hash);
    if (!set || set->expired(access.now_ms())) continue;
    std::string text;
    const KeyRef key = access.schema().reference(set->form(), set->key(), hash, text);
    if (!set_ops(*set.entry).remove_id(access, set, key, id)) continue;
    access.changed(key, EventClass::kSet, "srem", {"SREM", text, member});
    if (set_ops(*set.entry).size(*set.entry) == 0) access.end(set, key, EndCause::kDeleted);
  }
}

bool SessionIndex::end_pending(Access& access, Shard& shard, Table& table, const Place& place,
                               ShardSet& missing) {
  const Entry& entry = *table.entry(place);
  const std::vector<uint64_t> sets = links_of(entry);
  if (!access.guard().try_add(access.keyspace().shards_of(sets), missing)) return false;
  const std::string id(entry.key());
  const IdCodec codec = entry.form().codec;
  access.select(table.db());
  PendingIds::erase(access, shard, table, place);
  shard.counts.index_repairs += sets.size();
  leave_sets(access, {codec, id}, sets);
  return true;
}

bool SessionIndex::set_departed(Access& access, Shard& shard, const Entry& set) {
  CLOAKROOM_ASSERT(is_set(set) && set.role() == KeyRole::kUserSessions);
  const auto waits = [](const Shard* other) { return !other->pending.empty(); };
  const auto& shards = access.keyspace().shards();
  if (set_ops(set).size(set) == 0 || std::none_of(shards.begin(), shards.end(), waits)) return false;
  const uint64_t hash = access.schema().hash(set.form(), set.key());
  shard.departed.push_back({access.db(), hash, set.kind(), {set.value(), set.value_bytes()}});
  access.keyspace().leftovers.fetch_add(1, std::memory_order_relaxed);
  return true;
}

// Whether the guard of the id's shard could be had.
bool SessionIndex::tell(Access& access, const DepartedSet& set, PackedId id) {
  const uint64_t hash = access.schema().session_hash(id);
  Shard& shard = access.keyspace().shard(access.keyspace().shard_of(hash));
  if (shard.pending.empty()) return true;
  if (!access.guard().try_add(shard.index)) return false;
  const Found again = find_set(access, set.set_hash);  // another under the same key
  if (!again || !contains(*again.entry, id)) PendingIds::remove(access, shard, hash, id, set.set_hash);
  return true;
}

size_t SessionIndex::tell_departed(Access& access, Shard& shard, size_t budget) {
  size_t told = 0;
  while (told < budget && !shard.departed.empty()) {
    DepartedSet& set = shard.departed.front();
    access.select(set.db);
    bool all = true;
    const SetOps& ops = set_ops(set.kind);
    const uint64_t next = ops.scan(set.kind, set.value.data(), set.cursor, [&](std::string_view member) {
      char buffer[kMaxPackedId];
      all = all && tell(access, set, pack_id(member, buffer));
      ++told;
    });
    if (!all) return told;
    set.cursor = next;
    if (next != 0) continue;
    access.discard(shard, set.kind, set.value.data());
    shard.departed.pop_front();
    access.keyspace().leftovers.fetch_sub(1, std::memory_order_relaxed);
  }
  return told;
}

}  // namespace cloakroom::storage
