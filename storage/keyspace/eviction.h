// Frees memory by evicting keys until it is under a limit, in turns bounded in time.
//
// Victims are found as Redis does: some entries are sampled, the best candidates of all samples so far stand
// in a small pool. Where sampling finds nothing that may go (few volatile keys among many others), a walk
// over the keyspace goes on from where it last was, so that "there is nothing to evict" is known and not
// guessed, and no turn walks longer than it may.
//
// A user-sessions set with members goes only when nothing else is left: it would blind "log out everywhere".
// Each victim is evicted under its own guards, and none of them is waited for (guard.h): what
// another thread has is passed over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/keyspace/access.h"

namespace cloakroom::storage {

enum class Room : uint8_t {
  kEnough,   // memory is at or under the limit
  kFreeing,  // over it, but there is something to free: the turn's bound was reached
  kNone,     // over it and nothing may be evicted
};

struct EvictionTurn {
  size_t limit_bytes;
  size_t other_bytes;  // what counts besides the keyspace
  EvictionPolicy policy;
  uint32_t samples;   // of a table, as maxmemory-samples
  int64_t budget_us;  // it ends a few victims after this
};

// One per thread.
class Evictor {
 public:
  explicit Evictor(Access& access) : access_(access) {}

  // No guard may be held.
  Room make_room(const EvictionTurn& turn);

 private:
  struct Candidate {
    uint64_t score;  // higher goes first
    uint32_t db;
    std::string key;
  };
  enum class Step : uint8_t {
    kDone,     // something was freed, or looked at in vain
    kBusy,     // what it needed was in other hands
    kNothing,  // there is nothing to free
  };
  static constexpr size_t kPoolSize = 16;
  static constexpr uint32_t kStepsPerLook = 16;  // at the clock, as Redis
  static constexpr uint32_t kShardsPerRound = 3;
  static constexpr uint32_t kBusyAtMost = 16;  // steps of a turn that met other threads, before it gives up

  void begin_turn(const EvictionTurn& turn);
  Step step();
  Step reclaim_leftovers_slice();
  Step find_candidates();
  void sample();
  void sample_table(Table& table);
  Step walk();
  bool walk_shard(Shard& shard);
  void consider(const Entry& entry, uint32_t db);
  uint64_t score(const Entry& entry);
  bool allowed(const Entry& entry, bool spare_user_sets) const;
  Step evict_best();
  bool hold(const KeyRef& key);

  Access& access_;
  EvictionPolicy policy_ = EvictionPolicy::kNoEviction;
  uint32_t samples_ = 0;
  std::vector<Candidate> pool_;  // by ascending score
  bool spares_ = true;           // user-sessions sets are no candidates
  int64_t barren_until_us_ = 0;  // until then it is known that there is nothing else
  uint32_t leftovers_at_ = 0;    // the shard whose leftovers are looked at next
  // The walk: where it goes on, and how many shards until it has seen all of them.
  uint32_t walk_shard_ = 0;
  uint32_t walk_db_ = 0;
  uint64_t walk_cursor_ = 0;
  uint32_t walk_left_ = 0;
};

}  // namespace cloakroom::storage
