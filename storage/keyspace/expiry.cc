#include "storage/keyspace/expiry.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <string>
#include <vector>

#include "storage/base/assert.h"
#include "storage/keyspace/keyspace_walk.h"
#include "storage/keyspace/session_index.h"

namespace cloakroom::storage {
namespace {

constexpr size_t kReclaimSlice = 256;  // leftovers done with in one turn

class Turn {
 public:
  Turn(Access& access, Shard& shard, uint32_t budget, ShardSet& missing)
      : access_(access), shard_(shard), left_(budget), missing_(missing) {}

  uint32_t left() const { return left_; }
  // Ends what was due up to the tick that has begun last. False when the budget was reached.
  bool end_past() {
    return shard_.wheel.advance(access_.now_ms(), [&](BucketRef ref) {
      fire(ref);
      return left_ > 0;
    });
  }
  // Does not wait for the tick of a deadline to be over.
  bool end_all() {
    if (!end_past()) return false;
    std::vector<BucketRef> due;
    shard_.wheel.visit_due(access_.now_ms(), [&](BucketRef ref) { due.push_back(ref); });
    for (const BucketRef ref : due) {
      if (left_ == 0) return false;
      shard_.wheel.cancel(ref);
      fire(ref);
    }
    return missing_.empty();
  }

 private:
  // Ends what is expired in a bucket that came due and files it again at the earliest deadline left.
  void fire(BucketRef ref) {
    Segment& segment = shard_.segments.segment(ref);
    Table& table = *segment.table;
    if (table.db() == Table::kDetached) return;
    const uint32_t number = ref & 63;
    const Bucket& bucket = segment.buckets[number];
    const bool pending = shard_.pending.owns(table);
    CLOAKROOM_ASSERT(pending || &table == shard_.tables[table.db()].get());
    for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
      __builtin_prefetch(table.entry(bucket.slots[static_cast<size_t>(std::countr_zero(used))]));
    }
    int64_t earliest = INT64_MAX;
    bool again = false;
    for (uint32_t used = bucket.used(); used != 0; used &= used - 1) {
      const Place place{&segment, number, static_cast<uint32_t>(std::countr_zero(used))};
      if ((bucket.used() >> place.slot & 1) == 0) continue;  // a set that went with its last session
      const int64_t deadline = table.entry(place)->deadline_ms();
      if (deadline == 0) continue;
      if (access_.now_ms() > deadline) {
        again = !(pending ? end_pending(table, place) : end(table, place, deadline)) || again;
      } else {
        earliest = std::min(earliest, deadline);
      }
    }
    const uint32_t next = Wheel::tick_at(access_.now_ms()) + 1;
    if (again) {
      shard_.wheel.schedule(ref, next);
    } else if (earliest != INT64_MAX) {
      shard_.wheel.schedule(ref, Wheel::due_tick(earliest, access_.now_ms()));
    }
  }

  // False when a guard of its links could not be had at once: it stays for the next tick.
  bool end(Table& table, const Place& place, int64_t deadline) {
    Entry* entry = table.entry(place);
    if (entry->has(Entry::kHasLink) && entry->link() != 0) {
      if (!access_.guard().try_add(access_.keyspace().shards_of(links_of(*entry)), missing_)) return false;
    }
    const KeyRef key = access_.schema().reference(entry->form(), entry->key(), table.hash_of(*entry), text_);
    access_.select(table.db());
    Found found{&shard_, &table, place, entry};
    access_.end(found, key, EndCause::kExpired);
    if (left_ > 0) --left_;
    shard_.counts.lag_last_at_ms = access_.now_ms();
    shard_.counts.lag_last_ms = access_.now_ms() - deadline;
    shard_.counts.lag_max_ms = std::max(shard_.counts.lag_max_ms, shard_.counts.lag_last_ms);
    return true;
  }

  bool end_pending(Table& table, const Place& place) {
    if (left_ > 0) --left_;
    return SessionIndex::end_pending(access_, shard_, table, place, missing_);
  }

  Access& access_;
  Shard& shard_;
  uint32_t left_;
  ShardSet& missing_;
  std::string text_;
};

}  // namespace

ExpiryTurn expiry_turn(Access& access, Shard& shard, uint32_t budget) {
  access.read_clock();
  if (!access.guard().try_take(shard.index)) return ExpiryTurn::kBusy;
  shard.pending.release_empty_tables();
  ShardSet missing;  // stays for the next tick
  Turn turn(access, shard, budget, missing);
  bool more = access.keyspace().may_end_keys() && !turn.end_past();
  more = reclaim_leftovers(access, shard, kReclaimSlice) >= kReclaimSlice || !shard.detached.empty() || more;
  access.finish();
  return more ? ExpiryTurn::kMore : ExpiryTurn::kClean;
}

bool end_due(Access& access, Shard& shard, uint32_t& budget, ShardSet& missing) {
  CLOAKROOM_ASSERT(access.guard().holds(shard.index));
  if (!shard.wheel.may_be_due(access.now_ms())) return true;
  const uint32_t selected = access.db();
  Turn turn(access, shard, budget, missing);
  const bool all = turn.end_all();
  budget = turn.left();
  access.select(selected);
  return all;
}

std::optional<int64_t> next_expiry_ms(Shard& shard, int64_t now_ms) {
  const std::unique_lock lock(shard.lock, std::try_to_lock);
  if (!lock.owns_lock()) return now_ms + 1;
  if (!shard.detached.empty() || !shard.departed.empty()) return now_ms;
  return shard.wheel.next_work_ms(now_ms);
}

}  // namespace cloakroom::storage
