// Ids that were put into a user-sessions set before their session exists: clients send SADD and SET in either
// order. Each waits as an entry of a table beside that of its database, in the shard of the session's key:
// the session's key form, no value, the links the session will have, and the deadline at which it leaves its
// sets. So creating the session finds it under the guard it holds anyway, the wheel tells when it is due, and
// it costs what a key costs: ~60 bytes, in the shard's account. An id that waits for several sets has the
// latest of their deadlines.
//
// A waiting id goes when its session comes, when it is due, when it leaves the set, and when the set ends
// (DepartedSet). All of it belongs to the shard's guard, but empty().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/keyspace/key.h"
#include "storage/keyspace/kind.h"
#include "storage/keyspace/table.h"

namespace cloakroom::storage {

class Access;
struct Shard;

// The value of a user-sessions set that ended while ids were waiting, kept until those have been told.
struct DepartedSet {
  uint32_t db;
  uint64_t set_hash;
  Kind kind;
  std::string value;
  uint64_t cursor = 0;  // of SetOps::scan
};

class PendingIds {
 public:
  explicit PendingIds(uint32_t databases) : tables_(databases) {}

  // Readable without the guard: who holds that of a set sees all ids that wait for it.
  bool empty() const { return size() == 0; }
  size_t size() const { return size_.load(std::memory_order_relaxed); }

  // The id waits, for one more set, until `deadline_ms` or longer.
  static void add(Access& access, Shard& shard, uint64_t session_hash, PackedId id, uint64_t set_hash,
                  int64_t deadline_ms);
  // It waits for this set no more.
  static void remove(Access& access, Shard& shard, uint64_t session_hash, PackedId id, uint64_t set_hash);
  // Sets that wait for this session.
  std::vector<uint64_t> sets_of(uint32_t db, uint64_t session_hash, PackedId id) const;
  // The session has come: its entry takes over the links of the waiting one.
  static void hand_over(Access& access, Shard& shard, const KeyRef& key, Entry& session);
  // Takes a waiting entry out for good; its links are the caller's to follow.
  static void erase(Access& access, Shard& shard, Table& table, const Place& place);

  bool owns(const Table& table) const {
    return table.db() < tables_.size() && tables_[table.db()].get() == &table;
  }
  const std::vector<std::unique_ptr<Table>>& tables() const { return tables_; }
  // Tables in which nobody waits are given back.
  void release_empty_tables();
  // All deadlines move: the wall clock has stepped, and the wheel with it.
  void shift(int64_t by_ms, int64_t now_ms);
  // The table of a flushed database, if it has one, with its ids.
  std::unique_ptr<Table> detach(uint32_t db);
  void swap_dbs(uint32_t a, uint32_t b);

 private:
  Place find(uint32_t db, uint64_t session_hash, PackedId id) const;
  void count(int64_t change) { size_.store(size() + static_cast<size_t>(change), std::memory_order_relaxed); }

  std::vector<std::unique_ptr<Table>> tables_;  // by database; null until first used
  std::atomic<size_t> size_{0};
};

}  // namespace cloakroom::storage
