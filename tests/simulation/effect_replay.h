#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/keyspace/access.h"

namespace cloakroom::storage::test {

// One recorded effect.
struct Effect {
  uint32_t db;
  std::vector<std::string> words;
};

// Applies an effect as a loader of the log would: keys go only when an effect says so, whatever their
// deadline. Throws std::invalid_argument on an effect it does not know.
void replay(Access& access, const Effect& effect);

}  // namespace cloakroom::storage::test
