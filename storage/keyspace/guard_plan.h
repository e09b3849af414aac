#pragma once

#include <span>
#include <string_view>

#include "storage/keyspace/access.h"

namespace cloakroom::storage {

struct KeyUse {
  const KeyRef* key;
  bool write;
  uint32_t db;
  // Of a user-sessions set: not only the plan's members of it matter.
  bool whole = true;
};

// What a command (or all commands of a transaction) will touch.
struct GuardPlan {
  std::span<const KeyUse> keys;
  // Members looked at, added to or removed from user-sessions sets among the keys.
  std::span<const std::string_view> members;
  bool ends_keys = false;       // may end sessions at its write keys
  bool everything = false;      // all guards
  bool every_database = false;  // and user-sessions sets that are no keys of it matter too
};

// Takes the guards a plan needs: those of its keys, of the sessions named by members, and, found by looking,
// of the sets linked to sessions that may end (guard.h). What has expired unseen and would show
// in a user-sessions set of the plan is ended first: sessions in it when it is small; when it is large,
// whatever is due in any shard, so that every key is looked at once and not once a reader. Releases and
// retakes while the union grows; holds them all on return. While keys may not end by themselves (CLIENT
// PAUSE) sets show as they are.
//
// False: more was due than may be ended in one go. Nothing is held; others' commands are to run before the
// next try.
[[nodiscard]] bool take_guards(Access& access, const GuardPlan& plan);

// Adds the guards of a failed attempt to the next one.
[[nodiscard]] bool take_guards_again(Access& access, const GuardPlan& plan, const ShardSet& also);

// For commands that walk the keyspace (KEYS): ends all that is due, shard by shard, so that no set shows
// whose sessions are over. No guard is held. False as above.
[[nodiscard]] bool end_all_due(Access& access);

}  // namespace cloakroom::storage
