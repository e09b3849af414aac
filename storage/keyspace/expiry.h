#pragma once

#include <cstdint>
#include <optional>

#include "storage/keyspace/access.h"

namespace cloakroom::storage {

// What a turn of expiry found.
enum class ExpiryTurn : uint8_t {
  kClean,  // nothing more is due
  kMore,   // more is due: the budget was reached
  kBusy,   // another thread has the shard
};

// Reclaims what is due in one shard: expired keys, pending ids whose time is over, leftovers
// (keyspace_walk.h). Bounded: reads the clock, takes the shard's guard if it is free, ends at most `budget`
// keys, releases. Runs on the thread of `access`.
ExpiryTurn expiry_turn(Access& access, Shard& shard, uint32_t budget);

// Ends what has expired in the shard, whose guard is held, as of the frozen clock, and counts it off
// `budget`. Guards of links are tried; those that could not be had are added to `missing`. True when nothing
// due is left.
bool end_due(Access& access, Shard& shard, uint32_t& budget, ShardSet& missing);

// When the shard next needs a turn, in ms; nullopt when nothing is filed. `now_ms` + 1 when another thread
// has the shard.
std::optional<int64_t> next_expiry_ms(Shard& shard, int64_t now_ms);

}  // namespace cloakroom::storage
