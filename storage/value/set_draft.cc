#include "storage/value/set_draft.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "storage/base/assert.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/set_value.h"

namespace cloakroom::storage {

size_t max_set_ints(Access& access) {
  const uint32_t limit = access.keyspace().settings().set_max_int_entries.load(std::memory_order_relaxed);
  return std::min(limit, IntSet::kMaxSize);
}

SetDraft::SetDraft(Access& access)
    : access_(access), table_(std::make_unique<MemberTable>(access.schema().hash_key())) {}

bool SetDraft::add(std::string_view member) {
  if (!table_->put(member)) return false;
  ints_ = ints_ && table_->size() <= max_set_ints(access_) && parse_i64(member);
  return true;
}

void SetDraft::put(Found& found, const KeyRef& key, Deadline deadline) {
  CLOAKROOM_ASSERT(size() > 0);
  if (ints_) {
    put_ints(found, key, deadline);
  } else if (!put_ids(found, key, deadline) && !put_flat(found, key, deadline)) {
    put_table(found, key, deadline);
  }
}

void SetDraft::store(Found& found, const KeyRef& key) {
  if (!SessionIndex::concerns(access_, key)) {
    put(found, key, Deadline::kClear);
    return;
  }
  const Entry* old = found && found->type() == Type::kSet ? found.entry : nullptr;
  std::vector<std::string> left;
  std::vector<std::string> joined;
  if (old != nullptr) {
    set_visit(*old, [&](std::string_view member) {
      if (!contains(member)) left.emplace_back(member);
    });
  }
  for_each([&](std::string_view member) {
    if (old == nullptr || !set_contains(*old, member)) joined.emplace_back(member);
  });
  put(found, key, Deadline::kClear);
  for (const std::string& member : left) SessionIndex::removed(access_, key, member);
  for (const std::string& member : joined) SessionIndex::added(access_, key, member);
}

void SetDraft::put_ints(Found& found, const KeyRef& key, Deadline deadline) {
  std::vector<int64_t> numbers;
  numbers.reserve(size());
  for_each([&](std::string_view member) { numbers.push_back(*parse_i64(member)); });
  std::sort(numbers.begin(), numbers.end());
  const size_t width = std::max(IntSet::width_for(numbers.front()), IntSet::width_for(numbers.back()));
  const size_t bytes = IntSet::kHeaderBytes + numbers.size() * width;
  char* value = access_.emplace(found, key, Kind::kSetInts, bytes, deadline);
  IntSet::write_header(value, numbers.size(), width);
  char* at = value + IntSet::kHeaderBytes;
  for (const int64_t number : numbers) {
    IntSet::write(at, width, number);
    at += width;
  }
}

bool SetDraft::put_ids(Found& found, const KeyRef& key, Deadline deadline) {
  if (size() > IdSet::kMaxIds) return false;
  std::string packed;
  IdCodec codec = IdCodec::kRaw;
  size_t width = 0;
  bool fits = true;
  for_each([&](std::string_view member) {
    if (!fits) return;
    char buffer[kMaxPackedId];
    const PackedId id = pack_id(member, buffer);
    if (width == 0) {
      codec = id.codec;
      width = id.bytes.size();
    }
    fits = id.codec != IdCodec::kRaw && id.codec == codec && id.bytes.size() == width;
    packed += id.bytes;
  });
  if (!fits || !IdSet::has_room(size(), width)) return false;
  char* value = access_.emplace(found, key, Kind::kSetIds, IdSet::kHeaderBytes + packed.size(), deadline);
  IdSet::write_header(value, codec, width, size());
  std::memcpy(value + IdSet::kHeaderBytes, packed.data(), packed.size());
  return true;
}

bool SetDraft::put_flat(Found& found, const KeyRef& key, Deadline deadline) {
  if (size() > FlatSet::kMaxMembers) return false;
  size_t bytes = FlatSet::kHeaderBytes;
  bool fits = true;
  for_each([&](std::string_view member) {
    bytes += 1 + member.size();
    fits = fits && member.size() <= FlatSet::kMaxMemberBytes;
  });
  if (!fits || !FlatSet::has_room(bytes, size())) return false;
  char* value = access_.emplace(found, key, Kind::kSetFlat, bytes, deadline);
  FlatSet::write_header(value, bytes, size());
  char* at = value + FlatSet::kHeaderBytes;
  for_each([&](std::string_view member) {
    *at++ = static_cast<char>(member.size());
    member.copy(at, member.size());
    at += member.size();
  });
  return true;
}

void SetDraft::put_table(Found& found, const KeyRef& key, Deadline deadline) {
  MemberTable* table = table_.get();
  char* value = access_.emplace(found, key, Kind::kSetTable, sizeof table, deadline);
  std::memcpy(value, &table, sizeof table);
  static_cast<void>(table_.release());  // the entry owns it now
  access_.account(found, static_cast<int64_t>(table->memory_bytes()));
}

}  // namespace cloakroom::storage
