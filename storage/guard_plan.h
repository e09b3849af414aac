#pragma once

#include <span>
#include <string_view>

#include "storage/access.h"

namespace cloakroom::storage {

struct KeyUse {
  const KeyRef* key;
  bool write;
  uint32_t db;
};

// What a command (or all commands of a transaction) will touch.
struct GuardPlan {
  std::span<const KeyUse> keys;
  std::span<const std::string_view>
      members;  // members added to or removed from user-sessions sets among the keys
  std::span<const KeyRef* const> watched = {};
  bool ends_keys = false;   // may end sessions at its write keys
  bool everything = false;  // all guards
};

// Takes the guards a plan needs: those of its keys, of the sessions named by members, and, found by looking,
// of the sets linked to sessions that may end and of sessions that have expired unseen in sets that are read
// (rule 8 of the guards). Those expired sessions are ended. Releases and retakes while the union grows; holds
// them all on return.
void take_guards(Access& access, const GuardPlan& plan);

// Adds the guards of a failed attempt to the next one.
void take_guards_again(Access& access, const GuardPlan& plan, const ShardSet& also);

}  // namespace cloakroom::storage
