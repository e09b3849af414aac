#include "storage/pending_ids.h"

#include <algorithm>

namespace cloakroom::storage {
namespace {

template <class Waiting>
bool is(const Waiting& w, uint32_t db, PackedId id) {
  return w.db == db && w.codec == id.codec && w.id == id.bytes;
}

}  // namespace

void PendingIds::add(uint32_t db, uint64_t session_hash, PackedId id, uint64_t set_hash, int64_t due_ms) {
  const auto [first, last] = by_session_.equal_range(session_hash);
  auto at = first;
  while (at != last && (!is(at->second, db, id) || at->second.set_hash != set_hash)) ++at;
  if (at != last) {  // left behind by a set that went unseen: the id waits its full time again
    at->second.sequence = next_sequence_;
  } else {
    by_session_.emplace(session_hash, Waiting{db, id.codec, std::string(id.bytes), set_hash, next_sequence_});
  }
  turns_.push_back({session_hash, next_sequence_++, due_ms});
  if (turns_.size() > 1024 + 4 * by_session_.size()) drop_gone_turns();
}

void PendingIds::drop_gone_turns() {
  std::erase_if(turns_, [&](const Turn& turn) {
    const auto [first, last] = by_session_.equal_range(turn.session_hash);
    return std::none_of(first, last, [&](const auto& item) { return item.second.sequence == turn.sequence; });
  });
}

void PendingIds::remove(uint32_t db, uint64_t session_hash, PackedId id, uint64_t set_hash) {
  const auto [first, last] = by_session_.equal_range(session_hash);
  for (auto at = first; at != last; ++at) {
    if (!is(at->second, db, id) || at->second.set_hash != set_hash) continue;
    by_session_.erase(at);
    return;
  }
}

void PendingIds::collect(uint32_t db, uint64_t session_hash, PackedId id,
                         std::vector<uint64_t>& set_hashes) const {
  const auto [first, last] = by_session_.equal_range(session_hash);
  for (auto at = first; at != last; ++at) {
    if (is(at->second, db, id)) set_hashes.push_back(at->second.set_hash);
  }
}

std::vector<uint64_t> PendingIds::take(uint32_t db, uint64_t session_hash, PackedId id) {
  std::vector<uint64_t> taken;
  auto [at, last] = by_session_.equal_range(session_hash);
  while (at != last) {
    if (is(at->second, db, id)) {
      taken.push_back(at->second.set_hash);
      at = by_session_.erase(at);
    } else {
      ++at;
    }
  }
  if (by_session_.empty()) turns_.clear();
  return taken;
}

std::optional<PendingIds::Due> PendingIds::first_due(int64_t now_ms) {
  while (!turns_.empty()) {
    const Turn& turn = turns_.front();
    if (turn.due_ms > now_ms && by_session_.size() <= kMaxIds) return std::nullopt;
    const auto [first, last] = by_session_.equal_range(turn.session_hash);
    for (auto at = first; at != last; ++at) {
      const Waiting& w = at->second;
      if (w.sequence == turn.sequence) return Due{w.db, w.codec, w.id, turn.session_hash, w.set_hash};
    }
    turns_.pop_front();
  }
  return std::nullopt;
}

std::optional<int64_t> PendingIds::next_due_ms() const {
  if (turns_.empty()) return std::nullopt;
  return by_session_.size() > kMaxIds ? 0 : turns_.front().due_ms;
}

void PendingIds::shift(int64_t by_ms) {
  for (Turn& turn : turns_) turn.due_ms += by_ms;
}

void PendingIds::clear_db(uint32_t db) {
  std::erase_if(by_session_, [&](const auto& item) { return item.second.db == db; });
}

void PendingIds::swap_dbs(uint32_t a, uint32_t b) {
  for (auto& [hash, waiting] : by_session_) {
    if (waiting.db == a) {
      waiting.db = b;
    } else if (waiting.db == b) {
      waiting.db = a;
    }
  }
}

}  // namespace cloakroom::storage
