#include "storage/keyspace/access.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "storage/base/assert.h"
#include "storage/keyspace/access_clock.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::storage {
namespace {

bool is_session_type(Kind kind) {
  return kind != Kind::kNone && (type_of(kind) == Type::kString || type_of(kind) == Type::kHash);
}

// What a command with very many keys needed is not kept.
template <class T>
void empty(std::vector<T>& items) {
  constexpr size_t kKeptItems = 1024;
  items.clear();
  if (items.capacity() > kKeptItems) items.shrink_to_fit();
}

}  // namespace

void Access::read_clock() {
  guard_.set_clock(keyspace_.now());
  lru_now_ = lru_clock(steady_ms());
}

Found Access::find_raw(const KeyRef& key, bool even_expired) {
  Shard& shard = shard_for(key);
  CLOAKROOM_ASSERT(guard_.holds(shard.index));
  Table* table = shard.tables[db_].get();
  Found found{&shard, table, {}, nullptr};
  if (table == nullptr) return found;
  const Place place = table->find(key);
  if (!place) return found;
  Entry* entry = table->entry(place);
  if (!even_expired && entry->expired(now_ms())) return found;
  found.place = place;
  found.entry = entry;
  return found;
}

Found Access::peek(const KeyRef& key) { return find_raw(key, false); }

Found Access::read(const KeyRef& key) {
  Found found = find_raw(key, true);
  if (found && !found->expired(now_ms())) {
    counters_.hits.add();
    touch(*found.entry);
    return found;
  }
  counters_.misses.add();
  if (found) {
    overdue_.emplace_back(db_, key.raw());
    found.entry = nullptr;
  } else {
    event(key, EventClass::kKeyMiss, "keymiss");
  }
  return found;
}

// Ends what was read after its deadline: not while the command holds what it has found. What may not end yet,
// or not without waiting, is its wheel's.
void Access::end_overdue() {
  const uint32_t selected = db_;
  const bool may_end = keyspace_.may_end_keys();
  for (const auto& [db, raw] : std::exchange(overdue_, {})) {
    const KeyRef key = schema().make(raw);
    select(db);
    Found found = find_raw(key, true);
    if (found && found->expired(now_ms()) && may_end && try_links(*found.entry)) {
      end(found, key, EndCause::kExpired);
    }
    event(key, EventClass::kKeyMiss, "keymiss");
  }
  select(selected);
}

Found Access::write(const KeyRef& key) {
  Found found = find_raw(key, true);
  if (!found) return found;
  if (found->expired(now_ms())) {
    end(found, key, EndCause::kExpired);
  } else {
    touch(*found.entry);
  }
  return found;
}

void Access::touch(Entry& entry) {
  if (!touch_) return;
  KeyspaceSettings& settings = keyspace_.settings();
  uint32_t access = lru_now_;
  if (is_lfu(settings.policy.load(std::memory_order_relaxed))) {
    const uint32_t decayed =
        lfu_decay(entry.access(), steady_ms(), settings.lfu_decay_minutes.load(std::memory_order_relaxed));
    const uint32_t factor = settings.lfu_log_factor.load(std::memory_order_relaxed);
    access = lfu_word(lfu_increment(decayed, factor, random()), steady_ms());
  }
  if (entry.access() != access) entry.set_access(access);  // spares the cache line when nothing changes
}

void Access::count_role(Shard& shard, KeyRole role, Kind before, Kind after) {
  if (role == KeyRole::kSession) {
    shard.counts.sessions +=
        static_cast<int>(is_session_type(after)) - static_cast<int>(is_session_type(before));
  } else if (role == KeyRole::kUserSessions) {
    const auto is_set = [](Kind kind) { return kind != Kind::kNone && type_of(kind) == Type::kSet; };
    shard.counts.user_sets += static_cast<int>(is_set(after)) - static_cast<int>(is_set(before));
  }
}

void Access::discard(Shard& shard, Kind kind, const char* value) {
  constexpr size_t kManyMembers = 128 << 10;  // bytes: ~3000 of them, ~1 ms
  const ValueOps& ops = value_ops(kind);
  const size_t outside = ops.external_bytes(value);
  CLOAKROOM_ASSERT(outside <= shard.external_bytes);
  shard.external_bytes -= outside;
  if (__builtin_expect(outside != 0, 0)) {
    if (Restater* restater = keyspace_.restater()) restater->discarded(shard, value);
  }
  if (__builtin_expect(outside >= kManyMembers, 0)) garbage_bytes_ += outside;
  ops.destroy(value, garbage_);
}

void Access::free_garbage() {
  if (__builtin_expect(garbage_bytes_ != 0, 0)) keyspace_.disposer().take(garbage_, garbage_bytes_);
  garbage_bytes_ = 0;
  empty(garbage_);
}

// Discards the value of a key that is a user-sessions set no more: ids may wait for it.
void Access::part_with_value(Shard& shard, Entry& entry) {
  const bool indexed = entry.role() == KeyRole::kUserSessions && keyspace_.session_index();
  if (indexed && entry.type() == Type::kSet && SessionIndex::set_departed(*this, shard, entry)) return;
  discard(shard, entry.kind(), entry.value());
}

char* Access::create(Found& found, const KeyRef& key, Kind kind, size_t bytes) {
  Shard& shard = shard_for(key);
  CLOAKROOM_ASSERT(guard_.holds(shard.index) && kind != Kind::kNone);
  announce(key.hash());
  if (ChangeHook* hook = keyspace_.change_hook(); __builtin_expect(hook != nullptr, 0))
    hook->before_create(db_, key);
  Table& table = keyspace_.table(shard, db_);
  const bool extended = Entry::needs_extension(key.stored().size(), 0);
  const bool link = key.role() == KeyRole::kSession && keyspace_.has_session_index();
  const Handle handle = shard.arena.allocate(Entry::bytes_for(key.stored().size(), extended, link, bytes));
  Entry* entry = table.entry(handle);
  entry->init(key.form(), key.stored(), kind, extended, link);
  entry->set_flag(Entry::kMarked, keyspace_.mark());
  const bool lfu = is_lfu(keyspace_.settings().policy.load(std::memory_order_relaxed));
  entry->set_access(lfu ? lfu_word(kLfuNewCounter, steady_ms()) : lru_now_);
  found = {&shard, &table, table.insert(key.hash(), handle), entry};
  count_role(shard, key.role(), Kind::kNone, kind);
  if (link && is_session_type(kind) && keyspace_.session_index()) {
    SessionIndex::session_created(*this, key, *entry);
  }
  event(key, EventClass::kNew, "new");
  return entry->value();
}

// Gives the entry room for a value part of `bytes` bytes; the old value part has been dealt with. Header,
// key, links and access stay; the deadline becomes `deadline_ms`, for which the caller keeps the volatile
// count.
char* Access::replace_block(Found& found, Kind kind, size_t old_total, size_t bytes, int64_t deadline_ms) {
  Entry& old = *found.entry;
  Shard& shard = *found.shard;
  CLOAKROOM_ASSERT(guard_.holds(shard.index) && found.table->entry(found.place) == &old);
  const size_t key_bytes = old.key_bytes();
  const bool extended = Entry::needs_extension(key_bytes, deadline_ms);
  const bool link = old.has(Entry::kHasLink);
  const size_t total = Entry::bytes_for(key_bytes, extended, link, bytes);
  if (extended == old.has(Entry::kExtended) && Arena::same_block(old_total, total)) {
    old.set_kind(kind);
    old.set_deadline_ms(deadline_ms);
    return old.value();
  }
  const Handle handle = shard.arena.allocate(total);
  Entry* fresh = found.table->entry(handle);
  fresh->init(old.form(), old.key(), kind, extended, link);
  fresh->set_access(old.access());
  fresh->set_flag(Entry::kMarked, old.has(Entry::kMarked));
  fresh->set_deadline_ms(deadline_ms);
  if (link) {
    fresh->set_link(old.link());
    fresh->set_flag(Entry::kManyLinks, old.has(Entry::kManyLinks));
  }
  shard.arena.free(found.place.handle(), old_total);
  found.place.handle() = handle;
  found.entry = fresh;
  return fresh->value();
}

char* Access::replace(Found& found, const KeyRef& key, Kind kind, size_t bytes, Deadline deadline,
                      bool drop) {
  if (!found) return create(found, key, kind, bytes);
  before_change(found, key.hash());
  Entry& old = *found.entry;
  const Kind old_kind = old.kind();
  const int64_t old_deadline = old.deadline_ms();
  const int64_t kept = deadline == Deadline::kKeep ? old_deadline : 0;
  std::vector<uint64_t> links;
  const bool indexed = old.has(Entry::kHasLink);
  if (indexed && is_session_type(old_kind) && !is_session_type(kind)) {
    links = hold_links(old);
    clear_links(*found.shard, old);
    ++found.shard->counts.sessions_ended[static_cast<size_t>(EndCause::kReplaced)];
  }
  const size_t old_total = old.total_bytes();
  if (drop && type_of(kind) == old.type()) discard(*found.shard, old.kind(), old.value());
  if (drop && type_of(kind) != old.type()) part_with_value(*found.shard, old);
  if (old_deadline != 0 && kept == 0) found.table->volatile_changed(-1);
  char* value = replace_block(found, kind, old_total, bytes, kept);
  count_role(*found.shard, key.role(), old_kind, kind);
  if (indexed && !is_session_type(old_kind) && is_session_type(kind) && keyspace_.session_index()) {
    SessionIndex::session_created(*this, key, *found.entry);
  }
  if (!links.empty()) SessionIndex::leave_sets(*this, key.id(), links);
  return value;
}

char* Access::emplace(Found& found, const KeyRef& key, Kind kind, size_t bytes, Deadline deadline) {
  return replace(found, key, kind, bytes, deadline, true);
}

char* Access::resize(Found& found, const KeyRef& key, Kind kind, size_t bytes) {
  return replace(found, key, kind, bytes, Deadline::kKeep, false);
}

void Access::set_deadline(Found& found, const KeyRef& key, int64_t deadline_ms) {
  Entry& entry = *found.entry;
  CLOAKROOM_ASSERT(guard_.holds(found.shard->index) && entry.matches(key) && deadline_ms >= 0);
  before_change(found, key.hash());
  const int64_t old = entry.deadline_ms();
  if (Entry::needs_extension(0, deadline_ms) && !entry.has(Entry::kExtended)) {
    const std::string value(entry.value(), entry.value_bytes());
    char* moved = replace_block(found, entry.kind(), entry.total_bytes(), value.size(), deadline_ms);
    std::memcpy(moved, value.data(), value.size());
  } else {
    entry.set_deadline_ms(deadline_ms);
  }
  if ((old != 0) != (deadline_ms != 0)) found.table->volatile_changed(deadline_ms != 0 ? 1 : -1);
  // The bucket is filed at the old deadline or before: a later one spares its timer's cache line.
  if (deadline_ms != 0 && (old == 0 || deadline_ms < old)) {
    found.table->file_deadline(found.place, deadline_ms, now_ms());
  }
}

// The links of a session about to end, once the guards of their sets are held. Throws GuardsNeeded.
std::vector<uint64_t> Access::hold_links(const Entry& session) {
  std::vector<uint64_t> links = links_of(session);
  ShardSet wanted;
  for (const uint64_t link : links) wanted.add(keyspace_.shard_of(link));
  if (!guard_.try_add(wanted)) {
    CLOAKROOM_ASSERT(changes_in_command_ == 0);
    throw GuardsNeeded{wanted};
  }
  return links;
}

// Whether the guards of a session's sets are held, or could be had at once.
bool Access::try_links(const Entry& entry) {
  return !entry.has(Entry::kHasLink) || entry.link() == 0 ||
         guard_.try_add(keyspace_.shards_of(links_of(entry)));
}

void Access::remove(Found& found, uint64_t hash, bool drop) {
  Entry& entry = *found.entry;
  Shard& shard = *found.shard;
  CLOAKROOM_ASSERT(guard_.holds(shard.index) && found.table->entry(found.place) == &entry);
  CLOAKROOM_ASSERT(found.table->hash_of(entry) == hash);
  before_change(found, hash);
  const size_t total = entry.total_bytes();
  if (drop) part_with_value(shard, entry);
  if (entry.has(Entry::kHasLink)) clear_links(shard, entry);
  if (entry.deadline_ms() != 0) found.table->volatile_changed(-1);
  count_role(shard, entry.role(), entry.kind(), Kind::kNone);
  const Handle handle = found.place.handle();
  found.table->erase(found.place, hash);
  shard.arena.free(handle, total);
  settle_later(*found.table);
  found.entry = nullptr;
}

void Access::end(Found& found, const KeyRef& key, EndCause cause) {
  CLOAKROOM_ASSERT(found && found->matches(key));
  const bool session = found->has(Entry::kHasLink) && is_session_type(found->kind());
  std::vector<uint64_t> links;
  if (session) {
    if (found->link() != 0) links = hold_links(*found.entry);
    ++found.shard->counts.sessions_ended[static_cast<size_t>(cause)];
  }
  remove(found, key.hash(), true);
  switch (cause) {
    case EndCause::kExpired:
      ++found.shard->counts.expired;
      changed_by_expiry(key);
      break;
    case EndCause::kEvicted:
      ++found.shard->counts.evicted;
      changed(key, EventClass::kEvicted, "evicted", {"DEL", key.raw()});
      break;
    case EndCause::kDeleted:
      changed(key, EventClass::kGeneric, "del", {"DEL", key.raw()});
      break;
    case EndCause::kReplaced:
    case EndCause::kFlushed:
    case EndCause::kCount:
      break;
  }
  if (!links.empty()) SessionIndex::leave_sets(*this, key.id(), links);
}

DetachedValue Access::detach(Found& found, const KeyRef& key) {
  CLOAKROOM_ASSERT(found && found->matches(key));
  const Entry& entry = *found.entry;
  DetachedValue out{entry.kind(), std::string(entry.value(), entry.value_bytes()), entry.deadline_ms()};
  std::vector<uint64_t> links;
  if (entry.has(Entry::kHasLink) && is_session_type(entry.kind())) {
    if (entry.link() != 0) links = hold_links(entry);
    ++found.shard->counts.sessions_ended[static_cast<size_t>(EndCause::kReplaced)];
  }
  found.shard->external_bytes -= value_ops(out.kind).external_bytes(out.bytes.data());
  remove(found, key.hash(), false);
  if (!links.empty()) SessionIndex::leave_sets(*this, key.id(), links);
  return out;
}

DetachedValue Access::copy(const Found& found) const {
  CLOAKROOM_ASSERT(guard_.holds(found.shard->index));
  const Entry& entry = *found.entry;
  return {entry.kind(), value_ops(entry.kind()).clone(entry.value()), entry.deadline_ms()};
}

void Access::attach(Found& found, const KeyRef& key, DetachedValue&& value) {
  CLOAKROOM_ASSERT(value.kind != Kind::kNone);
  char* out = emplace(found, key, value.kind, value.bytes.size(), Deadline::kClear);
  std::memcpy(out, value.bytes.data(), value.bytes.size());
  found.shard->external_bytes += value_ops(value.kind).external_bytes(value.bytes.data());
  if (value.deadline_ms != 0) set_deadline(found, key, value.deadline_ms);
  value.kind = Kind::kNone;
}

void Access::report(const KeyRef& key, EventClass event_class, std::string_view name, bool expired) {
  Shard& shard = shard_for(key);
  CLOAKROOM_ASSERT(guard_.holds(shard.index));
  CLOAKROOM_ASSERT(std::find(announced_.rbegin(), announced_.rend(), key.hash()) != announced_.rend());
  ++shard.version;
  ++changes_in_command_;
  counters_.changes.add();
  if (!shard.watches.empty()) {
    shard.watches.collect(db_, key, expired, changes_.marks());
    guard_.owe(true);
  }
  event(key, event_class, name);
}

void Access::changed(const KeyRef& key, EventClass event_class, std::string_view name,
                     std::span<const std::string_view> command) {
  report(key, event_class, name, false);
  effect(command);
}

void Access::changed(const KeyRef& key, EventClass event_class, std::string_view name,
                     std::initializer_list<EffectWord> command) {
  report(key, event_class, name, false);
  effect(command);
}

void Access::changed_by_expiry(const KeyRef& key) {
  report(key, EventClass::kExpired, "expired", true);
  effect({"DEL", key.raw()});
}

void Access::event(const KeyRef& key, EventClass event_class, std::string_view name) {
  const uint32_t wanted = keyspace_.settings().event_classes.load(std::memory_order_relaxed);
  if (__builtin_expect((wanted & static_cast<uint32_t>(event_class)) == 0, 1)) return;
  if (event_sink_ == nullptr || name.empty()) return;
  changes_.add_event(event_class, name, db_, key.raw());
  guard_.owe(true);
}

void Access::effect(std::initializer_list<EffectWord> command) {
  effect(std::span(command.begin(), command.size()));
}

void Access::effect(std::span<const EffectWord> command) {
  if (!wants_effects() || command.empty()) return;
  changes_.add_effect(db_, command);
  guard_.owe(true);
}

void Access::effect(std::span<const std::string_view> command) {
  if (!wants_effects() || command.empty()) return;
  changes_.add_effect(db_, command);
  guard_.owe(true);
}

void Access::hand_over() {
  if (__builtin_expect(guard_.owes(), 0)) hand_over_all();
  empty(announced_);
}

void Access::hand_over_all() {
  for (Watcher* watcher : changes_.marks()) watcher->dirty = true;
  EffectSink* effects = keyspace_.effect_sink();
  if (effects != nullptr && changes_.has_effects()) {
    const uint64_t position = effects->take_effects(changes_);
    guard_.held().for_each([&](uint32_t shard) { keyspace_.shard(shard).log_position = position; });
  }
  // Behind the effects: who delivers an event finds the log as long as it must be.
  if (changes_.has_events()) event_sink_->take_events(changes_);
  changes_.clear();
  guard_.owe(false);
}

void Access::watch(const KeyRef& key, Watcher& watcher) {
  const Found found = find_raw(key, true);
  shard_for(key).watches.add(db_, key, watcher, found && found.entry->expired(now_ms()));
}

bool Access::watched_expired(const KeyRef& key, const Watcher& watcher) {
  const Found found = find_raw(key, true);
  return found && found.entry->expired(now_ms()) && !shard_for(key).watches.already_gone(db_, key, watcher);
}

void Access::unwatch(uint32_t db, const KeyRef& key, Watcher& watcher) {
  shard_for(key).watches.remove(db, key, watcher);
}

void Access::finish() {
  if (__builtin_expect(!overdue_.empty(), 0)) end_overdue();
  for (Table* table : unsettled_) table->settle();
  if (!unsettled_.empty()) empty(unsettled_);
  hand_over();
  guard_.release();
  if (!garbage_.empty()) free_garbage();
  changes_in_command_ = 0;
}

void Access::prefetch_bucket(const KeyRef& key, bool for_writing) {
  const uint32_t shard = keyspace_.shard_of(key.hash());
  if (!guard_.try_add(shard)) return;
  if (const Table* table = keyspace_.shard(shard).tables[db_].get()) {
    table->prefetch_bucket(key.hash(), for_writing);
  }
  guard_.release_unseen();
}

void Access::prefetch_entry(const KeyRef& key) {
  const uint32_t shard = keyspace_.shard_of(key.hash());
  if (!guard_.try_add(shard)) return;
  if (const Table* table = keyspace_.shard(shard).tables[db_].get()) table->prefetch_entries(key.hash());
  guard_.release_unseen();
}

}  // namespace cloakroom::storage
