#include "storage/keyspace/keyspace_walk.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "storage/base/assert.h"
#include "storage/base/glob.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::storage {
namespace {

constexpr int kShardShift = 38;  // of a SCAN cursor: what Table::scan uses below it
constexpr uint64_t kTableCursorMask = (uint64_t{1} << kShardShift) - 1;
constexpr uint64_t kBucketsPerScan = 16384;  // bound for a large and sparse keyspace: ~0.2 ms
constexpr size_t kUniformBelow = 64;         // keys of a table drawn from by counting
constexpr int kDrawsBeforeWalk = 32;         // random keys found expired before all are looked at
constexpr size_t kReclaimSlice = 1024;       // entries freed under one hold of a guard: ~0.1 ms

// One shard's guard for the length of a scope, or the guards the caller holds anyway.
class Visit {
 public:
  Visit(Access& access, uint32_t shard) : guard_(access.guard()), own_(!guard_.holds(shard)) {
    if (!own_) return;
    CLOAKROOM_ASSERT(guard_.held().empty());
    guard_.take(shard);
  }
  ~Visit() {
    if (own_) guard_.release();
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  Guard& guard_;
  bool own_;
};

const Table* table_of(const Access& access, const Shard& shard) { return shard.tables[access.db()].get(); }

bool holds_all(Access& access) {
  for (uint32_t i = 0; i < access.keyspace().shard_count(); ++i) {
    if (!access.guard().holds(i)) return false;
  }
  return true;
}

const Entry* find_watched(const Table* table, uint64_t hash, KeyForm form, std::string_view stored) {
  if (table == nullptr) return nullptr;
  const Place place =
      table->find(hash, [&](const Entry& e) { return e.form() == form && e.key() == stored; });
  return place ? table->entry(place) : nullptr;
}

// Marks the watchers of the keys of `db` that are in its table or in the one about to take its place (null:
// nothing does). A key that was expired when its watch began, and is gone or expired afterwards, has not
// changed.
void touch_watchers(Access& access, Shard& shard, uint32_t db, const Table* replacement) {
  if (shard.watches.empty()) return;
  const Table* table = shard.tables[db].get();
  shard.watches.touch_all(db, [&](uint64_t hash, KeyForm form, std::string_view stored, bool& already_gone) {
    const Entry* before = find_watched(table, hash, form, stored);
    const Entry* after = find_watched(replacement, hash, form, stored);
    if (before == nullptr && after == nullptr) return false;
    const bool expired_after = after != nullptr && after->expired(access.now_ms());
    const bool was_gone = already_gone;
    already_gone = expired_after && (was_gone || before == nullptr);
    if (was_gone) return after != nullptr && !expired_after;
    return before != nullptr || !expired_after;
  });
}

void set_aside(Access& access, Shard& shard, std::unique_ptr<Table> table) {
  if (table == nullptr) return;
  table->set_db(Table::kDetached);
  shard.detached.push_back(std::move(table));
  access.keyspace().leftovers.fetch_add(1, std::memory_order_relaxed);
}

uint64_t detach_table(Access& access, Shard& shard, uint32_t db) {
  touch_watchers(access, shard, db, nullptr);
  const uint64_t keys = shard.tables[db] == nullptr ? 0 : shard.tables[db]->size();
  shard.version += shard.tables[db] != nullptr;
  set_aside(access, shard, std::move(shard.tables[db]));
  set_aside(access, shard, shard.pending.detach(db));
  return keys;
}

// The counterpart of what Access counts when it creates and ends keys.
void uncount(Shard& shard, const Entry& entry, Type type) {
  if (entry.kind() == Kind::kNone) return;
  if (entry.role() == KeyRole::kUserSessions && type == Type::kSet) --shard.counts.user_sets;
  if (entry.role() != KeyRole::kSession || (type != Type::kString && type != Type::kHash)) return;
  --shard.counts.sessions;
  if (entry.has(Entry::kHasLink)) ++shard.counts.sessions_ended[static_cast<size_t>(EndCause::kFlushed)];
}

uint64_t count_expired(Shard& shard, const Table& table, int64_t now_ms) {
  uint64_t expired = 0;
  if (!shard.wheel.may_be_due(now_ms)) return 0;
  shard.wheel.visit_due(now_ms, [&](BucketRef ref) {
    Segment& segment = shard.segments.segment(ref);
    if (segment.table != &table) return;
    const Bucket& bucket = segment.buckets[ref & 63];
    for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
      const Entry* entry = table.entry(bucket.slots[static_cast<size_t>(std::countr_zero(used))]);
      expired += entry->expired(now_ms);
    }
  });
  return expired;
}

const Entry* draw(Access& access, const Table& table) {
  if (table.size() > kUniformBelow) return table.entry(table.sample(access.random()));
  const Entry* drawn = nullptr;
  uint64_t seen = 0;
  table.for_each([&](const Place& place) {
    const Entry* entry = table.entry(place);
    if (!entry->expired(access.now_ms()) && access.random() % ++seen == 0) drawn = entry;
  });
  return drawn;
}

// The first live key, for a keyspace in which nearly all keys are expired.
bool any_key(Access& access, std::string& out) {
  Keyspace& keyspace = access.keyspace();
  for (uint32_t i = 0; i < keyspace.shard_count(); ++i) {
    const Visit visit(access, i);
    const Table* table = table_of(access, keyspace.shard(i));
    if (table == nullptr) continue;
    const Entry* found = nullptr;
    table->for_each([&](const Place& place) {
      const Entry* entry = table->entry(place);
      if (found == nullptr && !entry->expired(access.now_ms())) found = entry;
    });
    if (found == nullptr) continue;
    access.schema().append_text(found->form(), found->key(), out);
    return true;
  }
  return false;
}

}  // namespace

KeyFilter::KeyFilter(const KeySchema& schema, std::string_view pattern, uint8_t types)
    : schema_(schema),
      pattern_(pattern),
      literal_(pattern.substr(0, std::min(pattern.find_first_of("*?[\\"), pattern.size()))),
      all_(pattern == "*"),
      only_prefix_(pattern.size() == literal_.size() + 1 && pattern.back() == '*'),
      types_(types) {
  for (const KeyRole role : {KeyRole::kPlain, KeyRole::kSession, KeyRole::kUserSessions}) {
    by_role_[static_cast<size_t>(role)] = decide(role);
  }
}

KeyFilter::Answer KeyFilter::decide(KeyRole role) const {
  if (all_) return Answer::kAlways;
  if (role == KeyRole::kPlain) return Answer::kByText;
  const std::string_view prefix = schema_.prefix(role);
  if (prefix.starts_with(literal_)) return only_prefix_ ? Answer::kAlways : Answer::kByText;
  return literal_.starts_with(prefix) ? Answer::kByText : Answer::kNever;
}

void KeyFilter::take(const Entry& entry, int64_t now_ms, TextList& out) const {
  const KeyForm form = entry.form();
  const Answer answer = by_role_[static_cast<size_t>(form.role)];
  if (answer == Answer::kNever || entry.expired(now_ms)) return;
  if (types_ != kAnyType && (types_ >> static_cast<unsigned>(entry.type()) & 1) == 0) return;
  const bool plain = form.role == KeyRole::kPlain;
  if (plain && answer == Answer::kByText) {
    const std::string_view key = entry.key();
    if (!key.starts_with(literal_) || (!only_prefix_ && !glob_match(pattern_, key))) return;
  }
  std::string& buffer = out.buffer();
  const size_t begin = buffer.size();
  schema_.append_text(form, entry.key(), buffer);
  if (!plain && answer == Answer::kByText && !glob_match(pattern_, std::string_view(buffer).substr(begin))) {
    buffer.resize(begin);
    return;
  }
  out.close();
}

uint64_t count_keys(Access& access, bool alive_only) {
  Keyspace& keyspace = access.keyspace();
  uint64_t keys = 0;
  for (uint32_t i = 0; i < keyspace.shard_count(); ++i) {
    const Visit visit(access, i);
    Shard& shard = keyspace.shard(i);
    const Table* table = table_of(access, shard);
    if (table == nullptr) continue;
    keys += table->size();
    if (alive_only && table->volatile_size() > 0) keys -= count_expired(shard, *table, access.now_ms());
  }
  return keys;
}

void list_keys(Access& access, const KeyFilter& filter, const std::function<bool(const TextList&)>& emit) {
  Keyspace& keyspace = access.keyspace();
  TextList found;
  for (uint32_t i = 0; i < keyspace.shard_count(); ++i) {
    found.clear();
    {
      const Visit visit(access, i);
      const Table* table = table_of(access, keyspace.shard(i));
      if (table == nullptr) continue;
      table->for_each([&](const Place& place) { filter.take(*table->entry(place), access.now_ms(), found); });
    }
    if (!emit(found)) return;
  }
}

uint64_t scan_keys(Access& access, uint64_t cursor, uint64_t count, const KeyFilter& filter, TextList& out) {
  Keyspace& keyspace = access.keyspace();
  if (cursor >> kShardShift >= keyspace.shard_count()) return 0;
  auto number = static_cast<uint32_t>(cursor >> kShardShift);
  uint64_t at = cursor & kTableCursorMask;
  const uint64_t many = std::min(count, std::numeric_limits<uint64_t>::max() / 32);
  uint64_t buckets_left = many * 10 + kBucketsPerScan;
  uint64_t seen = 0;
  for (; number < keyspace.shard_count(); ++number, at = 0) {
    const Visit visit(access, number);
    const Table* table = table_of(access, keyspace.shard(number));
    if (table == nullptr || table->size() == 0) continue;
    do {
      at = table->scan(at, [&](const Entry& entry) {
        ++seen;
        filter.take(entry, access.now_ms(), out);
      });
      --buckets_left;
      if (out.memory_bytes() >= kMostScanBytes) buckets_left = 0;
    } while (at != 0 && seen < count && buckets_left > 0);
    if (at != 0) return static_cast<uint64_t>(number) << kShardShift | at;
    if (seen >= count || buckets_left == 0) {
      return number + 1 < keyspace.shard_count() ? static_cast<uint64_t>(number + 1) << kShardShift : 0;
    }
  }
  return 0;
}

bool random_key(Access& access, std::string& out) {
  Keyspace& keyspace = access.keyspace();
  const uint32_t shards = keyspace.shard_count();
  std::vector<uint64_t> sums(shards);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < shards; ++i) {
    const Visit visit(access, i);
    const Table* table = table_of(access, keyspace.shard(i));
    sums[i] = sum += table == nullptr ? 0 : table->size();
  }
  if (sum == 0) return false;
  for (int draws = 0; draws < kDrawsBeforeWalk; ++draws) {
    const auto at = std::upper_bound(sums.begin(), sums.end(), access.random() % sum) - sums.begin();
    const Visit visit(access, static_cast<uint32_t>(at));
    const Table* table = table_of(access, keyspace.shard(static_cast<uint32_t>(at)));
    if (table == nullptr || table->size() == 0) continue;  // emptied meanwhile
    const Entry* entry = draw(access, *table);
    if (entry == nullptr || entry->expired(access.now_ms())) continue;
    access.schema().append_text(entry->form(), entry->key(), out);
    return true;
  }
  return any_key(access, out);
}

uint64_t flush_db(Access& access) {
  CLOAKROOM_ASSERT(holds_all(access));
  uint64_t keys = 0;
  for (Shard* shard : access.keyspace().shards()) keys += detach_table(access, *shard, access.db());
  access.counters().changes.add(keys);
  access.effect({"FLUSHDB"});
  return keys;
}

uint64_t flush_all(Access& access) {
  CLOAKROOM_ASSERT(holds_all(access));
  uint64_t keys = 0;
  for (Shard* shard : access.keyspace().shards()) {
    for (uint32_t db = 0; db < access.keyspace().databases(); ++db) keys += detach_table(access, *shard, db);
  }
  access.counters().changes.add(keys);
  access.effect({"FLUSHALL"});
  return keys;
}

void swap_databases(Access& access, uint32_t a, uint32_t b) {
  CLOAKROOM_ASSERT(holds_all(access) && a < access.keyspace().databases() &&
                   b < access.keyspace().databases());
  for (Shard* shard : access.keyspace().shards()) {
    if (a == b) break;
    auto& first = shard->tables[a];
    auto& second = shard->tables[b];
    touch_watchers(access, *shard, a, second.get());
    touch_watchers(access, *shard, b, first.get());
    first.swap(second);
    if (first != nullptr) first->set_db(a);
    if (second != nullptr) second->set_db(b);
    shard->pending.swap_dbs(a, b);
    for (DepartedSet& set : shard->departed) {
      if (set.db == a || set.db == b) set.db = set.db == a ? b : a;
    }
    ++shard->version;
  }
  access.counters().changes.add();
  const std::string a_text = std::to_string(a);
  const std::string b_text = std::to_string(b);
  access.effect({"SWAPDB", a_text, b_text});
}

size_t reclaim_leftovers(Access& access, Shard& shard, size_t budget) {
  size_t freed = 0;
  size_t left = budget;
  while (left > 0 && !shard.detached.empty()) {
    Table& table = *shard.detached.front();
    const size_t done = table.drain(left, [&](Entry& entry, Handle handle) {
      const size_t total = entry.total_bytes();
      uncount(shard, entry, entry.type());
      access.discard(shard, entry.kind(), entry.value());
      if (entry.has(Entry::kHasLink)) clear_links(shard, entry);
      shard.arena.free(handle, total);
      ++freed;
    });
    left -= std::min(left, done);
    if (!table.drained()) continue;
    shard.detached.pop_front();
    access.keyspace().leftovers.fetch_sub(1, std::memory_order_relaxed);
  }
  if (left > 0 && !shard.departed.empty()) freed += SessionIndex::tell_departed(access, shard, left);
  return freed;
}

void reclaim_flushed(Access& access) {
  CLOAKROOM_ASSERT(access.guard().held().empty());
  for (Shard* shard : access.keyspace().shards()) {
    for (bool more = true; more;) {
      access.guard().take(shard->index);
      reclaim_leftovers(access, *shard, kReclaimSlice);
      more = !shard->detached.empty();
      access.finish();
    }
  }
}

}  // namespace cloakroom::storage
