#include "storage/session_index.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "storage/assert.h"
#include "storage/set_value.h"

namespace cloakroom::storage {
namespace {

using Links = std::vector<uint64_t>;
constexpr size_t kPruneAbove = 16;  // links of one session, before stale ones are looked for
constexpr size_t kLinksOverhead = sizeof(Links) + 32;  // and what the allocator takes

Links* many_links(const Entry& session) {
  CLOAKROOM_ASSERT(session.has(Entry::kHasLink) && session.has(Entry::kManyLinks));
  const uint64_t word = session.link();
  Links* links = nullptr;
  std::memcpy(&links, &word, sizeof links);
  return links;
}

// Keeps the shard's account of what the links of a session take.
class AccountLinks {
 public:
  AccountLinks(Shard& shard, const Entry& session)
      : shard_(shard), session_(session), before_(SessionIndex::link_bytes(session)) {}
  ~AccountLinks() { shard_.external_bytes += SessionIndex::link_bytes(session_) - before_; }
  AccountLinks(const AccountLinks&) = delete;
  AccountLinks& operator=(const AccountLinks&) = delete;

 private:
  Shard& shard_;
  const Entry& session_;
  size_t before_;
};

void free_links(Entry& session) {
  if (session.has(Entry::kManyLinks)) {
    const std::unique_ptr<Links> freed(many_links(session));
    session.set_flag(Entry::kManyLinks, false);
  }
  session.set_link(0);
}

void shrink(Links& links) {
  constexpr size_t kSmall = 16;
  if (links.capacity() > kSmall && links.capacity() / 4 >= links.size()) links.shrink_to_fit();
}

bool is_set(const Entry& entry) { return entry.type() == Type::kSet; }

bool is_live_session(const Entry& entry, int64_t now_ms) {
  return !is_set(entry) && (entry.type() == Type::kString || entry.type() == Type::kHash) &&
         !entry.expired(now_ms);
}

}  // namespace

std::vector<uint64_t> SessionIndex::links_of(const Entry& session) {
  if (session.has(Entry::kManyLinks)) return *many_links(session);
  if (session.link() == 0) return {};
  return {session.link()};
}

size_t SessionIndex::link_bytes(const Entry& session) {
  if (!session.has(Entry::kManyLinks)) return 0;
  return kLinksOverhead + many_links(session)->capacity() * sizeof(Links::value_type);
}

void SessionIndex::add_link(Shard& shard, Entry& session, uint64_t set_hash) {
  const AccountLinks account(shard, session);
  CLOAKROOM_ASSERT(session.has(Entry::kHasLink) && session.role() == KeyRole::kSession);
  if (session.has(Entry::kManyLinks)) {
    Links& links = *many_links(session);
    if (std::find(links.begin(), links.end(), set_hash) == links.end()) links.push_back(set_hash);
  } else if (session.link() == 0) {
    session.set_link(set_hash);
  } else if (session.link() != set_hash) {
    Links* links = std::make_unique<Links>(Links{session.link(), set_hash}).release();
    uint64_t word = 0;
    std::memcpy(&word, &links, sizeof links);
    session.set_link(word);
    session.set_flag(Entry::kManyLinks, true);
  }
}

void SessionIndex::drop_link(Shard& shard, Entry& session, uint64_t set_hash) {
  if (session.has(Entry::kManyLinks)) {
    const AccountLinks account(shard, session);
    Links& links = *many_links(session);
    std::erase(links, set_hash);
    if (links.empty()) {
      free_links(session);
    } else {
      shrink(links);
    }
  } else if (session.link() == set_hash) {
    session.set_link(0);
  }
}

void SessionIndex::clear_links(Shard& shard, Entry& session) {
  const AccountLinks account(shard, session);
  free_links(session);
}

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
  if (shard.pending.empty()) return;
  for (const uint64_t set_hash : shard.pending.take(access.db(), key.hash(), key.id()))
    add_link(shard, entry, set_hash);
}

void SessionIndex::member_added(Access& access, const KeyRef& set, PackedId member) {
  const uint64_t hash = access.schema().session_hash(member);
  const Found session = find_session(access, hash, member);
  if (session && is_live_session(*session.entry, access.now_ms())) {
    add_link(*session.shard, *session.entry, set.hash());
    if (session->has(Entry::kManyLinks)) prune_links(access, session, member);
    return;
  }
  // One that stands there expired: a link left from an earlier membership must not take this id out with it.
  if (session && session->has(Entry::kHasLink)) drop_link(*session.shard, *session.entry, set.hash());
  const int64_t wait_ms = access.keyspace().settings().pending_ms.load(std::memory_order_relaxed);
  session.shard->pending.add(access.db(), hash, member, set.hash(), access.now_ms() + wait_ms);
}

// Links left by sets that dropped the id unseen would add up: drops those that are known to be stale.
void SessionIndex::prune_links(Access& access, const Found& session, PackedId id) {
  const AccountLinks account(*session.shard, *session.entry);
  Links& links = *many_links(*session.entry);
  if (links.size() <= kPruneAbove) return;
  std::erase_if(links, [&](uint64_t hash) {
    if (!access.guard().try_add(access.keyspace().shard_of(hash))) return false;
    const Found set = find_set(access, hash);
    return !set || !set_contains_id(*set.entry, id);
  });
  shrink(links);
}

void SessionIndex::member_removed(Access& access, const KeyRef& set, PackedId member) {
  const uint64_t hash = access.schema().session_hash(member);
  const uint32_t shard = access.keyspace().shard_of(hash);
  if (!access.guard().holds(shard)) return;  // a stale link does no harm
  const Found session = find_session(access, hash, member);
  if (session && session->has(Entry::kHasLink)) drop_link(*session.shard, *session.entry, set.hash());
  PendingIds& pending = access.keyspace().shard(shard).pending;
  if (!pending.empty()) pending.remove(access.db(), hash, member, set.hash());
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
  const Found found = access.find_raw(key, true);
  std::vector<uint64_t> sets;
  if (found && found->has(Entry::kHasLink)) sets = links_of(*found.entry);
  const PendingIds& pending = access.shard_for(key).pending;
  if (!pending.empty()) pending.collect(access.db(), key.hash(), key.id(), sets);
  for (const uint64_t hash : sets) shards.add(access.keyspace().shard_of(hash));
}

bool SessionIndex::collect_due_shards(Access& access, const KeyRef& key, ShardSet& shards) {
  const Found found = access.peek(key);
  if (!found || !is_set(*found.entry)) return false;
  bool any = false;
  const Keyspace& keyspace = access.keyspace();
  if (set_size(*found.entry) > keyspace.shard_count()) {
    const auto may_be_due = [&](const Shard* shard) { return shard->wheel.may_be_due(access.now_ms()); };
    if (std::none_of(keyspace.shards().begin(), keyspace.shards().end(), may_be_due)) return false;
  }
  set_for_each_id(*found.entry, [&](PackedId id) {
    const uint64_t hash = keyspace.schema().session_hash(id);
    const uint32_t shard = keyspace.shard_of(hash);
    if (!keyspace.shard(shard).wheel.may_be_due(access.now_ms())) return;
    shards.add(shard);
    any = true;
    if (!access.guard().holds(shard)) return;
    const Found session = find_session(access, hash, id);
    if (!session || !session->has(Entry::kHasLink) || !session->expired(access.now_ms())) return;
    for (const uint64_t link : links_of(*session.entry)) shards.add(keyspace.shard_of(link));
  });
  return any;
}

void SessionIndex::end_due_members(Access& access, const KeyRef& key) {
  const Found found = access.peek(key);
  if (!found || !is_set(*found.entry)) return;
  std::vector<std::string> expired;
  set_for_each_id(*found.entry, [&](PackedId id) {
    const uint64_t hash = access.schema().session_hash(id);
    if (!access.guard().holds(access.keyspace().shard_of(hash))) return;
    const Found session = find_session(access, hash, id);
    if (!session || !session->expired(access.now_ms())) return;
    expired.push_back(access.schema().text({KeyRole::kSession, id.codec}, id.bytes));
  });
  for (const std::string& text : expired) {
    const KeyRef session_key = access.schema().make(text);
    Found session = access.find_raw(session_key, true);
    if (session) access.end(session, session_key, EndCause::kExpired);
  }
}

void SessionIndex::leave_sets(Access& access, PackedId id, std::span<const uint64_t> set_hashes) {
  std::string member;
  append_unpacked(id, member);
  for (const uint64_t hash : set_hashes) {
    Found set = find_set(access, hash);
    if (!set || set->expired(access.now_ms())) continue;
    const std::string text = access.schema().text(set->form(), set->key());
    const KeyRef key = access.schema().make(text);
    if (!set_remove_id(access, set, key, id)) continue;
    access.changed(key, EventClass::kSet, "srem", {"SREM", text, member});
    if (set_size(*set.entry) == 0) access.end(set, key, EndCause::kDeleted);
  }
}

void SessionIndex::drop_pending(Access& access, Shard& session_shard, const PendingIds::Due& due) {
  const PackedId id{due.codec, due.id};
  session_shard.pending.remove(due.db, due.session_hash, id, due.set_hash);
  access.select(due.db);
  ++session_shard.counts.index_repairs;
  leave_sets(access, id, std::span(&due.set_hash, 1));
}

}  // namespace cloakroom::storage
