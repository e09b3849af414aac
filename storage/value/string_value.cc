#include "storage/value/string_value.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "storage/base/assert.h"

namespace cloakroom::storage {
namespace {

using InlineSize = uint16_t;
constexpr size_t kSharedOverhead = sizeof(BigString) + 32;  // and the control block of adopted bytes
constexpr size_t kFreeGrowth = size_t{1} << 20;             // as Redis: doubling up to here

static_assert(kMaxInlineString <= UINT16_MAX);

BigString* big_at(const char* value) {
  BigString* big;
  std::memcpy(&big, value, sizeof big);
  return big;
}

size_t int_stored(const char*) { return sizeof(int64_t); }
size_t inline_stored(const char* value) {
  InlineSize size;
  std::memcpy(&size, value, sizeof size);
  return sizeof size + size;
}
size_t shared_stored(const char*) { return sizeof(BigString*); }
size_t nothing_outside(const char*) { return 0; }
size_t shared_external(const char*) { return kSharedOverhead; }
size_t shared_bytes(const char* value) { return big_at(value)->capacity; }

void destroy_nothing(const char*, Garbage&) {}
void destroy_shared(const char* value, Garbage& garbage) {
  const std::unique_ptr<BigString> big(big_at(value));
  garbage.emplace_back(std::move(big->bytes));
}

std::string int_clone(const char* value) { return {value, sizeof(int64_t)}; }
std::string inline_clone(const char* value) { return {value, inline_stored(value)}; }
// The copies share the bytes until one of them is changed.
std::string shared_clone(const char* value) {
  BigString* copy = std::make_unique<BigString>(*big_at(value)).release();
  std::string out(sizeof copy, '\0');
  std::memcpy(out.data(), &copy, sizeof copy);
  return out;
}

constexpr ValueOps kIntOps = {"int", int_stored, nothing_outside, destroy_nothing, int_clone};
constexpr ValueOps kEmbeddedOps = {"embstr", inline_stored, nothing_outside, destroy_nothing, inline_clone};
constexpr ValueOps kRawOps = {"raw", inline_stored, nothing_outside, destroy_nothing, inline_clone};
constexpr ValueOps kSharedOps = {"raw",          shared_stored, shared_external,
                                 destroy_shared, shared_clone,  shared_bytes};

size_t grown(size_t needed) { return needed + std::min(needed, std::max(kFreeGrowth, needed / 4)); }

char* put_inline(char* out, size_t size) {
  const auto stored = static_cast<InlineSize>(size);
  std::memcpy(out, &stored, sizeof stored);
  return out + sizeof stored;
}

void put_int(char* out, int64_t number) { std::memcpy(out, &number, sizeof number); }

void emplace_big(Access& access, Found& found, const KeyRef& key, std::unique_ptr<BigString> big,
                 Deadline deadline) {
  char* out = access.emplace(found, key, Kind::kStringShared, sizeof(BigString*), deadline);
  access.account(found, static_cast<int64_t>(kSharedOverhead));
  const BigString* pointer = big.release();
  std::memcpy(out, &pointer, sizeof pointer);
}

// Replaces the value by one of `size` uninitialised bytes, never an integer, and returns them.
char* emplace_bytes(Access& access, Found& found, const KeyRef& key, Kind inline_kind, size_t size,
                    size_t capacity, Deadline deadline) {
  if (size <= kMaxInlineString) {
    return put_inline(access.emplace(found, key, inline_kind, sizeof(InlineSize) + size, deadline), size);
  }
  auto big = std::make_unique<BigString>();
  big->bytes = make_big_bytes(capacity);
  big->size = size;
  big->capacity = capacity;
  char* bytes = big->bytes.get();
  emplace_big(access, found, key, std::move(big), deadline);
  return bytes;
}

void set_bytes(Access& access, Found& found, const KeyRef& key, const NewString& value, Deadline deadline) {
  const std::string_view text = value.text;
  if (text.size() > kMaxInlineString && value.owned != nullptr && *value.owned != nullptr) {
    auto big = std::make_unique<BigString>();
    big->bytes = adopt_big_bytes(*value.owned, const_cast<char*>(text.data()), text.size());
    big->size = big->capacity = text.size();
    emplace_big(access, found, key, std::move(big), deadline);
    return;
  }
  const Kind kind = text.size() <= kMaxEmbeddedString ? Kind::kStringEmbedded : Kind::kStringRaw;
  char* out = emplace_bytes(access, found, key, kind, text.size(), text.size(), deadline);
  std::memcpy(out, text.data(), text.size());
}

// Makes the bytes of `big` ours alone, with room for `size`.
void make_writable(Access& access, BigString& big, size_t size) {
  if (big.capacity >= size && held_once(big.bytes)) return;
  const size_t capacity = big.capacity >= size ? size : grown(size);
  BigBytes bytes = make_big_bytes(capacity);
  std::memcpy(bytes.get(), big.bytes.get(), big.size);
  big.bytes.swap(bytes);
  big.capacity = capacity;
  access.garbage().emplace_back(std::move(bytes));
}

void put_range(char* bytes, size_t old_size, size_t offset, std::string_view part) {
  if (offset > old_size) std::memset(bytes + old_size, 0, offset - old_size);
  if (!part.empty()) std::memcpy(bytes + offset, part.data(), part.size());
}

// Writes `part` at `offset` of an existing string, which becomes raw.
size_t overwrite(Access& access, Found& found, const KeyRef& key, size_t offset, std::string_view part) {
  if (found->kind() == Kind::kStringShared) {
    access.before_change(found, key.hash());
    BigString& big = *big_at(found->value());
    const size_t size = std::max(big.size, offset + part.size());
    make_writable(access, big, size);
    put_range(big.bytes.get(), big.size, offset, part);
    big.size = size;
    return size;
  }
  char old[kMaxInlineString];
  char digits[kI64Chars];
  const std::string_view text = string_bytes(*found.entry, digits);
  const size_t old_size = text.size();
  std::memcpy(old, text.data(), old_size);
  const size_t size = std::max(old_size, offset + part.size());
  char* out = emplace_bytes(access, found, key, Kind::kStringRaw, size, grown(size), Deadline::kKeep);
  std::memcpy(out, old, old_size);
  put_range(out, old_size, offset, part);
  return size;
}

bool too_long(uint64_t size, uint64_t more, uint64_t max_bytes) {
  return size > max_bytes || more > max_bytes - size;
}

}  // namespace

const ValueOps& string_value_ops(Kind kind) {
  switch (kind) {
    case Kind::kStringInt:
      return kIntOps;
    case Kind::kStringEmbedded:
      return kEmbeddedOps;
    case Kind::kStringRaw:
      return kRawOps;
    default:
      CLOAKROOM_ASSERT(kind == Kind::kStringShared);
      return kSharedOps;
  }
}

size_t string_size(const Entry& string) {
  char digits[kI64Chars];
  return string_bytes(string, digits).size();
}

void string_set(Access& access, Found& found, const KeyRef& key, const NewString& value, Deadline deadline) {
  if (value.text.size() <= kI64Chars) {
    if (const auto number = parse_i64(value.text)) {
      put_int(access.emplace(found, key, Kind::kStringInt, sizeof(int64_t), deadline), *number);
      return;
    }
  }
  set_bytes(access, found, key, value, deadline);
}

void string_set_text(Access& access, Found& found, const KeyRef& key, std::string_view text) {
  set_bytes(access, found, key, {text}, Deadline::kKeep);
}

Result<int64_t> string_increment(Access& access, Found& found, const KeyRef& key, int64_t delta) {
  int64_t number = 0;
  if (found && found->kind() == Kind::kStringInt) {
    std::memcpy(&number, found->value(), sizeof number);
  } else if (found) {
    const auto parsed = parse_i64(string_bytes(*found.entry, nullptr));
    if (!parsed) return Status::kNotInteger;
    number = *parsed;
  }
  if (__builtin_add_overflow(number, delta, &number)) return Status::kIncrementOverflow;
  put_int(access.emplace(found, key, Kind::kStringInt, sizeof(int64_t), Deadline::kKeep), number);
  return number;
}

Result<long double> string_sum(const Found& found, long double delta) {
  long double sum = 0;
  if (found) {
    char digits[kI64Chars];
    const auto parsed = parse_long_double(string_bytes(*found.entry, digits));
    if (!parsed) return Status::kNotFloat;
    sum = *parsed;
  }
  sum += delta;
  if (std::isnan(sum) || std::isinf(sum)) return Status::kNotFinite;
  return sum;
}

Result<size_t> string_append(Access& access, Found& found, const KeyRef& key, const NewString& tail,
                             size_t max_bytes) {
  if (!found) {
    const size_t size = tail.text.size();
    string_set(access, found, key, tail, Deadline::kKeep);
    return size;
  }
  const size_t size = string_size(*found.entry);
  if (too_long(size, tail.text.size(), max_bytes)) return Status::kStringTooLong;
  return overwrite(access, found, key, size, tail.text);
}

Result<size_t> string_write(Access& access, Found& found, const KeyRef& key, uint64_t offset,
                            std::string_view bytes, size_t max_bytes) {
  if (too_long(offset, bytes.size(), max_bytes)) return Status::kStringTooLong;
  if (found) return overwrite(access, found, key, offset, bytes);
  const size_t size = offset + bytes.size();
  char* out = emplace_bytes(access, found, key, Kind::kStringRaw, size, size, Deadline::kKeep);
  put_range(out, 0, offset, bytes);
  return size;
}

}  // namespace cloakroom::storage
