#include "storage/guard_plan.h"

#include "storage/assert.h"
#include "storage/session_index.h"

namespace cloakroom::storage {
namespace {

void collect_named(Access& access, const GuardPlan& plan, ShardSet& wanted) {
  const Keyspace& keyspace = access.keyspace();
  bool user_sessions = false;
  for (const KeyUse& use : plan.keys) {
    wanted.add(keyspace.shard_of(use.key->hash()));
    user_sessions = user_sessions || use.key->role() == KeyRole::kUserSessions;
  }
  for (const KeyRef* key : plan.watched) wanted.add(keyspace.shard_of(key->hash()));
  if (!user_sessions || !keyspace.session_index()) return;
  char buffer[kMaxPackedId];
  for (const std::string_view member : plan.members) {
    wanted.add(keyspace.shard_of(keyspace.schema().session_hash(pack_id(member, buffer))));
  }
}

// Answers whether sessions in sets among the keys may have expired unseen.
bool collect_linked(Access& access, const GuardPlan& plan, ShardSet& wanted) {
  bool due = false;
  const uint32_t selected = access.db();
  for (const KeyUse& use : plan.keys) {
    access.select(use.db);
    if (use.key->role() == KeyRole::kUserSessions) {
      due = SessionIndex::collect_due_shards(access, *use.key, wanted) || due;
    } else if (use.key->role() == KeyRole::kSession && use.write && plan.ends_keys) {
      SessionIndex::collect_link_shards(access, *use.key, wanted);
    }
  }
  access.select(selected);
  return due;
}

bool subset(const ShardSet& wanted, const Guard& guard) {
  bool all = true;
  wanted.for_each([&](uint32_t shard) { all = all && guard.holds(shard); });
  return all;
}

// All guards this needs are held.
void end_due(Access& access, const GuardPlan& plan) {
  const uint32_t selected = access.db();
  for (const KeyUse& use : plan.keys) {
    if (use.key->role() != KeyRole::kUserSessions) continue;
    access.select(use.db);
    SessionIndex::end_due_members(access, *use.key);
  }
  access.select(selected);
  access.mark_restartable();
}

void take(Access& access, const GuardPlan& plan, ShardSet wanted) {
  Guard& guard = access.guard();
  collect_named(access, plan, wanted);
  guard.take(wanted);
  if (!access.keyspace().session_index()) return;
  for (;;) {
    ShardSet linked;
    const bool due = collect_linked(access, plan, linked);
    if (subset(linked, guard)) {
      if (due) end_due(access, plan);
      return;
    }
    if (guard.try_add(linked)) {
      guard.take_over_time();
      continue;  // more may show, now that more can be looked at
    }
    linked.for_each([&](uint32_t shard) { wanted.add(shard); });
    guard.release();
    guard.take(wanted);
  }
}

}  // namespace

void take_guards(Access& access, const GuardPlan& plan) {
  CLOAKROOM_ASSERT(access.guard().held().empty());
  if (plan.everything) {
    access.guard().take_all();
    if (access.keyspace().session_index()) end_due(access, plan);
    return;
  }
  const bool plain = plan.keys.size() == 1 && plan.watched.empty() &&
                     (plan.keys[0].key->role() == KeyRole::kPlain ||
                      (plan.keys[0].key->role() == KeyRole::kSession && !plan.ends_keys));
  if (plain) {
    access.guard().take(access.keyspace().shard_of(plan.keys[0].key->hash()));
    return;
  }
  take(access, plan, {});
}

void take_guards_again(Access& access, const GuardPlan& plan, const ShardSet& also) {
  CLOAKROOM_ASSERT(access.guard().held().empty());
  take(access, plan, also);
}

}  // namespace cloakroom::storage
