#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Numbers as Redis reads and writes them in arguments, values and replies. The whole text must be the number.
namespace cloakroom::storage {

// Canonical decimal only: no '+', spaces, leading zeros or "-0"; in range.
std::optional<std::int64_t> parse_i64(std::string_view text);
std::optional<std::uint64_t> parse_u64(std::string_view text);

// What strtod/strtold take in the C locale (exponents, hexadecimal, "inf"), without leading space or nan;
// overflow and underflow to zero are refused.
std::optional<double> parse_double(std::string_view text);
std::optional<long double> parse_long_double(std::string_view text);

inline constexpr std::size_t kI64Chars = 20;  // "-9223372036854775808"
// Writes at most kI64Chars bytes (no terminator) and returns how many.
std::size_t format_i64(char* out, std::int64_t value);

std::string format_double(double value);                  // %.17g
std::string format_long_double_human(long double value);  // %.17Lf without trailing zeros; "0" for -0

}  // namespace cloakroom::storage
