#include "storage/keyspace/guard_plan.h"

#include <algorithm>

#include "storage/base/assert.h"
#include "storage/keyspace/expiry.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::storage {
namespace {

constexpr uint32_t kEndedAtOnce = 256;  // keys: ~0.3 ms, while others wait for these guards
constexpr size_t kSmallSet = 256;       // ids that are looked up one by one

bool is_user_sessions(const KeyUse& use) { return use.key->role() == KeyRole::kUserSessions; }

bool concerns_user_sessions(const GuardPlan& plan) {
  return std::any_of(plan.keys.begin(), plan.keys.end(), is_user_sessions);
}

void collect_named(Access& access, const GuardPlan& plan, ShardSet& wanted) {
  const Keyspace& keyspace = access.keyspace();
  for (const KeyUse& use : plan.keys) wanted.add(keyspace.shard_of(use.key->hash()));
  const auto changes_set = [](const KeyUse& use) { return use.write && is_user_sessions(use); };
  const bool indexed = keyspace.session_index();
  if (!indexed || std::none_of(plan.keys.begin(), plan.keys.end(), changes_set)) return;
  char buffer[kMaxPackedId];
  for (const std::string_view member : plan.members) {
    wanted.add(keyspace.shard_of(keyspace.schema().session_hash(pack_id(member, buffer))));
  }
}

// One attempt at ending what is due, with the guards that can be had at once.
class Attempt {
 public:
  Attempt(Access& access, const GuardPlan& plan) : access_(access), plan_(plan) {}

  void run() {
    const uint32_t selected = access_.db();
    const bool ends = access_.keyspace().may_end_keys();
    if (!ends) {
      for (const KeyUse& use : plan_.keys) hold_links(use);
    } else if (plan_.everything && (plan_.every_database || concerns_user_sessions(plan_))) {
      end_everywhere();
    } else {
      for (const KeyUse& use : plan_.keys) visit(use);
      access_.select(selected);
      if (concerns_user_sessions(plan_)) SessionIndex::end_due(access_, plan_.members, missing_);
    }
    access_.select(selected);
  }
  bool exhausted() const { return budget_ == 0; }
  const ShardSet& missing() const { return missing_; }

 private:
  void visit(const KeyUse& use) {
    access_.select(use.db);
    if (is_user_sessions(use) && use.whole) visit_set(*use.key);
    hold_links(use);
  }

  void hold_links(const KeyUse& use) {
    if (use.key->role() != KeyRole::kSession || !use.write || !plan_.ends_keys) return;
    access_.select(use.db);
    ShardSet links;
    SessionIndex::collect_link_shards(access_, *use.key, links);
    access_.guard().try_add(links, missing_);
  }

  void visit_set(const KeyRef& key) {
    const Found found = access_.peek(key);
    if (!found || found->type() != Type::kSet) return;
    if (set_ops(found->kind()).size(*found.entry) <= kSmallSet) {
      SessionIndex::end_due_members(access_, key, missing_);
    } else {
      end_everywhere();
    }
  }

  void end_everywhere() {
    for (Shard* shard : access_.keyspace().shards()) {
      if (!shard->wheel.may_be_due(access_.now_ms())) continue;
      if (!access_.guard().try_add(shard->index)) {
        missing_.add(shard->index);
      } else if (!end_due(access_, *shard, budget_, missing_) && exhausted()) {
        return;
      }
    }
  }

  Access& access_;
  const GuardPlan& plan_;
  uint32_t budget_ = kEndedAtOnce;
  ShardSet missing_;
};

bool take(Access& access, const GuardPlan& plan, ShardSet wanted) {
  Guard& guard = access.guard();
  collect_named(access, plan, wanted);
  if (plan.everything) wanted.add_all(access.keyspace().shard_count());
  guard.take(wanted);
  if (!access.keyspace().session_index()) return true;
  for (;;) {
    const int64_t now_ms = access.now_ms();
    Attempt attempt(access, plan);
    attempt.run();
    access.mark_restartable();  // what was ended is complete by itself
    if (attempt.exhausted()) {
      access.finish();
      return false;
    }
    if (attempt.missing().empty()) {
      guard.take_over_time();
      if (access.now_ms() == now_ms) return true;
    } else {
      wanted.add(attempt.missing());
      access.finish();
      guard.take(wanted);
    }
  }
}

}  // namespace

bool take_guards(Access& access, const GuardPlan& plan) {
  CLOAKROOM_ASSERT(access.guard().held().empty());
  const bool plain = !plan.everything && plan.keys.size() == 1 &&
                     (plan.keys[0].key->role() == KeyRole::kPlain ||
                      (plan.keys[0].key->role() == KeyRole::kSession && !plan.ends_keys));
  if (plain) {
    access.guard().take(access.keyspace().shard_of(plan.keys[0].key->hash()));
    return true;
  }
  return take(access, plan, {});
}

bool take_guards_again(Access& access, const GuardPlan& plan, const ShardSet& also) {
  CLOAKROOM_ASSERT(access.guard().held().empty());
  return take(access, plan, also);
}

bool end_all_due(Access& access) {
  CLOAKROOM_ASSERT(access.guard().held().empty());
  if (!access.keyspace().session_index()) return true;
  uint32_t budget = kEndedAtOnce;
  for (Shard* shard : access.keyspace().shards()) {
    ShardSet wanted;
    wanted.add(shard->index);
    for (bool all = !shard->wheel.may_be_due(access.now_ms()); !all;) {
      ShardSet missing;
      access.guard().take(wanted);
      if (!access.keyspace().may_end_keys()) {
        access.finish();
        return true;
      }
      all = end_due(access, *shard, budget, missing);
      access.finish();
      if (budget == 0) return false;
      wanted.add(missing);
    }
  }
  return true;
}

}  // namespace cloakroom::storage
