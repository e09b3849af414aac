#include "protocol/inline_words.h"

#include <cstddef>

namespace cloakroom::protocol {
namespace {

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// What ends a word outside quotes: vertical tab and form feed do not, though they are skipped between words.
bool ends_word(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char escaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Appends what stands between the quotes; *at is on the byte after the opening one and ends after the closing
// one.
bool read_quoted(std::string_view line, char quote, size_t* at, std::string* word) {
  size_t i = *at;
  const auto peek = [&](size_t ahead) { return i + ahead < line.size() ? line[i + ahead] : '\0'; };
  for (; i < line.size(); ++i) {
    const char c = line[i];
    if (c == quote) {
      *at = i + 1;
      return *at == line.size() || is_blank(line[*at]);
    }
    if (quote == '\'' && c == '\\' && peek(1) == '\'') {
      word->push_back('\'');
      ++i;
    } else if (quote == '"' && c == '\\' && peek(1) == 'x' && hex_digit(peek(2)) >= 0 &&
               hex_digit(peek(3)) >= 0) {
      word->push_back(static_cast<char>(hex_digit(peek(2)) * 16 + hex_digit(peek(3))));
      i += 3;
    } else if (quote == '"' && c == '\\' && i + 1 < line.size()) {
      word->push_back(escaped(line[++i]));
    } else {
      word->push_back(c);
    }
  }
  return false;
}

}  // namespace

bool split_inline(std::string_view line, std::vector<std::string_view>* words,
                  std::deque<std::string>* unquoted) {
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size()) return true;
    const size_t first = at;
    while (at < line.size() && !ends_word(line[at]) && line[at] != '"' && line[at] != '\'') ++at;
    if (at == line.size() || ends_word(line[at])) {
      words->push_back(line.substr(first, at - first));
      continue;
    }
    std::string& word = unquoted->emplace_back(line.substr(first, at - first));
    const char quote = line[at++];
    if (!read_quoted(line, quote, &at, &word)) return false;
    words->push_back(word);
  }
}

}  // namespace cloakroom::protocol
