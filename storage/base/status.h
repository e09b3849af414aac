#pragma once

#include <cstdint>
#include <utility>

namespace cloakroom::storage {

// Outcome of an operation on a value. The server turns it into reply text in one place
// (server/dispatch/errors.h).
enum class Status : uint8_t {
  kOk,
  kAbsent,  // no such key (or field, member: as the operation says); not an error by itself
  kWrongType,
  kNotInteger,  // value is no 64-bit integer
  kNotFloat,
  kHashNotInteger,  // hash field is no 64-bit integer
  kHashNotFloat,
  kIncrementOverflow,  // increment or decrement would overflow
  kNotFinite,          // increment would produce NaN or infinity
  kStringTooLong,      // would pass proto-max-bulk-len
  kOutOfRange,
};

template <class T>
struct Result {
  Status status = Status::kOk;
  T value{};

  Result(Status s) : status(s) {}       // NOLINT: a status is a result
  Result(T v) : value(std::move(v)) {}  // NOLINT: so is a value
  explicit operator bool() const { return status == Status::kOk; }
};

}  // namespace cloakroom::storage
