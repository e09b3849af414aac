#pragma once

// The lines in front of requests and bulks: "*<count>" CR LF and "$<length>" CR LF.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cloakroom::protocol {

// The common case: 1 to 5 digits, no leading zero. Moves `at` behind the line; false (at unchanged) for
// anything else, however valid. Reads nothing at or behind `end`.
inline bool read_short_length(char type, char*& at, const char* end, uint64_t* length) {
  constexpr ptrdiff_t kLineBytes = 8;  // type, 5 digits, CR LF
  if (end - at < kLineBytes || *at != type) return false;
  const char* digit = at + 1;
  const char* const limit = at + 6;
  uint64_t value = static_cast<unsigned char>(*digit) - uint64_t{'0'};
  if (value > 9) return false;
  const bool zero = value == 0;
  while (++digit != limit) {
    const uint64_t next = static_cast<unsigned char>(*digit) - uint64_t{'0'};
    if (next > 9) break;
    value = value * 10 + next;
  }
  if (*digit != '\r' || (zero && digit != at + 2)) return false;
  *length = value;
  at += digit - at + 2;
  return true;
}

// A decimal integer exactly as Redis takes one: optional '-', no '+', no blanks, no leading zero, no "-0".
bool parse_decimal(std::string_view text, int64_t* value);

enum class Line : uint8_t { kWhole, kIncomplete, kTooLong };

// Finds the byte that ends the line at `at`: '\n' for inline commands, '\r' for lengths, which needs one more
// byte behind it (Redis does not look which). As in Redis a NUL hides the rest of the line, and a line that
// is not whole is too long from kMaxLineBytes on. The answer does not depend on how the bytes were split into
// reads.
Line find_line(char* at, char* end, char stop, char** line_end);

}  // namespace cloakroom::protocol
