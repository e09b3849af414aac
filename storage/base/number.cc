#include "storage/base/number.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cloakroom::storage {
namespace {

template <typename Integer>
std::optional<Integer> parse_integer(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits[0] == '0' && text.size() > 1)) return std::nullopt;
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <typename Float>
std::optional<Float> parse_float(std::string_view text, Float (*convert)(const char*, char**)) {
  constexpr std::size_t kMaxChars = 5 * 1024;  // Redis' MAX_LONG_DOUBLE_CHARS
  if (text.empty() || text.size() >= kMaxChars || std::isspace(static_cast<unsigned char>(text[0]))) {
    return std::nullopt;
  }
  char buffer[kMaxChars];
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  char* end = nullptr;
  errno = 0;
  const Float value = convert(buffer, &end);
  if (end != buffer + text.size() || std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> parse_i64(std::string_view text) { return parse_integer<std::int64_t>(text); }

std::optional<std::uint64_t> parse_u64(std::string_view text) { return parse_integer<std::uint64_t>(text); }

std::optional<double> parse_double(std::string_view text) { return parse_float<double>(text, std::strtod); }

std::optional<long double> parse_long_double(std::string_view text) {
  return parse_float<long double>(text, std::strtold);
}

std::size_t format_i64(char* out, std::int64_t value) {
  return static_cast<std::size_t>(std::to_chars(out, out + kI64Chars, value).ptr - out);
}

std::string format_double(double value) {
  if (std::isnan(value)) return "nan";
  char buffer[32];
  const int size = std::snprintf(buffer, sizeof buffer, "%.17g", value);
  return {buffer, static_cast<std::size_t>(size)};
}

std::string format_long_double_human(long double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const int size = std::snprintf(nullptr, 0, "%.17Lf", value);
  std::string text(static_cast<std::size_t>(size) + 1, '\0');
  std::snprintf(text.data(), text.size(), "%.17Lf", value);
  text.pop_back();
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

}  // namespace cloakroom::storage
