#include <array>

#include "storage/base/assert.h"
#include "storage/keyspace/kind.h"
#include "storage/value/hash_value.h"
#include "storage/value/set_value.h"
#include "storage/value/string_value.h"

namespace cloakroom::storage {

namespace {

constexpr ValueOps kNoValue{"", [](const char*) -> size_t { return 0; },
                            [](const char*) -> size_t { return 0; }, [](const char*, Garbage&) {},
                            [](const char*) { return std::string(); }};

}  // namespace

const ValueOps& value_ops(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return kNoValue;
    case Kind::kStringInt:
    case Kind::kStringEmbedded:
    case Kind::kStringRaw:
    case Kind::kStringShared:
      return string_value_ops(kind);
    case Kind::kHashFlat:
    case Kind::kHashFlatLong:
    case Kind::kHashTable:
      return hash_value_ops(kind);
    case Kind::kSetInts:
    case Kind::kSetIds:
    case Kind::kSetFlat:
    case Kind::kSetTable:
      return set_value_ops(kind);
    case Kind::kCount:
      break;
  }
  CLOAKROOM_ASSERT(false);
}

const SetOps& set_ops(Kind kind) {
  CLOAKROOM_ASSERT(kind != Kind::kNone && type_of(kind) == Type::kSet);
  return *value_ops(kind).set;
}

const char* type_name(Type type) {
  static constexpr std::array<const char*, 6> kNames = {"string", "list", "set", "zset", "hash", "stream"};
  return kNames[static_cast<size_t>(type)];
}

}  // namespace cloakroom::storage
