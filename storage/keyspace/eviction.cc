#include "storage/keyspace/eviction.h"

#include <algorithm>

#include "storage/base/assert.h"
#include "storage/keyspace/access_clock.h"
#include "storage/keyspace/keyspace_walk.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::storage {
namespace {

constexpr uint32_t kMostSamples = 64;      // of a table in one step, whatever maxmemory-samples says
constexpr size_t kReclaimSlice = 64;       // leftovers freed in one step
constexpr uint32_t kBucketsPerHold = 256;  // walked under one guard: ~10 us
constexpr int64_t kBarrenUs = 100'000;     // what a walk over the whole keyspace found is believed for

bool volatile_only(EvictionPolicy p) {
  return p == EvictionPolicy::kVolatileLru || p == EvictionPolicy::kVolatileLfu ||
         p == EvictionPolicy::kVolatileRandom || p == EvictionPolicy::kVolatileTtl;
}

// Whether every key of the shard is a user-sessions set.
bool only_user_sets(const Shard& shard) {
  size_t keys = 0;
  for (const auto& table : shard.tables) keys += table == nullptr ? 0 : table->size();
  return shard.detached.empty() && static_cast<int64_t>(keys) == shard.counts.user_sets;
}

int64_t end_of(int64_t begin_us, int64_t budget_us) {
  int64_t end_us = 0;
  return __builtin_add_overflow(begin_us, budget_us, &end_us) ? INT64_MAX : end_us;
}

}  // namespace

bool Evictor::allowed(const Entry& entry, bool spare_user_sets) const {
  if (volatile_only(policy_) && entry.deadline_ms() == 0) return false;
  return !(spare_user_sets && entry.role() == KeyRole::kUserSessions && entry.type() == Type::kSet);
}

uint64_t Evictor::score(const Entry& entry) {
  switch (policy_) {
    case EvictionPolicy::kAllKeysLru:
    case EvictionPolicy::kVolatileLru:
      return static_cast<uint64_t>(idle_ms(entry.access(), access_.steady_ms()));
    case EvictionPolicy::kAllKeysLfu:
    case EvictionPolicy::kVolatileLfu: {
      const uint32_t minutes =
          access_.keyspace().settings().lfu_decay_minutes.load(std::memory_order_relaxed);
      return 255 - lfu_decay(entry.access(), access_.steady_ms(), minutes);
    }
    case EvictionPolicy::kVolatileTtl:
      return UINT64_MAX - static_cast<uint64_t>(entry.deadline_ms());
    case EvictionPolicy::kAllKeysRandom:
    case EvictionPolicy::kVolatileRandom:
    case EvictionPolicy::kNoEviction:
      break;
  }
  return access_.random();
}

void Evictor::consider(const Entry& entry, uint32_t db) {
  if (!allowed(entry, spares_)) return;
  const uint64_t rank = score(entry);
  if (pool_.size() >= kPoolSize && rank <= pool_.front().score) return;
  std::string text = access_.schema().text(entry.form(), entry.key());
  const auto same = [&](const Candidate& c) { return c.db == db && c.key == text; };
  if (std::any_of(pool_.begin(), pool_.end(), same)) return;
  if (pool_.size() >= kPoolSize) pool_.erase(pool_.begin());
  const auto at = std::upper_bound(pool_.begin(), pool_.end(), rank,
                                   [](uint64_t r, const Candidate& c) { return r < c.score; });
  pool_.insert(at, {rank, db, std::move(text)});
}

void Evictor::sample_table(Table& table) {
  const uint32_t samples = std::min(samples_, kMostSamples);
  for (uint32_t i = 0; i < samples; ++i) {
    const Place place = table.sample(access_.random());
    if (!place) return;
    consider(*table.entry(place), table.db());
  }
}

void Evictor::sample() {
  Keyspace& keyspace = access_.keyspace();
  const uint32_t rounds = std::min(kShardsPerRound, keyspace.shard_count());
  for (uint32_t i = 0; i < rounds; ++i) {
    Shard& shard = keyspace.shard(static_cast<uint32_t>(access_.random() % keyspace.shard_count()));
    if (!access_.guard().try_take(shard.index)) continue;
    for (const auto& table : shard.tables) {
      if (table == nullptr || table->size() == 0) continue;
      if (!volatile_only(policy_) || table->volatile_size() > 0) sample_table(*table);
    }
    access_.guard().release_unchanged();
  }
}

// Goes on in the shard, whose guard is held, for a bounded time. True when nothing of it is left to be seen.
bool Evictor::walk_shard(Shard& shard) {
  if (spares_ && only_user_sets(shard)) return true;
  uint32_t buckets = kBucketsPerHold;
  for (; walk_db_ < shard.tables.size(); ++walk_db_, walk_cursor_ = 0) {
    const Table* table = shard.tables[walk_db_].get();
    if (table == nullptr || table->size() == 0) continue;
    if (volatile_only(policy_) && table->volatile_size() == 0) continue;
    do {
      if (buckets-- == 0 || pool_.size() >= kPoolSize) return false;
      walk_cursor_ = table->scan(walk_cursor_, [&](const Entry& entry) { consider(entry, walk_db_); });
    } while (walk_cursor_ != 0);
  }
  return true;
}

// kNothing once all shards have been seen and nothing in them may go.
Evictor::Step Evictor::walk() {
  const uint32_t shards = access_.keyspace().shard_count();
  if (walk_left_ == 0) walk_left_ = shards;
  while (walk_left_ > 0) {
    Shard& shard = access_.keyspace().shard(walk_shard_);
    if (!access_.guard().try_take(shard.index)) return Step::kBusy;
    const bool seen = walk_shard(shard);
    access_.guard().release_unchanged();
    if (seen) {
      walk_shard_ = (walk_shard_ + 1) % shards;
      walk_db_ = 0;
      walk_cursor_ = 0;
      --walk_left_;
    }
    if (!pool_.empty()) walk_left_ = 0;
    if (!pool_.empty() || !seen) return Step::kDone;
  }
  return Step::kNothing;
}

Evictor::Step Evictor::find_candidates() {
  if (spares_) {
    sample();
    if (!pool_.empty()) return Step::kDone;
  } else if (!pool_.empty()) {
    return Step::kDone;
  }
  const int64_t now_us = access_.keyspace().clock().monotonic_us();
  const bool barren = spares_ && now_us < barren_until_us_;
  const Step step = barren ? Step::kNothing : walk();
  if (step != Step::kNothing || !spares_) return step;
  spares_ = false;
  if (!barren) barren_until_us_ = now_us + kBarrenUs;
  return Step::kDone;
}

// The guards that ending the key needs. When one of them cannot be had at once, none is held.
bool Evictor::hold(const KeyRef& key) {
  Guard& guard = access_.guard();
  if (!guard.try_take(access_.keyspace().shard_of(key.hash()))) return false;
  if (key.role() == KeyRole::kSession && access_.keyspace().session_index()) {
    ShardSet links;
    SessionIndex::collect_link_shards(access_, key, links);
    if (!guard.try_add(links)) {
      guard.release_unchanged();
      return false;
    }
    guard.take_over_time();
  }
  return true;
}

Evictor::Step Evictor::evict_best() {
  const Candidate victim = std::move(pool_.back());
  pool_.pop_back();
  const KeyRef key = access_.schema().make(victim.key);
  access_.select(victim.db);
  if (!hold(key)) return Step::kBusy;
  Found found = access_.find_raw(key, true);
  if (!access_.keyspace().may_end_keys()) {
    access_.finish();
    return Step::kBusy;
  }
  // It may have become another since it was drawn, or lost its deadline.
  if (found && found->expired(access_.now_ms())) {
    access_.end(found, key, EndCause::kExpired);
  } else if (found && allowed(*found.entry, spares_)) {
    access_.end(found, key, EndCause::kEvicted);
  }
  access_.finish();
  return Step::kDone;
}

// Memory that comes back without any victim.
Evictor::Step Evictor::reclaim_leftovers_slice() {
  const uint32_t shards = access_.keyspace().shard_count();
  if (access_.keyspace().leftovers.load(std::memory_order_relaxed) == 0) return Step::kNothing;
  bool busy = false;
  for (uint32_t i = 0; i < shards; ++i, ++leftovers_at_) {
    Shard& shard = access_.keyspace().shard(leftovers_at_ % shards);
    if (!access_.guard().try_take(shard.index)) {
      busy = true;
      continue;
    }
    const bool any = reclaim_leftovers(access_, shard, kReclaimSlice) > 0;
    access_.finish();
    if (any) return Step::kDone;
  }
  return busy ? Step::kBusy : Step::kNothing;
}

Evictor::Step Evictor::step() {
  const Step reclaimed = reclaim_leftovers_slice();
  if (reclaimed != Step::kNothing) return reclaimed;
  if (policy_ == EvictionPolicy::kNoEviction) return Step::kNothing;
  const Step found = find_candidates();
  return pool_.empty() ? found : evict_best();
}

void Evictor::begin_turn(const EvictionTurn& turn) {
  if (turn.policy != policy_ || !spares_) {
    pool_.clear();
    walk_left_ = 0;
  }
  policy_ = turn.policy;
  samples_ = turn.samples;
  spares_ = true;
}

Room Evictor::make_room(const EvictionTurn& turn) {
  const Keyspace& keyspace = access_.keyspace();
  const auto fits = [&] { return keyspace.memory_bytes() + turn.other_bytes <= turn.limit_bytes; };
  if (fits()) return Room::kEnough;
  CLOAKROOM_ASSERT(access_.guard().held().empty());
  begin_turn(turn);
  const int64_t end_us = end_of(keyspace.clock().monotonic_us(), turn.budget_us);
  uint32_t busy = 0;
  for (uint32_t steps = 1;; ++steps) {
    const Step done = step();
    if (fits()) return Room::kEnough;
    if (done == Step::kNothing) return Room::kNone;
    if (done == Step::kBusy && ++busy >= kBusyAtMost) return Room::kFreeing;
    if (steps % kStepsPerLook == 0 && keyspace.clock().monotonic_us() >= end_us) return Room::kFreeing;
  }
}

}  // namespace cloakroom::storage
