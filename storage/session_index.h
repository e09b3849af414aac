// The session index: no user-sessions set holds the id of an ended session.
//
// Every session entry carries a link word: 0, or the 64-bit keyed hash of the one set that holds its id, or
// (flag kManyLinks) a pointer to a vector of such hashes. A hash survives every move of the set's entry, and
// is checked on use: the set must exist under it and must hold the id. So links may be stale (the set dropped
// the id without the session's guard at hand: SPOP, DEL of the set), never missing.
//
// Invariants (guards held as design.md rule 8 says)
//  1. id in set(u)  =>  session(id) lives and links to u, or (id, u) is pending in the shard of session(id).
//  2. Ending a session removes its id from every linked set in the same effect group, session first.
//  3. Reading a user-sessions set first ends those of its sessions whose deadline has passed
//  (SessionIndex::prepare).
//
// Cost: 8 bytes a session; nothing on GET, SET or EXPIRE of a live session.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "storage/access.h"

namespace cloakroom::storage {

class SessionIndex {
 public:
  // Hooks of the set type, to be called for every change of membership of a set under a user-sessions key.
  // The guards of the sessions of added members are held; those of removed members may be.
  static void member_added(Access& access, const KeyRef& set, PackedId member);
  static void member_removed(Access& access, const KeyRef& set, PackedId member);
  // Convenience: does nothing unless the set is a user-sessions set and the index is on.
  static void added(Access& access, const KeyRef& set, std::string_view member);
  static void removed(Access& access, const KeyRef& set, std::string_view member);
  static bool concerns(Access& access, const KeyRef& set) {
    return set.role() == KeyRole::kUserSessions && access.keyspace().session_index();
  }

  // Shards that ending the session at `key` would need, besides its own. Its own guard is held.
  static void collect_link_shards(Access& access, const KeyRef& key, ShardSet& shards);
  // Shards of sessions in the set at `key` that may have expired unseen, and of the links of those that have,
  // as far as their guards are held. The set's guard is held. Answers whether there are any.
  static bool collect_due_shards(Access& access, const KeyRef& key, ShardSet& shards);
  // Ends the expired sessions of the set at `key`; guards of the above are held.
  static void end_due_members(Access& access, const KeyRef& key);

  // --- called by Access
  static void session_created(Access& access, const KeyRef& key, Entry& entry);
  static std::vector<uint64_t> links_of(const Entry& session);
  static size_t link_bytes(const Entry& session);  // of a vector of links, in the shard's account
  static void add_link(Shard& shard, Entry& session, uint64_t set_hash);
  static void drop_link(Shard& shard, Entry& session, uint64_t set_hash);
  static void clear_links(Shard& shard, Entry& session);
  // Removes the id from the linked sets. All their guards are held.
  static void leave_sets(Access& access, PackedId id, std::span<const uint64_t> set_hashes);

  // --- called by ExpiryTurn: a pending id whose time is over leaves its set. Guards of both are held.
  static void drop_pending(Access& access, Shard& session_shard, const PendingIds::Due& due);

 private:
  static Found find_session(Access& access, uint64_t hash, PackedId id);
  static Found find_set(Access& access, uint64_t hash);
  static void prune_links(Access& access, const Found& session, PackedId id);
};

}  // namespace cloakroom::storage
