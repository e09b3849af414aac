#include "storage/log/manifest.h"

#include <algorithm>
#include <optional>

#include "storage/base/nocase.h"
#include "storage/base/number.h"

namespace cloakroom::storage {
namespace {

constexpr std::string_view kMark = "# cloakroom 1";
constexpr size_t kMaxLineBytes = 1024;  // with the newline: Redis' MANIFEST_MAX_LINE

constexpr const char* kBadFormat = "Invalid AOF manifest file format";

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_plain(char c) { return c > ' ' && c < 127 && c != '"' && c != '\\' && c != '\''; }

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// A word in quotation marks, as sdssplitargs reads it; `at` is behind the first mark and ends behind the last.
std::optional<std::string> quoted(std::string_view line, size_t& at, char mark) {
  std::string word;
  for (; at < line.size(); ++at) {
    const char c = line[at];
    if (c == mark) {
      ++at;
      if (at < line.size() && !is_space(line[at])) return std::nullopt;
      return word;
    }
    if (c != '\\' || at + 1 == line.size()) {
      word += c;
    } else if (mark == '\'') {
      if (line[at + 1] == '\'') ++at;
      word += line[at];
    } else if (line[at + 1] == 'x' && at + 3 < line.size() && digit_of(line[at + 2]) >= 0 &&
               digit_of(line[at + 3]) >= 0) {
      word += static_cast<char>(digit_of(line[at + 2]) * 16 + digit_of(line[at + 3]));
      at += 3;
    } else {
      constexpr std::string_view kLetters = "nrtba";
      constexpr std::string_view kMeant = "\n\r\t\b\a";
      const size_t known = kLetters.find(line[++at]);
      word += known == std::string_view::npos ? line[at] : kMeant[known];
    }
  }
  return std::nullopt;  // unbalanced
}

std::optional<std::vector<std::string>> split(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  for (;;) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at == line.size()) return words;
    std::string& word = words.emplace_back();
    while (at < line.size() && !is_space(line[at])) {
      const char c = line[at++];
      if (c != '"' && c != '\'') {
        word += c;
        continue;
      }
      const auto rest = quoted(line, at, c);
      if (!rest) return std::nullopt;
      word += *rest;
    }
  }
}

std::string shown(const std::string& name) {
  if (std::all_of(name.begin(), name.end(), is_plain)) return name;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c >= ' ' && c < 127) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      ((out += "\\x") += kHex[byte >> 4]) += kHex[byte & 15];
    }
  }
  return out + '"';
}

void add_line(std::string& out, const Manifest::File& file, char type) {
  out += "file " + shown(file.name) + " seq " + std::to_string(file.number) + " type " + type + "\n";
}

// Puts what a line says into the manifest.
const char* take_line(Manifest& manifest, std::string_view line) {
  const auto words = split(line);
  if (!words || words->size() < 6 || words->size() % 2 != 0) return kBadFormat;
  Manifest::File file;
  char type = 0;
  for (size_t i = 0; i < words->size(); i += 2) {
    const std::string& key = (*words)[i];
    const std::string& value = (*words)[i + 1];
    if (equals_nocase(key, "file")) {
      file.name = value;
      if (value.find_first_of("/\\") != std::string::npos) return "File can't be a path, just a filename";
    } else if (equals_nocase(key, "seq")) {
      file.number = parse_u64(value).value_or(0);
    } else if (equals_nocase(key, "type")) {
      type = value.empty() ? '\0' : value[0];
    }
  }
  if (file.name.empty() || file.number == 0 || type == 0) return kBadFormat;
  switch (type) {
    case 'b':
      if (!manifest.base.name.empty()) return "Found duplicate base file information";
      manifest.base = std::move(file);
      return nullptr;
    case 'h':
      manifest.history.push_back(std::move(file));
      return nullptr;
    case 'i':
      if (file.number <= manifest.last_number) return "Found a non-monotonic sequence number";
      manifest.last_number = file.number;
      manifest.increments.push_back(std::move(file));
      return nullptr;
    default:
      return "Unknown AOF file type";
  }
}

}  // namespace

const char* Manifest::parse(std::string_view text) {
  *this = {};
  if (text.empty()) return "Found an empty AOF manifest";
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos || end + 1 > kMaxLineBytes) {
      if (text.starts_with('#') && end == std::string_view::npos) break;
      return "The AOF manifest file contains too long line";
    }
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.starts_with('#')) {
      own = own || line == kMark;
      continue;
    }
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
    if (line.empty()) return kBadFormat;
    if (const char* error = take_line(*this, line)) return error;
  }
  return nullptr;
}

std::string Manifest::render() const {
  std::string out = own ? std::string(kMark) + "\n" : std::string();
  if (!base.name.empty()) add_line(out, base, 'b');
  for (const File& file : history) add_line(out, file, 'h');
  for (const File& file : increments) add_line(out, file, 'i');
  return out;
}

std::string Manifest::add_increment(const std::string& prefix) {
  increments.push_back({prefix + "." + std::to_string(++last_number) + ".incr.aof", last_number});
  return increments.back().name;
}

}  // namespace cloakroom::storage
