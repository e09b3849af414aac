#include "protocol/length_line.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "protocol/request_parser.h"

namespace cloakroom::protocol {

bool parse_decimal(std::string_view text, int64_t* value) {
  std::string_view digits = text;
  if (digits.starts_with('-')) digits.remove_prefix(1);
  if (digits.empty() || (digits.front() == '0' && text.size() > 1)) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Line find_line(char* at, char* end, char stop, char** line_end) {
  const auto available = static_cast<size_t>(end - at);
  const size_t searched = std::min(available, kMaxLineBytes + 1);
  char* found = static_cast<char*>(std::memchr(at, stop, searched));
  if (found != nullptr && std::memchr(at, '\0', static_cast<size_t>(found - at)) != nullptr) found = nullptr;
  if (found == nullptr) return available > kMaxLineBytes ? Line::kTooLong : Line::kIncomplete;
  if (stop == '\r' && end - found < 2) return Line::kIncomplete;
  *line_end = found;
  return Line::kWhole;
}

}  // namespace cloakroom::protocol
