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

// Keeps effects.
class EffectLog final : public EffectSink {
 public:
  uint64_t take_effects(const Changes& changes) override {
    changes.for_each_effect([&](uint32_t db, std::span<const std::string_view> words) {
      effects.push_back({db, {words.begin(), words.end()}});
    });
    return effects.size();
  }

  std::vector<Effect> effects;
};

// Applies an effect as a loader of the log would: keys go only when an effect says so, whatever their
// deadline. Throws std::invalid_argument on an effect it does not know.
void replay(Access& access, const Effect& effect);

}  // namespace cloakroom::storage::test
