#include "storage/value/set_value.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "storage/base/assert.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/set_draft.h"

namespace cloakroom::storage {
namespace {

MemberTable* table_at(const char* value) {
  MemberTable* table;
  std::memcpy(&table, value, sizeof table);
  return table;
}

size_t nothing_outside(const char*) { return 0; }
void destroy_nothing(const char*, Garbage&) {}
template <class Layout>
size_t small_bytes(const char* value) {
  return Layout(value).bytes();
}
template <class Layout>
std::string clone_small(const char* value) {
  return std::string(value, Layout(value).bytes());
}
size_t table_bytes(const char*) { return sizeof(MemberTable*); }
size_t table_outside(const char* value) { return table_at(value)->memory_bytes(); }
void destroy_table(const char* value, Garbage& garbage) {
  garbage.push_back(std::shared_ptr<MemberTable>(table_at(value)));
}
std::string clone_table(const char* value) {
  const MemberTable* copy = table_at(value)->clone().release();
  std::string bytes(sizeof copy, '\0');
  std::memcpy(bytes.data(), &copy, sizeof copy);
  return bytes;
}

bool contains_id(const Entry& set, PackedId id);
bool remove_id(Access& access, Found& found, const KeyRef& key, PackedId id);
uint64_t scan(Kind kind, const char* value, uint64_t cursor,
              const std::function<void(std::string_view)>& fn) {
  return set_scan({kind, value}, cursor, fn);
}
constexpr SetOps kSetOps{set_size, contains_id, remove_id, set_for_each_id, scan};

template <class Layout>
constexpr ValueOps small_ops(const char* encoding) {
  return {encoding, small_bytes<Layout>, nothing_outside, destroy_nothing, clone_small<Layout>, nullptr,
          &kSetOps};
}
constexpr ValueOps kIntsOps = small_ops<IntSet>("intset");
constexpr ValueOps kIdsOps = small_ops<IdSet>("hashtable");
constexpr ValueOps kFlatOps = small_ops<FlatSet>("hashtable");
constexpr ValueOps kTableOps{"hashtable", table_bytes, table_outside, destroy_table,
                             clone_table, nullptr,     &kSetOps};

// The old value part, kept while the block it stands in is replaced.
class Saved {
 public:
  Saved(const char* value, size_t bytes) {
    if (bytes > sizeof small_) large_ = std::make_unique_for_overwrite<char[]>(bytes);
    std::memcpy(data(), value, bytes);
  }
  char* data() { return large_ ? large_.get() : small_; }

 private:
  char small_[2048];
  std::unique_ptr<char[]> large_;
};

// Replaces the `removed` bytes at offset `at` of the value part by `inserted`; returns the new value part,
// whose header is still the old one.
char* splice(Access& access, Found& found, const KeyRef& key, size_t at, size_t removed,
             std::string_view inserted) {
  const size_t bytes = found->value_bytes();
  CLOAKROOM_ASSERT(at + removed <= bytes);
  Saved old(found->value(), bytes);
  const size_t new_bytes = bytes - removed + inserted.size();
  char* value = access.emplace(found, key, found->kind(), new_bytes, Deadline::kKeep);
  std::memcpy(value, old.data(), at);
  inserted.copy(value + at, inserted.size());
  std::memcpy(value + at + inserted.size(), old.data() + at + removed, bytes - at - removed);
  return value;
}

void create_flat(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  const size_t bytes = FlatSet::kHeaderBytes + 1 + member.size();
  char* value = access.emplace(found, key, Kind::kSetFlat, bytes, Deadline::kKeep);
  FlatSet::write_header(value, bytes, 1);
  value[FlatSet::kHeaderBytes] = static_cast<char>(member.size());
  member.copy(value + FlatSet::kHeaderBytes + 1, member.size());
}

// The set with one more member, in whatever layout holds it and answers "hashtable".
void outgrow(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  SetDraft draft(access);
  if (found) set_visit(*found.entry, [&](std::string_view m) { draft.add(m); });
  draft.add(member);
  draft.keep_hashtable();
  draft.put(found, key, Deadline::kKeep);
}

bool add_to_ints(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  const auto number = parse_i64(member);
  if (!number) {
    outgrow(access, found, key, member);
    return true;
  }
  const IntSet ints(found->value());
  const size_t i = ints.lower_bound(*number);
  const size_t size = ints.size();
  if (i < size && ints.at(i) == *number) return false;
  if (size + 1 > max_set_ints(access)) {
    outgrow(access, found, key, member);
    return true;
  }
  const size_t old_width = ints.width();
  const size_t width = std::max(old_width, IntSet::width_for(*number));
  if (width == old_width) {
    char bytes[sizeof *number];
    IntSet::write(bytes, width, *number);
    char* value = splice(access, found, key, IntSet::kHeaderBytes + i * width, 0, {bytes, width});
    IntSet::write_header(value, size + 1, width);
    return true;
  }
  Saved saved(found->value(), ints.bytes());
  const IntSet old(saved.data());
  char* value =
      access.emplace(found, key, Kind::kSetInts, IntSet::kHeaderBytes + (size + 1) * width, Deadline::kKeep);
  IntSet::write_header(value, size + 1, width);
  char* at = value + IntSet::kHeaderBytes;
  for (size_t k = 0; k <= size; ++k, at += width) {
    IntSet::write(at, width, k < i ? old.at(k) : k == i ? *number : old.at(k - 1));
  }
  return true;
}

bool add_to_ids(Access& access, Found& found, const KeyRef& key, std::string_view member, PackedId id) {
  const IdSet ids(found->value());
  if (ids.find(id) != IdSet::kNone) return false;
  const size_t size = ids.size();
  const size_t width = ids.width();
  if (!ids.takes(id) || !IdSet::has_room(size + 1, width)) {
    outgrow(access, found, key, member);
    return true;
  }
  char* value = splice(access, found, key, ids.bytes(), 0, id.bytes);
  IdSet::write_header(value, id.codec, width, size + 1);
  return true;
}

bool add_to_flat(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  const FlatSet flat(found->value());
  if (flat.find(member) != FlatSet::kNone) return false;
  const size_t size = flat.size();
  const size_t bytes = flat.bytes() + 1 + member.size();
  if (member.size() > FlatSet::kMaxMemberBytes || !FlatSet::has_room(bytes, size + 1)) {
    outgrow(access, found, key, member);
    return true;
  }
  char item[1 + FlatSet::kMaxMemberBytes];
  item[0] = static_cast<char>(member.size());
  member.copy(item + 1, member.size());
  char* value = splice(access, found, key, flat.bytes(), 0, {item, 1 + member.size()});
  FlatSet::write_header(value, bytes, size + 1);
  return true;
}

bool add_to_table(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  access.before_change(found, key.hash());
  MemberTable& table = set_table(*found.entry);
  const size_t before = table.memory_bytes();
  if (!table.put(member)) return false;
  access.account(found, static_cast<int64_t>(table.memory_bytes()) - static_cast<int64_t>(before));
  return true;
}

void create_with(Access& access, Found& found, const KeyRef& key, std::string_view member, PackedId id) {
  if (id.codec != IdCodec::kRaw) {
    char* value =
        access.emplace(found, key, Kind::kSetIds, IdSet::kHeaderBytes + id.bytes.size(), Deadline::kKeep);
    IdSet::write_header(value, id.codec, id.bytes.size(), 1);
    id.bytes.copy(value + IdSet::kHeaderBytes, id.bytes.size());
    return;
  }
  const auto number = parse_i64(member);
  if (!number || max_set_ints(access) == 0) {
    if (member.size() > FlatSet::kMaxMemberBytes) {
      outgrow(access, found, key, member);
    } else {
      create_flat(access, found, key, member);
    }
    return;
  }
  const size_t width = IntSet::width_for(*number);
  char* value = access.emplace(found, key, Kind::kSetInts, IntSet::kHeaderBytes + width, Deadline::kKeep);
  IntSet::write_header(value, 1, width);
  IntSet::write(value + IntSet::kHeaderBytes, width, *number);
}

bool add_member(Access& access, Found& found, const KeyRef& key, std::string_view member, PackedId id) {
  if (!found) {
    create_with(access, found, key, member, id);
    return true;
  }
  switch (found->kind()) {
    case Kind::kSetInts:
      return add_to_ints(access, found, key, member);
    case Kind::kSetIds:
      return add_to_ids(access, found, key, member, id);
    case Kind::kSetFlat:
      return add_to_flat(access, found, key, member);
    default:
      return add_to_table(access, found, key, member);
  }
}

bool remove_from_ids(Access& access, Found& found, const KeyRef& key, PackedId id) {
  const IdSet ids(found->value());
  const size_t i = ids.find(id);
  if (i == IdSet::kNone) return false;
  const size_t size = ids.size();
  const size_t width = ids.width();
  char* value = splice(access, found, key, IdSet::kHeaderBytes + i * width, width, {});
  IdSet::write_header(value, id.codec, width, size - 1);
  return true;
}

bool remove_from_ints(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  const auto number = parse_i64(member);
  if (!number) return false;
  const IntSet ints(found->value());
  const size_t i = ints.lower_bound(*number);
  const size_t size = ints.size();
  if (i == size || ints.at(i) != *number) return false;
  const size_t width = ints.width();
  char* value = splice(access, found, key, IntSet::kHeaderBytes + i * width, width, {});
  IntSet::write_header(value, size - 1, width);
  return true;
}

// From a set that is not packed.
bool remove_text(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  if (found->kind() == Kind::kSetInts) return remove_from_ints(access, found, key, member);
  if (found->kind() == Kind::kSetFlat) {
    const FlatSet flat(found->value());
    const size_t at = flat.find(member);
    if (at == FlatSet::kNone) return false;
    const size_t size = flat.size();
    const size_t bytes = flat.bytes() - 1 - member.size();
    char* value = splice(access, found, key, at, 1 + member.size(), {});
    FlatSet::write_header(value, bytes, size - 1);
    return true;
  }
  access.before_change(found, key.hash());
  MemberTable& table = set_table(*found.entry);
  const size_t before = table.memory_bytes();
  if (!table.erase(member)) return false;
  access.account(found, static_cast<int64_t>(table.memory_bytes()) - static_cast<int64_t>(before));
  return true;
}

bool contains_text(const Entry& set, std::string_view member) {
  switch (set.kind()) {
    case Kind::kSetInts: {
      const auto number = parse_i64(member);
      return number && IntSet(set.value()).contains(*number);
    }
    case Kind::kSetFlat:
      return FlatSet(set.value()).find(member) != FlatSet::kNone;
    default:
      return set_table(set).contains(member);
  }
}

// An id's text; a raw one is its own.
class IdText {
 public:
  explicit IdText(PackedId id)
      : text_(id.codec == IdCodec::kRaw ? id.bytes : std::string_view(buffer_, unpack_id(id, buffer_))) {}
  std::string_view view() const { return text_; }

 private:
  char buffer_[kMaxUnpackedId];
  std::string_view text_;
};

bool remove_id(Access& access, Found& found, const KeyRef& key, PackedId id) {
  CLOAKROOM_ASSERT(found && found->type() == Type::kSet);
  if (found->kind() == Kind::kSetIds) return remove_from_ids(access, found, key, id);
  return remove_text(access, found, key, IdText(id).view());
}

bool contains_id(const Entry& set, PackedId id) {
  if (set.kind() == Kind::kSetIds) return IdSet(set.value()).find(id) != IdSet::kNone;
  return contains_text(set, IdText(id).view());
}

}  // namespace

const ValueOps& set_value_ops(Kind kind) {
  switch (kind) {
    case Kind::kSetInts:
      return kIntsOps;
    case Kind::kSetIds:
      return kIdsOps;
    case Kind::kSetFlat:
      return kFlatOps;
    default:
      CLOAKROOM_ASSERT(kind == Kind::kSetTable);
      return kTableOps;
  }
}

bool set_add(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  CLOAKROOM_ASSERT(!found || found->type() == Type::kSet);
  const bool indexed = SessionIndex::concerns(access, key);
  char buffer[kMaxPackedId];
  const bool pack = indexed || !found || found->kind() == Kind::kSetIds;
  const PackedId id = pack ? pack_id(member, buffer) : PackedId{IdCodec::kRaw, member};
  if (!add_member(access, found, key, member, id)) return false;
  if (indexed) SessionIndex::member_added(access, key, id);
  return true;
}

bool set_remove(Access& access, Found& found, const KeyRef& key, std::string_view member) {
  CLOAKROOM_ASSERT(found && found->type() == Type::kSet);
  const bool indexed = SessionIndex::concerns(access, key);
  const bool packed = found->kind() == Kind::kSetIds;
  char buffer[kMaxPackedId];
  const PackedId id = indexed || packed ? pack_id(member, buffer) : PackedId{IdCodec::kRaw, member};
  if (!(packed ? remove_from_ids(access, found, key, id) : remove_text(access, found, key, member)))
    return false;
  if (indexed) SessionIndex::member_removed(access, key, id);
  return true;
}

bool set_contains(const Entry& set, std::string_view member) {
  if (set.kind() != Kind::kSetIds) return contains_text(set, member);
  char buffer[kMaxPackedId];
  return IdSet(set.value()).find(pack_id(member, buffer)) != IdSet::kNone;
}

size_t set_size(const Entry& set) {
  switch (set.kind()) {
    case Kind::kSetInts:
      return IntSet(set.value()).size();
    case Kind::kSetIds:
      return IdSet(set.value()).size();
    case Kind::kSetFlat:
      return FlatSet(set.value()).size();
    default:
      return set_table(set).size();
  }
}

void set_for_each(const Entry& set, const std::function<void(std::string_view)>& fn) { set_visit(set, fn); }

void set_for_each_id(const Entry& set, const std::function<void(PackedId)>& fn) {
  if (set.kind() == Kind::kSetIds) {
    const IdSet ids(set.value());
    for (size_t i = 0; i < ids.size(); ++i) fn(ids.at(i));
    return;
  }
  set_visit(set, [&](std::string_view member) {
    char buffer[kMaxPackedId];
    fn(pack_id(member, buffer));
  });
}

}  // namespace cloakroom::storage
