// Filling a keyspace from a log. Until the end nothing expires, is evicted, linked or reported: what the log says is
// what there is. Time stands still at 0.
#pragma once

#include <cstdint>

#include "storage/keyspace/access.h"

namespace cloakroom::storage {

// Nobody else uses the keyspace, which is empty.
void begin_loading(Access& access);
// All commands have run. Time goes on from here; sets are not linked yet, and nothing may end before they are.
void end_loading(Access& access);

// Links the sessions of the sets that were loaded, a part of them each turn, under all guards.
class LinkLoaded {
 public:
  // `wait_ms`: for how long ids wait whose session is not there; negative: they leave at once.
  explicit LinkLoaded(int64_t wait_ms) : wait_ms_(wait_ms) {}

  // False: that was the last part, and from here on keys may end.
  bool turn(Access& access);

 private:
  int64_t wait_ms_;
  uint32_t shard_ = 0;
};

}  // namespace cloakroom::storage
