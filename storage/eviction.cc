#include "storage/eviction.h"

#include <algorithm>

#include "storage/access_clock.h"
#include "storage/guard_plan.h"

namespace cloakroom::storage {
namespace {

bool volatile_only(EvictionPolicy p) {
  return p == EvictionPolicy::kVolatileLru || p == EvictionPolicy::kVolatileLfu ||
         p == EvictionPolicy::kVolatileRandom || p == EvictionPolicy::kVolatileTtl;
}

bool allowed(const Entry& entry, EvictionPolicy policy, bool spare_user_sets) {
  if (volatile_only(policy) && entry.deadline_ms() == 0) return false;
  return !(spare_user_sets && entry.role() == KeyRole::kUserSessions && entry.type() == Type::kSet);
}

}  // namespace

uint64_t Evictor::score(const Entry& entry, EvictionPolicy policy) {
  switch (policy) {
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

void Evictor::sample_table(Table& table, EvictionPolicy policy, uint32_t samples, bool spare) {
  for (uint32_t i = 0; i < samples; ++i) {
    const Place place = table.sample(access_.random());
    if (!place) return;
    const Entry& entry = *table.entry(place);
    if (!allowed(entry, policy, spare)) continue;
    const uint64_t rank = score(entry, policy);
    if (pool_.size() >= kPoolSize && rank <= pool_.front().score) continue;
    std::string text = access_.schema().text(entry.form(), entry.key());
    const auto same = [&](const Candidate& c) { return c.db == table.db() && c.key == text; };
    if (std::any_of(pool_.begin(), pool_.end(), same)) continue;
    if (pool_.size() >= kPoolSize) pool_.erase(pool_.begin());
    const auto at = std::upper_bound(pool_.begin(), pool_.end(), rank,
                                     [](uint64_t r, const Candidate& c) { return r < c.score; });
    pool_.insert(at, {rank, table.db(), std::move(text)});
  }
}

bool Evictor::fill_pool(EvictionPolicy policy, uint32_t samples, bool spare) {
  Keyspace& keyspace = access_.keyspace();
  const uint32_t rounds = std::min(kShardsPerRound, keyspace.shard_count());
  for (uint32_t i = 0; i < rounds; ++i) {
    Shard& shard = keyspace.shard(static_cast<uint32_t>(access_.random() % keyspace.shard_count()));
    access_.guard().take(shard.index);
    for (const auto& table : shard.tables) {
      if (table != nullptr && table->size() > 0) sample_table(*table, policy, samples, spare);
    }
    access_.guard().release();
  }
  return !pool_.empty() || find_any(policy, spare);
}

// Sampling found nothing: walks the shards until one allowed key shows, so that "nothing to evict" is never a
// guess.
bool Evictor::find_any(EvictionPolicy policy, bool spare) {
  Keyspace& keyspace = access_.keyspace();
  for (uint32_t i = 0; i < keyspace.shard_count() && pool_.empty(); ++i) {
    Shard& shard = keyspace.shard(i);
    access_.guard().take(i);
    for (const auto& table : shard.tables) {
      if (table == nullptr || (volatile_only(policy) && table->volatile_size() == 0)) continue;
      table->for_each([&](const Place& place) {
        const Entry& entry = *table->entry(place);
        if (pool_.size() >= kPoolSize || !allowed(entry, policy, spare)) return;
        pool_.push_back({0, table->db(), access_.schema().text(entry.form(), entry.key())});
      });
    }
    access_.guard().release();
  }
  return !pool_.empty();
}

bool Evictor::evict_one(EvictionPolicy policy) {
  while (!pool_.empty()) {
    const Candidate victim = std::move(pool_.back());
    pool_.pop_back();
    const KeyRef key = access_.schema().make(victim.key);
    const KeyUse use{&key, true, victim.db};
    access_.select(victim.db);
    take_guards(access_, {.keys = {&use, 1}, .members = {}, .ends_keys = true});
    Found found = access_.find_raw(key, true);
    const bool expired = found && found->expired(access_.now_ms());
    // It may have become another since it was drawn, or lost its deadline.
    const bool goes = expired || (found && allowed(*found.entry, policy, pool_spares_));
    if (goes) access_.end(found, key, expired ? EndCause::kExpired : EndCause::kEvicted);
    access_.finish();
    if (goes) return true;
  }
  return false;
}

// Memory that turns of expiry give back without any victim.
bool Evictor::flushed_tables_left() {
  bool left = false;
  for (const Shard* shard : access_.keyspace().shards()) {
    access_.guard().take(shard->index);
    left = left || !shard->detached.empty();
    access_.guard().release_unchanged();
  }
  return left;
}

Room Evictor::make_room(size_t limit_bytes, size_t other_bytes, EvictionPolicy policy, uint32_t samples) {
  Keyspace& keyspace = access_.keyspace();
  const auto fits = [&] { return keyspace.memory_bytes() + other_bytes <= limit_bytes; };
  if (fits()) return Room::kEnough;
  if (policy == EvictionPolicy::kNoEviction) return Room::kNone;
  if (policy != pool_policy_) pool_.clear();
  pool_policy_ = policy;
  Room room = Room::kFreeing;
  for (uint32_t i = 0; i < kVictimsPerTurn; ++i) {
    if (fits()) {
      room = Room::kEnough;
      break;
    }
    if (!pool_spares_) pool_.clear();
    pool_spares_ = fill_pool(policy, samples, true);
    if (!pool_spares_) fill_pool(policy, samples, false);
    if (evict_one(policy)) continue;
    pool_spares_ = false;
    if (!find_any(policy, false)) {
      room = flushed_tables_left() ? Room::kFreeing : Room::kNone;
      break;
    }
  }
  return room;
}

}  // namespace cloakroom::storage
