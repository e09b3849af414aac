#include "storage/expiry.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <string>
#include <vector>

#include "storage/assert.h"
#include "storage/keyspace_walk.h"
#include "storage/session_index.h"

namespace cloakroom::storage {
namespace {

class Turn {
 public:
  Turn(Access& access, Shard& shard, uint32_t budget) : access_(access), shard_(shard), left_(budget) {}

  bool run() {
    if (access_.keyspace().may_end_keys.load(std::memory_order_relaxed)) {
      shard_.wheel.advance(access_.now_ms(), [&](BucketRef ref) {
        fire(ref);
        return left_ > 0;
      });
      drop_pending();
    }
    const size_t kReclaimSlice = 256;
    const bool reclaiming = !shard_.detached.empty();
    if (reclaiming) reclaim_detached(access_, shard_, kReclaimSlice);
    return left_ == 0 || !shard_.detached.empty();
  }

  // Does not wait for the tick of a deadline to be over.
  void end_all() {
    std::vector<BucketRef> due;
    shard_.wheel.visit_due(access_.now_ms(), [&](BucketRef ref) { due.push_back(ref); });
    for (const BucketRef ref : due) {
      shard_.wheel.cancel(ref);
      fire(ref);
    }
  }

 private:
  // Ends what is expired in a bucket that came due and files it again at the earliest deadline left.
  void fire(BucketRef ref) {
    Segment& segment = shard_.segments.segment(ref);
    Table& table = *segment.table;
    if (table.db() == Table::kDetached) return;
    const uint32_t number = ref & 63;
    const Bucket& bucket = segment.buckets[number];
    CLOAKROOM_ASSERT(&table == shard_.tables[table.db()].get());
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
        again = !end(table, place, deadline) || again;
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
      ShardSet wanted;
      for (const uint64_t link : SessionIndex::links_of(*entry))
        wanted.add(access_.keyspace().shard_of(link));
      if (!access_.guard().try_add(wanted)) return false;
    }
    text_.clear();
    access_.schema().append_text(entry->form(), entry->key(), text_);
    const KeyRef key = access_.schema().make(text_);
    access_.select(table.db());
    Found found{&shard_, &table, place, entry};
    access_.end(found, key, EndCause::kExpired);
    if (left_ > 0) --left_;
    shard_.counts.lag_last_at_ms = access_.now_ms();
    shard_.counts.lag_last_ms = access_.now_ms() - deadline;
    shard_.counts.lag_max_ms = std::max(shard_.counts.lag_max_ms, shard_.counts.lag_last_ms);
    return true;
  }

  void drop_pending() {
    for (; left_ > 0; --left_) {
      const auto due = shard_.pending.first_due(access_.now_ms());
      if (!due || !access_.guard().try_add(access_.keyspace().shard_of(due->set_hash))) return;
      SessionIndex::drop_pending(access_, shard_, *due);
    }
  }

  Access& access_;
  Shard& shard_;
  uint32_t left_;
  std::string text_;
};

}  // namespace

bool expiry_turn(Access& access, Shard& shard, uint32_t budget) {
  access.read_clock();
  access.guard().take(shard.index);
  const bool more = Turn(access, shard, budget).run();
  access.finish();
  return more;
}

void end_all_due(Access& access, Shard& shard) {
  CLOAKROOM_ASSERT(access.guard().holds(shard.index));
  Turn(access, shard, UINT32_MAX).end_all();
}

std::optional<int64_t> next_expiry_ms(Shard& shard, int64_t now_ms) {
  const std::lock_guard lock(shard.lock);
  std::optional<int64_t> next = shard.wheel.next_work_ms(now_ms);
  if (!shard.detached.empty()) return now_ms;
  const auto pending = shard.pending.next_due_ms();
  if (pending && (!next || *pending < *next)) next = pending;
  return next;
}

}  // namespace cloakroom::storage
