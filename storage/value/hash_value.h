// Hashes: the value's layouts and the operations on them.
//
//   kHashFlat      uint32_t size of all | uint16_t count | field, value, field, value ... as they came,
//                  each with a length prefix (7 bits a byte); count 65535: count by walking
//                  up to hash-max-listpack-entries fields, none longer than hash-max-listpack-value
//   kHashFlatLong  the same, up to 64 fields and 4 KiB: what Redis makes a table because of one long value
//                  (8 fields, one a user agent of 110 bytes: ~270 B flat, ~1.5 KB as a table, Redis 577 B)
//   kHashTable     MemberTable* (member_table.h)
//
// OBJECT ENCODING says "listpack" of the first, "hashtable" of the others. A field is overwritten where it
// stands, as in Redis' listpack, so that the order of HGETALL is the same. No hash goes back to an earlier
// kind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "storage/base/status.h"
#include "storage/keyspace/access.h"
#include "storage/value/member_table.h"

namespace cloakroom::storage {

const ValueOps& hash_value_ops(Kind kind);

struct HashField {
  std::string_view name;
  std::string_view value;
};

// Walks a flat block. Views point into it.
class FlatHash {
 public:
  static constexpr size_t kHeaderBytes = 6;
  static constexpr uint16_t kUncounted = 0xffff;

  explicit FlatHash(const char* block) : block_(block) {
    std::memcpy(&bytes_, block, sizeof bytes_);
    std::memcpy(&count_, block + sizeof bytes_, sizeof count_);
  }
  size_t bytes() const { return bytes_; }
  size_t size() const;
  std::string_view whole() const { return {block_, bytes_}; }

  template <class Fn>  // fn(HashField)
  void for_each(Fn&& fn) const {
    const char* p = block_ + kHeaderBytes;
    const char* const end = block_ + bytes_;
    while (p != end) {
      const std::string_view name = next(p);
      fn(HashField{name, next(p)});
    }
  }
  bool find(std::string_view name, HashField& out) const {
    const char* p = block_ + kHeaderBytes;
    const char* const end = block_ + bytes_;
    while (p != end) {
      out.name = next(p);
      out.value = next(p);
      if (out.name == name) return true;
    }
    return false;
  }

 private:
  static std::string_view next(const char*& p) {
    size_t length = static_cast<uint8_t>(*p++);
    if (length >= 128) length = long_length(length, p);
    const std::string_view text(p, length);
    p += length;
    return text;
  }
  static size_t long_length(size_t first, const char*& p);

  const char* block_;
  uint32_t bytes_;
  uint16_t count_;
};

// --- reading; `hash` is of type hash. Views are valid until the key is changed.
inline const MemberTable& hash_table(const Entry& hash) {
  const MemberTable* table;
  std::memcpy(&table, hash.value(), sizeof table);
  return *table;
}
inline bool is_flat_hash(const Entry& hash) { return hash.kind() != Kind::kHashTable; }

size_t hash_size(const Entry& hash);
bool hash_find(const Entry& hash, std::string_view name, std::string_view& value);
template <class Fn>  // fn(HashField)
void hash_for_each(const Entry& hash, Fn&& fn) {
  if (is_flat_hash(hash)) {
    FlatHash(hash.value()).for_each(fn);
  } else {
    hash_table(hash).for_each([&](const MemberTable::Item& item) { fn(HashField{item.member, item.value}); });
  }
}
// One field, each equally likely. The hash is not empty.
HashField hash_random(const Entry& hash, Access& access);

// --- editing; `found` is null or a hash. Creates the key. Emits nothing: the caller reports with
// Access::changed() and ends a hash that became empty. Sets `pairs` (name, value, name, value ...) in order;
// returns how many fields are new.
size_t hash_set(Access& access, Found& found, const KeyRef& key, std::span<const std::string_view> pairs);
// Removes what is there of `names`, until nothing is left; returns how many. The hash may be empty
// afterwards.
size_t hash_remove(Access& access, Found& found, const KeyRef& key, std::span<const std::string_view> names);
// The field's new value; an absent field counts as 0.
Result<int64_t> hash_increment(Access& access, Found& found, const KeyRef& key, std::string_view name,
                               int64_t by);
Result<std::string> hash_increment_float(Access& access, Found& found, const KeyRef& key,
                                         std::string_view name, long double by);

}  // namespace cloakroom::storage
