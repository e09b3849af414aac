#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/key.h"

namespace cloakroom::storage {

// Ids that were put into a user-sessions set before their session exists: clients send SADD and SET in either
// order. Kept in the shard of the session's key, so that creating the session finds them under the guard it
// holds anyway. A pending id either is taken by its session or falls due and leaves its set. Bounded: beyond
// kMaxIds the oldest fall due at once. Belongs to the shard's guard.
class PendingIds {
 public:
  static constexpr size_t kMaxIds = 1 << 16;

  struct Due {
    uint32_t db;
    IdCodec codec;
    std::string id;  // packed
    uint64_t session_hash;
    uint64_t set_hash;
  };

  bool empty() const { return by_session_.empty(); }
  size_t size() const { return by_session_.size(); }
  void add(uint32_t db, uint64_t session_hash, PackedId id, uint64_t set_hash, int64_t due_ms);
  void remove(uint32_t db, uint64_t session_hash, PackedId id, uint64_t set_hash);
  // Sets waiting for this session, without taking them.
  void collect(uint32_t db, uint64_t session_hash, PackedId id, std::vector<uint64_t>& set_hashes) const;
  // Takes all sets waiting for this session.
  std::vector<uint64_t> take(uint32_t db, uint64_t session_hash, PackedId id);
  // The oldest id that is due (or over the bound), still kept; remove() it once its set has been changed.
  std::optional<Due> first_due(int64_t now_ms);
  std::optional<int64_t> next_due_ms() const;
  // All deadlines move: the wall clock has stepped.
  void shift(int64_t by_ms);
  void clear_db(uint32_t db);
  void swap_dbs(uint32_t a, uint32_t b);
  size_t used_bytes() const { return by_session_.size() * kBytesPerId; }

 private:
  static constexpr size_t kBytesPerId = 176;  // two nodes with their ids, estimated
  struct Waiting {
    uint32_t db;
    IdCodec codec;
    std::string id;
    uint64_t set_hash;
    uint64_t sequence;
  };
  struct Turn {
    uint64_t session_hash;
    uint64_t sequence;
    int64_t due_ms;
  };

  void drop_gone_turns();

  std::unordered_multimap<uint64_t, Waiting> by_session_;
  std::deque<Turn> turns_;  // in order of arrival; entries already gone are skipped
  uint64_t next_sequence_ = 0;
};

}  // namespace cloakroom::storage
