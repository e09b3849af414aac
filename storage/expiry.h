#pragma once

#include <cstdint>
#include <optional>

#include "storage/access.h"

namespace cloakroom::storage {

// Reclaims what is due in one shard: expired keys, pending ids whose time is over, flushed tables. Bounded:
// reads the clock, takes the shard's guard, ends at most `budget` keys, releases. Returns whether more is due
// now. Runs on the thread of `access`.
bool expiry_turn(Access& access, Shard& shard, uint32_t budget);

// Ends everything of the shard whose deadline has passed, as of the frozen clock. All guards are held.
void end_all_due(Access& access, Shard& shard);

// When the shard next needs a turn, in ms; nullopt when nothing is filed. Takes the guard briefly.
std::optional<int64_t> next_expiry_ms(Shard& shard, int64_t now_ms);

}  // namespace cloakroom::storage
