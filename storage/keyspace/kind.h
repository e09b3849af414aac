#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cloakroom::storage {

enum class Type : uint8_t { kString, kList, kSet, kZset, kHash, kStream };

class Access;
class Entry;
struct Found;
class KeyRef;
struct PackedId;

// Type and encoding of a value in one number (5 bits in the entry's header). A new type adds kinds here and
// rows in value/value_ops.cc; nothing else in the keyspace knows what a value looks like.
enum class Kind : uint8_t {
  kNone = 0,        // nothing: an id that waits for its session (pending_ids.h)
  kStringInt,       // int64_t
  kStringEmbedded,  // uint16_t length, bytes (at most 44: Redis' embstr)
  kStringRaw,       // uint16_t length, bytes
  kStringShared,    // BigString*: bytes outside the entry, shared with replies being sent
  kHashFlat,        // uint32_t size, flat block (hash_value.h)
  kHashFlatLong,    // the same, for what Redis would make a table
  kHashTable,       // MemberTable*
  kSetInts,         // uint32_t size, sorted integers (set_value.h)
  kSetIds,          // uint32_t size, packed ids of one codec and width
  kSetFlat,         // uint32_t size, flat block of members
  kSetTable,        // SetTable*
  kCount,
};

// Things a command has taken out of the keyspace: freed after the guards are released.
using Garbage = std::vector<std::shared_ptr<void>>;

// What the session index needs of sets: ids in and out of them, without its own hooks.
struct SetOps {
  size_t (*size)(const Entry& set);
  bool (*contains_id)(const Entry& set, PackedId id);
  // False when it was not in. A set that became empty is the caller's to end.
  bool (*remove_id)(Access& access, Found& set, const KeyRef& key, PackedId id);
  // Every member in packed form (raw when it does not pack); the set must not change.
  void (*for_each_id)(const Entry& set, const std::function<void(PackedId)>& fn);
  // One step of a walk over a value taken out of its entry: the next cursor, 0 at the end.
  uint64_t (*scan)(Kind kind, const char* value, uint64_t cursor,
                   const std::function<void(std::string_view)>& fn);
};

// What the keyspace needs to know of a kind. `value` is the value part inside the entry.
struct ValueOps {
  const char* encoding;                         // as OBJECT ENCODING names it in Redis 7.0
  size_t (*stored_bytes)(const char* value);    // of the value part itself
  size_t (*external_bytes)(const char* value);  // in the shard's account; O(1)
  void (*destroy)(const char* value, Garbage& garbage);
  std::string (*clone)(const char* value);  // the value part of an equal, independent value
  // Outside the entry, with an account of their own (big_bytes.h); null: none.
  size_t (*shared_bytes)(const char* value) = nullptr;
  const SetOps* set = nullptr;  // of sets only
  size_t outside_bytes(const char* value) const {
    return external_bytes(value) + (shared_bytes == nullptr ? 0 : shared_bytes(value));
  }
};

const ValueOps& value_ops(Kind kind);
const SetOps& set_ops(Kind kind);  // of a set
// kNone and kCount have no type: they answer kString.
constexpr Type type_of(Kind kind) {
  switch (kind) {
    case Kind::kNone:
    case Kind::kStringInt:
    case Kind::kStringEmbedded:
    case Kind::kStringRaw:
    case Kind::kStringShared:
    case Kind::kCount:
      break;
    case Kind::kHashFlat:
    case Kind::kHashFlatLong:
    case Kind::kHashTable:
      return Type::kHash;
    case Kind::kSetInts:
    case Kind::kSetIds:
    case Kind::kSetFlat:
    case Kind::kSetTable:
      return Type::kSet;
  }
  return Type::kString;
}
const char* type_name(Type type);  // as TYPE answers

}  // namespace cloakroom::storage
