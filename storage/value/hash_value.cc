#include "storage/value/hash_value.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "storage/base/assert.h"
#include "storage/base/number.h"

namespace cloakroom::storage {
namespace {

// Beyond this a flat block becomes a table whatever the settings say, as Redis' listpack does.
constexpr size_t kMaxFlatBytes = size_t{1} << 30;
// Of kHashFlatLong: what can be searched and rewritten as fast as a table.
constexpr size_t kMaxLongBytes = 4096;
constexpr size_t kMaxLongFields = 64;

MemberTable* table_at(const char* value) {
  MemberTable* table;
  std::memcpy(&table, value, sizeof table);
  return table;
}

size_t flat_bytes(const char* value) { return FlatHash(value).bytes(); }
size_t table_bytes(const char*) { return sizeof(MemberTable*); }
size_t nothing_outside(const char*) { return 0; }
size_t table_outside(const char* value) { return table_at(value)->memory_bytes(); }
void destroy_nothing(const char*, Garbage&) {}
void destroy_table(const char* value, Garbage& garbage) {
  garbage.push_back(std::shared_ptr<MemberTable>(table_at(value)));
}
std::string clone_flat(const char* value) { return std::string(FlatHash(value).whole()); }
std::string pointer_bytes(std::unique_ptr<MemberTable> table) {
  const MemberTable* owned = table.release();
  std::string bytes(sizeof owned, '\0');
  std::memcpy(bytes.data(), &owned, sizeof owned);
  return bytes;
}
std::string clone_table(const char* value) { return pointer_bytes(table_at(value)->clone()); }

constexpr ValueOps kFlatOps{"listpack", flat_bytes, nothing_outside, destroy_nothing, clone_flat};
constexpr ValueOps kLongOps{"hashtable", flat_bytes, nothing_outside, destroy_nothing, clone_flat};
constexpr ValueOps kTableOps{"hashtable", table_bytes, table_outside, destroy_table, clone_table};

// A flat block under construction. Reused: growing hashes cost no allocation but the entry's own.
class FlatDraft {
 public:
  // Begins with the content of `hash`, or empty.
  explicit FlatDraft(const Entry* hash) {
    if (hash == nullptr) {
      bytes_.assign(FlatHash::kHeaderBytes, '\0');
      seal();
      return;
    }
    const FlatHash flat(hash->value());
    bytes_ = flat.whole();
    count_ = flat.size();
  }
  size_t size() const { return count_; }

  // True when the field is new.
  bool set(std::string_view name, std::string_view value) {
    HashField field;
    if (view().find(name, field)) {
      const size_t at = begin_of(field.value);
      const auto end = static_cast<size_t>(field.value.data() + field.value.size() - bytes_.data());
      char length[kLengthBytes];
      const size_t length_bytes = put_length(length, value.size());
      bytes_.replace(at, end - at, length_bytes + value.size(), '\0');
      std::memcpy(bytes_.data() + at, length, length_bytes);
      if (!value.empty()) std::memcpy(bytes_.data() + at + length_bytes, value.data(), value.size());
      seal();
      return false;
    }
    append(name);
    append(value);
    ++count_;
    seal();
    return true;
  }
  bool remove(std::string_view name) {
    HashField field;
    if (!view().find(name, field)) return false;
    const size_t at = begin_of(field.name);
    bytes_.erase(at, static_cast<size_t>(field.value.data() + field.value.size() - bytes_.data()) - at);
    --count_;
    seal();
    return true;
  }
  // The views in `out` are valid until the next edit.
  FlatHash view() const { return FlatHash(bytes_.data()); }

  bool fits(Kind kind) const {
    if (kind == Kind::kHashFlat) return bytes_.size() <= kMaxFlatBytes;
    return bytes_.size() <= kMaxLongBytes && count_ <= kMaxLongFields;
  }
  // Makes this the value of the key.
  void store(Access& access, Found& found, const KeyRef& key, Kind kind) {
    char* out = access.emplace(found, key, kind, bytes_.size(), Deadline::kKeep);
    std::memcpy(out, bytes_.data(), bytes_.size());
  }

 private:
  static constexpr size_t kLengthBytes = 10;

  static size_t put_length(char* out, size_t length) {
    char* p = out;
    for (; length >= 128; length >>= 7) *p++ = static_cast<char>(length | 128);
    *p++ = static_cast<char>(length);
    return static_cast<size_t>(p - out);
  }
  void append(std::string_view text) {
    char length[kLengthBytes];
    bytes_.append(length, put_length(length, text.size()));
    bytes_.append(text);
  }
  // Offset of the length prefix of `text`, a view into the draft.
  size_t begin_of(std::string_view text) const {
    char length[kLengthBytes];
    return static_cast<size_t>(text.data() - bytes_.data()) - put_length(length, text.size());
  }
  void seal() {
    CLOAKROOM_ASSERT(bytes_.size() <= UINT32_MAX);
    const auto bytes = static_cast<uint32_t>(bytes_.size());
    const auto count = static_cast<uint16_t>(std::min<size_t>(count_, FlatHash::kUncounted));
    std::memcpy(bytes_.data(), &bytes, sizeof bytes);
    std::memcpy(bytes_.data() + sizeof bytes, &count, sizeof count);
  }

  static thread_local std::string bytes_;
  size_t count_ = 0;
};
thread_local std::string FlatDraft::bytes_;

// What Redis allows a listpack.
struct FlatLimits {
  size_t entries;
  size_t value_bytes;

  explicit FlatLimits(Access& access)
      : entries(access.keyspace().settings().hash_max_flat_entries.load(std::memory_order_relaxed)),
        value_bytes(access.keyspace().settings().hash_max_flat_value_bytes.load(std::memory_order_relaxed)) {}

  bool allow(std::span<const std::string_view> pairs) const {
    return std::ranges::all_of(pairs, [&](std::string_view text) { return text.size() <= value_bytes; });
  }
};

size_t sum_bytes(std::span<const std::string_view> pairs) {
  size_t sum = 0;
  for (const std::string_view text : pairs) sum += text.size();
  return sum;
}

// Makes the key's value a table with the fields of `flat`.
void become_table(Access& access, Found& found, const KeyRef& key, FlatHash flat) {
  auto table = std::make_unique<MemberTable>(access.schema().hash_key());
  flat.for_each([&](HashField field) { table->put(field.name, field.value); });
  const auto outside = static_cast<int64_t>(table->memory_bytes());
  char* out = access.emplace(found, key, Kind::kHashTable, sizeof(MemberTable*), Deadline::kKeep);
  const std::string bytes = pointer_bytes(std::move(table));
  std::memcpy(out, bytes.data(), bytes.size());
  access.account(found, outside);
}

template <class Edit>
size_t edit_table(Access& access, Found& found, const KeyRef& key, Edit&& edit) {
  access.before_change(found, key.hash());
  MemberTable& table = *table_at(found->value());
  const auto before = static_cast<int64_t>(table.memory_bytes());
  const size_t changed = edit(table);
  access.account(found, static_cast<int64_t>(table.memory_bytes()) - before);
  return changed;
}

size_t set_in_table(Access& access, Found& found, const KeyRef& key,
                    std::span<const std::string_view> pairs) {
  return edit_table(access, found, key, [&](MemberTable& table) {
    size_t added = 0;
    for (size_t i = 0; i + 1 < pairs.size(); i += 2) added += table.put(pairs[i], pairs[i + 1]) ? 1 : 0;
    return added;
  });
}

// Overwrites a field of a flat hash when the new value is as long as the old.
bool overwrite(Entry& hash, std::string_view name, std::string_view value) {
  HashField field;
  if (!FlatHash(hash.value()).find(name, field) || field.value.size() != value.size()) return false;
  char* at = hash.value() + (field.value.data() - hash.value());
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
  return true;
}

}  // namespace

size_t FlatHash::long_length(size_t first, const char*& p) {
  size_t length = first & 127;
  for (int shift = 7;; shift += 7) {
    const auto byte = static_cast<uint8_t>(*p++);
    length |= static_cast<size_t>(byte & 127) << shift;
    if (byte < 128) return length;
  }
}

size_t FlatHash::size() const {
  if (count_ != kUncounted) return count_;
  size_t count = 0;
  for_each([&](HashField) { ++count; });
  return count;
}

const ValueOps& hash_value_ops(Kind kind) {
  return kind == Kind::kHashFlat ? kFlatOps : kind == Kind::kHashFlatLong ? kLongOps : kTableOps;
}

size_t hash_size(const Entry& hash) {
  return is_flat_hash(hash) ? FlatHash(hash.value()).size() : hash_table(hash).size();
}

bool hash_find(const Entry& hash, std::string_view name, std::string_view& value) {
  if (!is_flat_hash(hash)) return hash_table(hash).find(name, value);
  HashField field;
  if (!FlatHash(hash.value()).find(name, field)) return false;
  value = field.value;
  return true;
}

HashField hash_random(const Entry& hash, Access& access) {
  if (!is_flat_hash(hash)) {
    const MemberTable::Item item = hash_table(hash).random([&] { return access.random(); });
    return {item.member, item.value};
  }
  const FlatHash flat(hash.value());
  size_t skip = access.random() % flat.size();
  HashField drawn;
  flat.for_each([&](HashField field) {
    if (skip-- == 0) drawn = field;
  });
  return drawn;
}

size_t hash_set(Access& access, Found& found, const KeyRef& key, std::span<const std::string_view> pairs) {
  CLOAKROOM_ASSERT(pairs.size() % 2 == 0 && (!found || found->type() == Type::kHash));
  if (found && !is_flat_hash(*found.entry)) return set_in_table(access, found, key, pairs);
  const FlatLimits limits(access);
  Kind kind = found ? found->kind() : Kind::kHashFlat;
  if (!limits.allow(pairs) || (found && FlatHash(found->value()).size() > limits.entries))
    kind = Kind::kHashFlatLong;
  if (found && found->kind() == kind) {
    access.before_change(found, key.hash());
    while (!pairs.empty() && overwrite(*found.entry, pairs[0], pairs[1])) pairs = pairs.subspan(2);
    if (pairs.empty()) return 0;
  }
  FlatDraft draft(found.entry);
  size_t added = 0;
  bool fits = kind == Kind::kHashFlat || sum_bytes(pairs) <= kMaxLongBytes;
  while (fits && !pairs.empty()) {
    added += draft.set(pairs[0], pairs[1]) ? 1 : 0;
    pairs = pairs.subspan(2);
    if (draft.size() > limits.entries) kind = Kind::kHashFlatLong;
    fits = draft.fits(kind);
  }
  if (fits) {
    draft.store(access, found, key, kind);
    return added;
  }
  become_table(access, found, key, draft.view());
  return added + set_in_table(access, found, key, pairs);
}

size_t hash_remove(Access& access, Found& found, const KeyRef& key, std::span<const std::string_view> names) {
  CLOAKROOM_ASSERT(found && found->type() == Type::kHash);
  size_t removed = 0;
  if (is_flat_hash(*found.entry)) {
    FlatDraft draft(found.entry);
    for (const std::string_view name : names) removed += draft.remove(name) ? 1 : 0;
    if (removed > 0) draft.store(access, found, key, found->kind());
    return removed;
  }
  return edit_table(access, found, key, [&](MemberTable& table) {
    for (const std::string_view name : names) removed += table.erase(name) ? 1 : 0;
    return removed;
  });
}

Result<int64_t> hash_increment(Access& access, Found& found, const KeyRef& key, std::string_view name,
                               int64_t by) {
  int64_t result = 0;
  if (std::string_view old; found && hash_find(*found.entry, name, old)) {
    const std::optional<int64_t> value = parse_i64(old);
    if (!value) return Status::kHashNotInteger;
    result = *value;
  }
  if (__builtin_add_overflow(result, by, &result)) return Status::kIncrementOverflow;
  char text[kI64Chars];
  const std::array<std::string_view, 2> pair = {name, {text, format_i64(text, result)}};
  hash_set(access, found, key, pair);
  return result;
}

Result<std::string> hash_increment_float(Access& access, Found& found, const KeyRef& key,
                                         std::string_view name, long double by) {
  long double result = 0;
  if (std::string_view old; found && hash_find(*found.entry, name, old)) {
    const std::optional<long double> value = parse_long_double(old);
    if (!value) return Status::kHashNotFloat;
    result = *value;
  }
  result += by;
  if (std::isnan(result) || std::isinf(result)) return Status::kNotFinite;
  std::string text = format_long_double_human(result);
  const std::array<std::string_view, 2> pair = {name, text};
  hash_set(access, found, key, pair);
  return text;
}

}  // namespace cloakroom::storage
