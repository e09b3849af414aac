#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "storage/base/number.h"
#include "storage/format/log_record.h"
#include "storage/log/log_ring.h"
#include "tests/simulation/effect_replay.h"

namespace cloakroom::storage::test {

// A log as the server has it, from which a test takes what a file would hold.
class RingLog final : public EffectSink {
 public:
  uint64_t take_effects(const Changes& changes) override { return ring.append(changes); }

  // What was logged since the last call, as the commands that a loader would run.
  std::vector<Effect> take() {
    std::vector<Effect> effects;
    LogRing::Group group;
    while (ring.read(at_, group)) {
      std::string text(group.text[0]);
      text += group.text[1];
      if (group.pieces != nullptr) {
        for (const std::string_view piece : *group.pieces) text += piece;
      }
      add(text, group.first_db, effects);
      at_ = group.end;
      ring.free_before(at_);
    }
    return effects;
  }

  LogRing ring;

 private:
  static void add(std::string_view text, uint32_t db, std::vector<Effect>& effects) {
    Record record;
    for (; !text.empty(); text.remove_prefix(record.bytes)) {
      if (read_record(text, record) != RecordStatus::kCommand) throw std::invalid_argument("no record");
      const std::string_view name = record.words[0];
      if (name == "SELECT") {
        db = static_cast<uint32_t>(parse_u64(record.words[1]).value());
      } else if (name != "MULTI" && name != "EXEC") {
        effects.push_back({db, {record.words.begin(), record.words.end()}});
      }
    }
  }

  uint64_t at_ = 0;
};

}  // namespace cloakroom::storage::test
