// The right to read and change shards. Lock order, the whole of it:
//
//  1. Guards are taken in ascending shard number. Nobody waits for a guard while holding a higher one.
//  2. A guard that is wanted out of order is tried without waiting (try_add); when that fails everything is
//  released and
//     the union is taken in order.
//  3. Under a guard: no suspension, no system call but memory's, no logging.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "storage/shard.h"

namespace cloakroom::storage {

inline constexpr uint32_t kMaxShards = 1024;

// A set of shard numbers; cheap to clear when few were set.
class ShardSet {
 public:
  void add(uint32_t shard) {
    words_[shard >> 6] |= uint64_t{1} << (shard & 63);
    touched_ |= 1u << (shard >> 6);
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

  // Nothing may be held.
  void take(uint32_t shard) {
    if (!alone_) shards_[shard]->lock.lock();
    held_.add(shard);
  }
  void take(const ShardSet& wanted) {
    wanted.for_each([&](uint32_t shard) { take(shard); });
  }
  void take_all() {
    for (uint32_t i = 0; i < shards_.size(); ++i) take(i);
  }
  // Adds a guard without waiting; false when another thread has it.
  bool try_add(uint32_t shard) {
    if (held_.has(shard)) return true;
    if (!alone_ && !shards_[shard]->lock.try_lock()) return false;
    held_.add(shard);
    return true;
  }
  bool try_add(const ShardSet& wanted) {
    bool all = true;
    wanted.for_each([&](uint32_t shard) { all = all && try_add(shard); });
    return all;
  }
  bool holds(uint32_t shard) const { return held_.has(shard); }
  const ShardSet& held() const { return held_; }
  void release() {
    held_.for_each([&](uint32_t shard) { grown_bytes_ += shards_[shard]->publish_memory(); });
    release_unchanged();
  }
  // As release(), when nothing was changed.
  void release_unchanged() {
    held_.for_each([&](uint32_t shard) {
      if (!alone_) shards_[shard]->lock.unlock();
    });
    held_.clear();
  }
  // By how much the keyspace has grown under this guard's hands since it exists; negative: it shrank.
  int64_t grown_bytes() const { return grown_bytes_; }

 private:
  std::span<Shard* const> shards_;
  bool alone_;
  int64_t grown_bytes_ = 0;
  ShardSet held_;
};

}  // namespace cloakroom::storage
