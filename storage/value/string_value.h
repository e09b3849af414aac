// Strings: the value's layouts and the operations on them.
//
//   kStringInt       int64_t
//   kStringEmbedded  uint16_t length | bytes      at most 44 bytes, set whole: Redis' embstr
//   kStringRaw       uint16_t length | bytes      up to kMaxInlineString
//   kStringShared    BigString*                   longer; replies being sent share the bytes
//
// Operations report nothing: the caller does with Access::changed().
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "storage/base/big_bytes.h"
#include "storage/base/number.h"
#include "storage/base/status.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/entry.h"
#include "storage/keyspace/kind.h"

namespace cloakroom::storage {

inline constexpr size_t kMaxEmbeddedString = 44;
inline constexpr size_t kMaxInlineString =
    1960;  // the entry stays in the arena's small classes (but for long keys)

// Bytes of a long string. Whoever holds a copy of `bytes` may read the first `size` of them without a guard:
// they are only ever changed while nobody else holds one.
struct BigString {
  BigBytes bytes;
  size_t size = 0;
  size_t capacity = 0;
};

const ValueOps& string_value_ops(Kind kind);

inline const BigString& big_string(const Entry& string) {
  const BigString* big;
  std::memcpy(&big, string.value(), sizeof big);
  return *big;
}

// Text of the string. An integer is written into `int_buffer` (kI64Chars bytes); otherwise the view is valid
// until the entry changes.
inline std::string_view string_bytes(const Entry& string, char* int_buffer) {
  const char* value = string.value();
  switch (string.kind()) {
    case Kind::kStringInt: {
      int64_t number;
      std::memcpy(&number, value, sizeof number);
      return {int_buffer, format_i64(int_buffer, number)};
    }
    case Kind::kStringShared: {
      const BigString& big = big_string(string);
      return {big.bytes.get(), big.size};
    }
    default: {
      uint16_t size;
      std::memcpy(&size, value, sizeof size);
      return {value + sizeof size, size};
    }
  }
}

size_t string_size(const Entry& string);

// Bytes about to become a string; not part of the value they replace. `owned`, when given, keeps `text`
// alive: a text too long to stand in the entry is shared instead of copied.
struct NewString {
  std::string_view text;
  const BigBytes* owned = nullptr;
};

// Replaces what stands at the key, of any type, or creates it; encoded as SET does (int, embstr, raw).
void string_set(Access& access, Found& found, const KeyRef& key, const NewString& value, Deadline deadline);
// The same for a computed text, which is never stored as an integer (INCRBYFLOAT). Keeps the deadline.
void string_set_text(Access& access, Found& found, const KeyRef& key, std::string_view text);

// In the following `found` is null or a string. The deadline is kept.
// kNotInteger, kIncrementOverflow.
Result<int64_t> string_increment(Access& access, Found& found, const KeyRef& key, int64_t delta);
// The sum; kNotFloat, kNotFinite. Changes nothing.
Result<long double> string_sum(const Found& found, long double delta);
// The new size; kStringTooLong when it would pass `max_bytes`. Growth is amortised.
Result<size_t> string_append(Access& access, Found& found, const KeyRef& key, const NewString& tail,
                             size_t max_bytes);
// Writes `bytes`, not empty, at `offset`; a gap is filled with zeros. As above.
Result<size_t> string_write(Access& access, Found& found, const KeyRef& key, uint64_t offset,
                            std::string_view bytes, size_t max_bytes);

}  // namespace cloakroom::storage
