#pragma once

#include <cstdint>

#include "storage/keyspace/access.h"

namespace cloakroom::storage {

// The keyspace counts time by the monotonic clock plus an offset, so that nothing happens twice or too early
// while the wall clock is being set. A step of the wall clock by more than a tick is followed in one instant
// under all guards: the offset, the shards' latest instants, what is filed in the wheels and what waits a
// duration move together. Deadlines stay: they are wall time, as in Redis. What was due before the step is
// ended first, so that nothing somebody has seen expired comes back.
//
// To be called now and then, on one thread at a time, with no guard held. Returns the step in ms, 0 when
// there was none. Cost of a step: files every bucket anew, about 50 ms with 10 million keys.
int64_t follow_wall_clock(Access& access);

}  // namespace cloakroom::storage
