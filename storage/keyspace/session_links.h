// The link word of a session's entry: which user-sessions sets hold its id, as the keyed hashes of their
// keys. 0 is none; one hash stands in the word itself; more (flag kManyLinks) in a hash set it points to.
// Everything here belongs to the guard of the entry's shard, whose account holds the hash sets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/keyspace/entry.h"
#include "storage/keyspace/shard.h"

namespace cloakroom::storage {

std::vector<uint64_t> links_of(const Entry& session);
size_t link_count(const Entry& session);
size_t link_bytes(const Entry& session);  // outside the entry
// True when it grew to a capacity it never had: the time to look for stale links.
bool add_link(Shard& shard, Entry& session, uint64_t set_hash);
void drop_link(Shard& shard, Entry& session, uint64_t set_hash);
void clear_links(Shard& shard, Entry& session);
// `to` has none yet.
void move_links(Entry& from, Entry& to);

}  // namespace cloakroom::storage
