#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/access.h"

namespace cloakroom::storage {

enum class Room : uint8_t {
  kEnough,   // memory is at or under the limit
  kFreeing,  // over it, but victims are being found: the turn's bound was reached
  kNone,     // over it and nothing may be evicted
};

// Frees memory by evicting keys according to the policy until the keyspace fits into `limit_bytes` less
// `other_bytes` (what the server uses outside the keyspace). Samples several shards one guard at a time and
// compares their candidates in a small pool, as Redis does; no guard may be held. A user-sessions set with
// members goes only when nothing else is left: it would blind "log out everywhere". Bounded by a number of
// victims per call. One per thread.
class Evictor {
 public:
  explicit Evictor(Access& access) : access_(access) {}

  Room make_room(size_t limit_bytes, size_t other_bytes, EvictionPolicy policy, uint32_t samples);

 private:
  struct Candidate {
    uint64_t score;  // higher goes first
    uint32_t db;
    std::string key;
  };
  static constexpr size_t kPoolSize = 16;
  static constexpr uint32_t kVictimsPerTurn = 64;
  static constexpr uint32_t kShardsPerRound = 3;

  bool fill_pool(EvictionPolicy policy, uint32_t samples, bool spare_user_sets);
  void sample_table(Table& table, EvictionPolicy policy, uint32_t samples, bool spare_user_sets);
  uint64_t score(const Entry& entry, EvictionPolicy policy);
  bool evict_one(EvictionPolicy policy);
  bool find_any(EvictionPolicy policy, bool spare_user_sets);
  bool flushed_tables_left();

  Access& access_;
  std::vector<Candidate> pool_;  // by ascending score
  bool pool_spares_ = true;      // what it was filled with: user-sessions sets are no candidates
  EvictionPolicy pool_policy_ = EvictionPolicy::kNoEviction;
};

}  // namespace cloakroom::storage
