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

// Keeps effects, and checks that groups are closed.
class EffectLog final : public EffectSink {
 public:
  void effect(uint32_t db, std::span<const std::string_view> command) override {
    effects.push_back({db, {command.begin(), command.end()}});
  }
  void begin_group() override { ++depth; }
  void end_group() override { --depth; }

  std::vector<Effect> effects;
  int depth = 0;
};

// Applies an effect as a loader of the log would: keys go only when an effect says so, whatever their
// deadline. Throws std::invalid_argument on an effect it does not know.
void replay(Access& access, const Effect& effect);

}  // namespace cloakroom::storage::test
