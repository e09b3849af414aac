#include "storage/keyspace/loading.h"

#include <functional>
#include <string>

#include "storage/base/assert.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::storage {

void begin_loading(Access& access) {
  Keyspace& keyspace = access.keyspace();
  keyspace.forbid_ending(Keyspace::kLoadingForbids, true);
  access.guard().take_all();
  keyspace.loading_ = true;
  keyspace.begin_epoch(access, false);
  access.finish();
}

void end_loading(Access& access) {
  Keyspace& keyspace = access.keyspace();
  CLOAKROOM_ASSERT(keyspace.loading());
  access.guard().take_all();
  keyspace.loading_ = false;
  keyspace.begin_epoch(access, true);
  access.finish();
}

bool LinkLoaded::turn(Access& access) {
  Keyspace& keyspace = access.keyspace();
  CLOAKROOM_ASSERT(!keyspace.loading() && shard_ < keyspace.shard_count());
  access.read_clock();
  access.guard().take_all();
  for (const auto& table : keyspace.shard(shard_).tables) {
    if (table == nullptr || !keyspace.session_index()) continue;
    access.select(table->db());
    table->for_each([&](const Place& place) {
      const Entry& entry = *table->entry(place);
      if (entry.role() != KeyRole::kUserSessions || entry.type() != Type::kSet) return;
      std::string text;
      const KeyRef key = access.schema().reference(entry.form(), entry.key(), table->hash_of(entry), text);
      set_ops(entry.kind()).for_each_id(entry, [&](PackedId id) {
        SessionIndex::member_added(access, key, id, wait_ms_);
      });
    });
  }
  const bool more = ++shard_ < keyspace.shard_count();
  if (!more) keyspace.forbid_ending(Keyspace::kLoadingForbids, false);
  access.finish();
  return more;
}

}  // namespace cloakroom::storage
