#include <cctype>
#include <cstdlib>
#include <deque>
#include <unordered_map>

#include "protocol/inline_words.h"
#include "server/config/config_table.h"
#include "storage/base/nocase.h"
#include "storage/base/number.h"

namespace cloakroom::server::directives {
namespace {

using Reason = std::optional<std::string>;

Reason parse_bool(const std::string& word, ConfigValue& value) {
  const std::string answer = lower(word);
  if (answer != "yes" && answer != "no") return "argument must be 'yes' or 'no'";
  value = {answer, answer == "yes"};
  return std::nullopt;
}

Reason parse_choice(const Row& row, const std::string& word, ConfigValue& value) {
  const std::string wanted = lower(word);
  int64_t position = 0;
  for (std::string_view rest = row.choices; !rest.empty(); ++position) {
    const size_t end = rest.find(", ");
    const std::string_view candidate = rest.substr(0, end);
    if (candidate == wanted) {
      value = {wanted, position};
      return std::nullopt;
    }
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 2);
  }
  return "argument(s) must be one of the following: " + std::string(row.choices);
}

std::optional<int64_t> read_integer(const Row& row, const std::string& word) {
  if (row.has(kMemory)) {
    if (const auto bytes = parse_memory(word)) return static_cast<int64_t>(*bytes);
  }
  if (row.has(kPercent) && word.size() > 1 && word.ends_with('%')) {
    const auto percent = storage::parse_i64(std::string_view(word).substr(0, word.size() - 1));
    if (percent && *percent >= 0) return -*percent;
  }
  if (row.has(kOctal)) {
    char* end = nullptr;
    errno = 0;
    const long long octal = std::strtoll(word.c_str(), &end, 8);
    if (errno == 0 && *end == '\0') return octal;
  }
  if (!row.has(kMemory) && !row.has(kOctal)) return storage::parse_i64(word);
  return std::nullopt;
}

std::string in_octal(uint64_t number) {
  std::string digits;
  do digits.insert(digits.begin(), static_cast<char>('0' + number % 8));
  while (number /= 8);
  return digits;
}

std::string format_integer(const Row& row, int64_t number) {
  if (row.has(kPercent) && number < 0) return std::to_string(-number) + "%";
  if (row.has(kOctal)) return in_octal(static_cast<uint64_t>(number));
  if (row.has(kUnsigned)) return std::to_string(static_cast<uint64_t>(number));
  return std::to_string(number);
}

Reason check_range(const Row& row, int64_t number) {
  if (row.has(kPercent) && number < 0) {
    if (number >= row.low) return std::nullopt;
    return "percentage argument must be less or equal to " + std::to_string(-row.low);
  }
  const bool in_range = row.has(kUnsigned) ? static_cast<uint64_t>(number) <= row.high
                                           : number >= row.low && number <= static_cast<int64_t>(row.high);
  if (in_range) return std::nullopt;
  const std::string high = row.has(kOctal) ? in_octal(row.high) : std::to_string(row.high);
  return "argument must be between " + std::to_string(row.low) + " and " + high + " inclusive";
}

Reason parse_integer(const Row& row, const std::string& word, ConfigValue& value) {
  const auto number = read_integer(row, word);
  if (!number) {
    if (row.has(kPercent)) return "argument must be a memory or percent value";
    if (row.has(kMemory)) return "argument must be a memory value";
    if (row.has(kOctal)) return "argument couldn't be parsed as an octal number";
    return "argument couldn't be parsed into an integer";
  }
  if (auto reason = check_range(row, *number)) return reason;
  value = {format_integer(row, *number), *number};
  return std::nullopt;
}

Reason parse(const Row& row, Words words, ConfigValue& value, bool loading) {
  if (row.kind == Kind::kSpecial) return row.special_syntax->parse(words, value, loading);
  if (words.size() != 1) return "wrong number of arguments";
  switch (row.kind) {
    case Kind::kBool:
      return parse_bool(words[0], value);
    case Kind::kChoice:
      return parse_choice(row, words[0], value);
    case Kind::kInteger:
      return parse_integer(row, words[0], value);
    default:
      value = {words[0], 0};
      return std::nullopt;
  }
}

using Names = std::unordered_map<std::string, FoundRow>;

const Names& names() {
  static const Names all = [] {
    Names made;
    const auto rows = config_rows();
    for (size_t i = 0; i < rows.size(); ++i) {
      made.emplace(rows[i]->name, FoundRow{i, false});
      if (!rows[i]->old_name.empty()) made.emplace(rows[i]->old_name, FoundRow{i, true});
    }
    return made;
  }();
  return all;
}

}  // namespace

std::span<const Row* const> config_rows() {
  static const std::vector<const Row*> all = [] {
    std::vector<const Row*> made;
    for (const auto& topic : {network_rows(), keyspace_rows(), operation_rows(), persistence_rows(),
                              replication_rows(), tls_rows()}) {
      for (const Row& row : topic) made.push_back(&row);
    }
    return made;
  }();
  return all;
}

std::optional<FoundRow> find_row(std::string_view name) {
  const auto found = names().find(lower(name));
  if (found == names().end()) return std::nullopt;
  return found->second;
}

std::optional<std::string> assign(Config& config, size_t index, Words words, bool loading) {
  const Row& row = *config_rows()[index];
  ConfigValue value = config.values[index];
  if (auto reason = parse(row, words, value, loading)) return reason;
  if (row.check_value) {
    if (const char* reason = row.check_value(value)) return reason;
  }
  if (row.effect == Effect::kRefused && value.text != row.initial) return std::string(row.why_refused);
  config.values[index] = value;
  if (row.store) row.store(config, value);
  return std::nullopt;
}

Config default_config() {
  Config config;
  const auto rows = config_rows();
  config.values.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    std::vector<std::string> words{rows[i]->default_text()};
    if (rows[i]->has(kManyWords)) words = *split_words(words[0]);
    assign(config, i, words, false);
  }
  return config;
}

std::optional<uint64_t> parse_memory(std::string_view word) {
  size_t digits = 0;
  while (digits < word.size() && std::isdigit(static_cast<unsigned char>(word[digits]))) ++digits;
  constexpr size_t kMaxDigits = 127;
  if (digits > kMaxDigits) return std::nullopt;
  static const std::unordered_map<std::string, uint64_t> kUnits = {
      {"", 1},        {"b", 1},        {"k", 1000},       {"kb", 1 << 10},
      {"m", 1000000}, {"mb", 1 << 20}, {"g", 1000000000}, {"gb", 1 << 30}};
  const auto unit = kUnits.find(lower(word.substr(digits)));
  if (unit == kUnits.end()) return std::nullopt;
  // No digits is 0, too many are the largest number, and the product wraps: as Redis reads them.
  return std::strtoull(std::string(word.substr(0, digits)).c_str(), nullptr, 10) * unit->second;
}

std::string format_memory(uint64_t bytes) {
  if (bytes == 0) return "0";
  if (bytes % (1 << 30) == 0) return std::to_string(bytes >> 30) + "gb";
  if (bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + "mb";
  if (bytes % (1 << 10) == 0) return std::to_string(bytes >> 10) + "kb";
  return std::to_string(bytes);
}

std::string in_quotes(std::string_view text) {
  static constexpr std::string_view kLetters = "\\\"\n\r\t\a\b";
  static constexpr std::string_view kEscapes = "\\\"nrtab";
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (const size_t at = kLetters.find(c); at != kLetters.npos) {
      out += {'\\', kEscapes[at]};
    } else if (byte >= ' ' && byte < 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out + '"';
}

std::optional<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string_view> words;
  std::deque<std::string> unquoted;
  if (!protocol::split_inline(line.substr(0, line.find('\0')), &words, &unquoted)) return std::nullopt;
  return std::vector<std::string>(words.begin(), words.end());
}

}  // namespace cloakroom::server::directives
