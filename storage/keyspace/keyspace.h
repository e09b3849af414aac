#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/base/clock.h"
#include "storage/keyspace/disposer.h"
#include "storage/keyspace/effects.h"
#include "storage/keyspace/guard.h"
#include "storage/keyspace/shard.h"

namespace cloakroom::storage {

enum class EvictionPolicy : uint8_t {
  kNoEviction,
  kAllKeysLru,
  kAllKeysLfu,
  kAllKeysRandom,
  kVolatileLru,
  kVolatileLfu,
  kVolatileRandom,
  kVolatileTtl,
};
inline bool is_lfu(EvictionPolicy p) {
  return p == EvictionPolicy::kAllKeysLfu || p == EvictionPolicy::kVolatileLfu;
}

class Access;

// Fixed at start.
struct KeyspaceOptions {
  uint32_t shards = 16;  // power of two, at most kMaxShards
  uint32_t databases = 16;
  HashKey hash_key;
  std::string session_pattern = "session:{id}";
  std::string user_sessions_pattern = "user_sessions:{user}";
  bool session_index = true;
  bool single_threaded = false;  // one thread only will ever use the keyspace: its locks are left out
};

// May change at any time (CONFIG SET); read relaxed.
struct KeyspaceSettings {
  std::atomic<uint32_t> hash_max_flat_entries{128};
  std::atomic<uint32_t> hash_max_flat_value_bytes{64};
  std::atomic<uint32_t> set_max_int_entries{512};
  std::atomic<int64_t> pending_ms{60000};
  std::atomic<EvictionPolicy> policy{EvictionPolicy::kNoEviction};
  std::atomic<uint32_t> lfu_log_factor{10};
  std::atomic<uint32_t> lfu_decay_minutes{1};
  std::atomic<uint32_t> event_classes{0};  // EventClass, those that anybody wants to know of
};

// All shards. Thread-safe: everything reachable is either immutable, atomic, or behind a guard.
class Keyspace {
 public:
  // Throws std::invalid_argument on bad patterns.
  Keyspace(const KeyspaceOptions& options, const Clock& clock);
  ~Keyspace();  // visits every entry: a process that ends need not wait for it
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  const KeySchema& schema() const { return schema_; }
  const Clock& clock() const { return clock_; }
  // Monotonic time plus an offset to wall time, which moves only by a step under all guards (wall_step.h).
  Instant now() const;
  uint32_t databases() const { return databases_; }
  uint32_t shard_count() const { return static_cast<uint32_t>(shards_.size()); }
  uint32_t shard_of(uint64_t hash) const {
    return shard_bits_ == 0 ? 0 : static_cast<uint32_t>(hash >> (64 - shard_bits_));
  }
  ShardSet shards_of(std::span<const uint64_t> hashes) const {
    ShardSet shards;
    for (const uint64_t hash : hashes) shards.add(shard_of(hash));
    return shards;
  }
  Shard& shard(uint32_t index) const { return *shards_[index]; }
  std::span<Shard* const> shards() const { return shard_pointers_; }
  // Whether sessions have links; and whether sets follow them, which they do not while a log is loaded.
  bool has_session_index() const { return session_index_; }
  bool session_index() const { return session_index_ && !loading(); }
  bool single_threaded() const { return single_threaded_; }
  KeyspaceSettings& settings() { return settings_; }

  // Sum over the shards and of the bytes of long strings (those of other keyspaces of the process as well),
  // readable without guards; each shard is exact as of its last released guard.
  size_t memory_bytes() const;

  // Whether keys may end by themselves: expire, be evicted. CLIENT PAUSE forbids it under all guards; who ends
  // keys asks under a guard, so that nothing of the kind happens from then on.
  enum Forbids : uint8_t { kPauseForbids = 1, kLogForbids = 2, kLoadingForbids = 4 };
  bool may_end_keys() const { return forbids_.load(std::memory_order_relaxed) == 0; }
  void forbid_ending(Forbids reason, bool on) {
    if (((forbids_.load(std::memory_order_relaxed) & reason) != 0) == on) return;
    on ? forbids_.fetch_or(reason) : forbids_.fetch_and(static_cast<uint8_t>(~reason));
  }

  // A log is loaded (loading.h): time stands still at 0, so that nothing has expired.
  bool loading() const { return loading_.load(std::memory_order_relaxed); }

  // Flushed tables and ended sets that wait to be freed (Shard::detached, departed), in all shards.
  std::atomic<uint32_t> leftovers{0};

  // Where values go whose freeing takes long.
  Disposer& disposer() { return disposer_; }

  // The table of a database in a shard, made if need be. The shard's guard is held.
  Table& table(Shard& shard, uint32_t db);
  std::unique_ptr<Table> new_table(Shard& shard);

  void set_effect_sink(EffectSink* sink) { effect_sink_.store(sink, std::memory_order_release); }
  void set_change_hook(ChangeHook* hook) { change_hook_.store(hook, std::memory_order_release); }
  ChangeHook* change_hook() const { return change_hook_.load(std::memory_order_acquire); }
  void set_restater(Restater* restater) { restater_.store(restater, std::memory_order_release); }
  Restater* restater() const { return restater_.load(std::memory_order_acquire); }
  // What new entries are born with (Entry::kMarked); turned over under all guards.
  bool mark() const { return mark_.load(std::memory_order_relaxed); }
  void turn_mark() { mark_.store(!mark(), std::memory_order_relaxed); }
  EffectSink* effect_sink() const { return effect_sink_.load(std::memory_order_acquire); }

 private:
  friend int64_t follow_wall_clock(Access& access);
  friend void begin_loading(Access& access);
  friend void end_loading(Access& access);
  void begin_epoch(Access& access, bool far);

  const Clock& clock_;
  std::atomic<int64_t> wall_offset_us_;
  std::atomic<uint32_t> epoch_{0};
  std::atomic<uint8_t> forbids_{0};  // Forbids
  std::atomic<bool> loading_{false};
  KeySchema schema_;
  KeyspaceSettings settings_;
  uint32_t databases_;
  uint32_t shard_bits_;
  bool session_index_;
  bool single_threaded_;
  Disposer disposer_;
  RegionSource source_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Shard*> shard_pointers_;
  std::atomic<EffectSink*> effect_sink_{nullptr};
  std::atomic<ChangeHook*> change_hook_{nullptr};
  std::atomic<Restater*> restater_{nullptr};
  std::atomic<bool> mark_{false};
};

}  // namespace cloakroom::storage
