// The right to read and change shards. Lock order, the whole of it:
//
//  1. Guards are taken in ascending shard number. Nobody waits for a guard while holding a higher one.
//  2. A guard that is wanted out of order is tried without waiting (try_add); when that fails everything is
//     released and the union is taken in order.
//  3. Under a guard: no suspension, no system call but memory's, no logging.
//
// The clock is frozen while guards are held, and no shard's time runs backwards: who takes a guard takes over
// the latest instant the shard has seen. Without that, a command that read the clock and then waited would
// find a session alive that others have already seen expired, and could keep it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <utility>

#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/keyspace/shard.h"

namespace cloakroom::storage {

inline constexpr uint32_t kMaxShards = 1024;

// A set of shard numbers; cheap to clear when few were set.
class ShardSet {
 public:
  void add(uint32_t shard) {
    words_[shard >> 6] |= uint64_t{1} << (shard & 63);
    touched_ |= 1u << (shard >> 6);
  }
  void add(const ShardSet& others) {
    others.for_each([&](uint32_t shard) { add(shard); });
  }
  void add_all(uint32_t shards) {
    for (uint32_t i = 0; i < shards; ++i) add(i);
  }
  bool has(uint32_t shard) const { return (words_[shard >> 6] >> (shard & 63) & 1) != 0; }
  void remove(uint32_t shard) { words_[shard >> 6] &= ~(uint64_t{1} << (shard & 63)); }
  bool empty() const { return touched_ == 0; }
  void clear() {
    for (; touched_ != 0; touched_ &= touched_ - 1)
      words_[static_cast<size_t>(std::countr_zero(touched_))] = 0;
  }
  // Calls fn(shard) in ascending order.
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (uint32_t t = touched_; t != 0; t &= t - 1) {
      const auto w = static_cast<uint32_t>(std::countr_zero(t));
      for (uint64_t bits = words_[w]; bits != 0; bits &= bits - 1) {
        fn(w * 64 + static_cast<uint32_t>(std::countr_zero(bits)));
      }
    }
  }

 private:
  std::array<uint64_t, kMaxShards / 64> words_{};
  uint32_t touched_ = 0;  // words that may be non-zero
};

// Holds the guards of a set of shards; releases what it holds when it goes. One thread's own.
class Guard {
 public:
  // `alone`: no other thread ever takes a guard of these shards, so their locks need not be taken.
  Guard(std::span<Shard* const> shards, bool alone) : shards_(shards), alone_(alone) {}
  ~Guard() { release(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  // Sets the clock; nothing may be held. Between steps of the wall clock it does not go back.
  void set_clock(const Instant& now) {
    CLOAKROOM_ASSERT(held_.empty());
    steady_ms_ = now.steady_ms;
    now_ms_ = now.epoch == epoch_ ? std::max(now_ms_, now.wall_ms) : now.wall_ms;
    epoch_ = now.epoch;
  }
  int64_t now_ms() const { return now_ms_; }
  int64_t steady_ms() const { return steady_ms_; }

  // In ascending order.
  CLOAKROOM_NO_THREAD_SAFETY void take(uint32_t shard) {
    CLOAKROOM_ASSERT(held_.empty() || shard > highest_);
    highest_ = shard;
    if (!alone_) {
      shards_[shard]->lock.lock();
      take_over_time(*shards_[shard]);
    }
    held_.add(shard);
  }
  void take(const ShardSet& wanted) {
    wanted.for_each([&](uint32_t shard) { take(shard); });
  }
  void take_all() {
    for (uint32_t i = 0; i < shards_.size(); ++i) take(i);
  }
  // Adds a guard without waiting, the clock staying as it is; false when another thread has it.
  CLOAKROOM_NO_THREAD_SAFETY bool try_add(uint32_t shard) {
    if (held_.has(shard)) return true;
    if (!alone_ && !shards_[shard]->lock.try_lock()) return false;
    highest_ = held_.empty() ? shard : std::max(highest_, shard);
    held_.add(shard);
    return true;
  }
  // As take(), but without waiting; nothing may be held.
  bool try_take(uint32_t shard) {
    CLOAKROOM_ASSERT(held_.empty());
    if (!try_add(shard)) return false;
    take_over_time();
    return true;
  }
  bool try_add(const ShardSet& wanted) {
    bool all = true;
    wanted.for_each([&](uint32_t shard) { all = all && try_add(shard); });
    return all;
  }
  // As above; what would have been needed is added to `missing` when not all could be had.
  bool try_add(const ShardSet& wanted, ShardSet& missing) {
    if (try_add(wanted)) return true;
    missing.add(wanted);
    return false;
  }
  // What was added has its time taken over too: for a command that has not yet looked at anything for good.
  void take_over_time() {
    if (alone_) return;
    held_.for_each([&](uint32_t shard) { take_over_time(*shards_[shard]); });
  }
  // The wall clock has stepped (wall_step.h): all guards are held, and all shards are at `now`.
  void step_clock(const Instant& now) {
    steady_ms_ = now.steady_ms;
    now_ms_ = now.wall_ms;
    epoch_ = now.epoch;
  }
  // What was changed under these guards has not been handed over: they may not be released.
  void owe(bool owes) { owes_ = owes; }
  bool owes() const { return owes_; }
  // Behind what anybody had changed, of all that could be seen under guards released since the last call.
  uint64_t take_log_position() { return std::exchange(log_position_, 0); }
  bool holds(uint32_t shard) const { return held_.has(shard); }
  const ShardSet& held() const { return held_; }
  void release() {
    held_.for_each([&](uint32_t shard) { grown_bytes_ += shards_[shard]->publish_memory(); });
    release_unchanged();
  }
  // As release(), when nothing was changed.
  void release_unchanged() {
    held_.for_each(
        [&](uint32_t shard) { log_position_ = std::max(log_position_, shards_[shard]->log_position); });
    release_unseen();
  }
  // As release(), when nothing was changed and nothing seen that an answer could tell.
  void release_unseen() {
    CLOAKROOM_ASSERT(!owes_);
    held_.for_each([&](uint32_t number) CLOAKROOM_NO_THREAD_SAFETY {
      Shard& shard = *shards_[number];
      if (alone_) return;
      shard.latest_ms = std::max(shard.latest_ms, now_ms_);
      shard.lock.unlock();
    });
    held_.clear();
  }
  // By how much the keyspace has grown under this guard's hands since it exists; negative: it shrank.
  int64_t grown_bytes() const { return grown_bytes_; }

 private:
  void take_over_time(const Shard& shard) {
    if (shard.epoch == epoch_) {
      now_ms_ = std::max(now_ms_, shard.latest_ms);
    } else {  // the clock was read before the step
      now_ms_ = shard.latest_ms;
      epoch_ = shard.epoch;
    }
  }

  std::span<Shard* const> shards_;
  bool alone_;
  bool owes_ = false;
  uint64_t log_position_ = 0;
  int64_t grown_bytes_ = 0;
  uint32_t highest_ = 0;  // of what is held: nobody waits for a guard below it
  uint32_t epoch_ = 0;
  int64_t now_ms_ = 0;
  int64_t steady_ms_ = 0;
  ShardSet held_;
};

}  // namespace cloakroom::storage
