// The session index: no user-sessions set holds the id of an ended session.
//
// Every session entry carries a link word (session_links.h): the 64-bit keyed hash of the set that holds its
// id, or of several. A hash survives every move of the set's entry, and is checked on use: the set must exist
// under it and must hold the id. So links may be stale (the set dropped the id without the session's guard at
// hand: SPOP, DEL of the set), never missing.
//
// Invariants
//  1. id in set(u)  =>  session(id) lives and links to u, or (id, u) is pending in the shard of session(id).
//  2. Ending a session removes its id from every linked set in the same effect group, session first.
//  3. Reading a user-sessions set first ends those of its sessions whose deadline has passed (guard_plan.h).
//
// Cost: 8 bytes a session; nothing on GET, SET or EXPIRE of a live session.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "storage/keyspace/access.h"
#include "storage/keyspace/session_links.h"

namespace cloakroom::storage {

class SessionIndex {
 public:
  // Hooks of the set type, to be called for every change of membership of a set under a user-sessions key.
  // The guards of the sessions of added members are held; those of removed members may be.
  static void member_added(Access& access, const KeyRef& set, PackedId member);
  // The same; an id whose session is not there waits for it so long.
  static void member_added(Access& access, const KeyRef& set, PackedId member, int64_t wait_ms);
  static void member_removed(Access& access, const KeyRef& set, PackedId member);
  // Convenience: does nothing unless the set is a user-sessions set and the index is on.
  static void added(Access& access, const KeyRef& set, std::string_view member);
  static void removed(Access& access, const KeyRef& set, std::string_view member);
  static bool concerns(Access& access, const KeyRef& set) {
    return set.role() == KeyRole::kUserSessions && access.keyspace().session_index();
  }

  // Shards that ending the session at `key` would need, besides its own. Its own guard is held.
  static void collect_link_shards(Access& access, const KeyRef& key, ShardSet& shards);
  // Ends the expired sessions among ids of the selected database, or among the members of the set at `key`,
  // whose guard is held. Others are tried; those that could not be had are added to `missing`.
  static void end_due(Access& access, std::span<const std::string_view> ids, ShardSet& missing);
  static void end_due_members(Access& access, const KeyRef& key, ShardSet& missing);

  // --- called by Access
  static void session_created(Access& access, const KeyRef& key, Entry& entry);
  // Removes the id from the linked sets. All their guards are held.
  static void leave_sets(Access& access, PackedId id, std::span<const uint64_t> set_hashes);
  // A user-sessions set has ended: ids that still wait for it need not. Its value, which the entry no longer
  // owns, is kept until they have been told, in turns (tell_departed); false when none wait, and it is not
  // taken.
  static bool set_departed(Access& access, Shard& shard, const Entry& set);

  // --- called by turns of expiry
  // A pending id whose time is over leaves its sets, as far as their guards can be had at once; false: not
  // all.
  static bool end_pending(Access& access, Shard& shard, Table& table, const Place& place, ShardSet& missing);
  // Looks at about `budget` ids of sets that ended here. Returns how many; fewer: nothing is left, or a guard
  // could not be had at once.
  static size_t tell_departed(Access& access, Shard& shard, size_t budget);

 private:
  static Found find_session(Access& access, uint64_t hash, PackedId id);
  static Found find_set(Access& access, uint64_t hash);
  static void prune_links(Access& access, const Found& session, PackedId id);
  static void end_if_due(Access& access, uint64_t hash, PackedId id, ShardSet& missing);
  static bool tell(Access& access, const DepartedSet& set, PackedId id);
};

}  // namespace cloakroom::storage
