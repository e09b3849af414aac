#include "storage/base/glob.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>

using cloakroom::storage::glob_match;

namespace {

// The obvious recursive matcher, exponential on purpose: `*` tries every split. Classes are plain here; their
// odd forms are in the table below.
bool model(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*') {
    for (std::size_t skip = 0; skip <= text.size(); ++skip) {
      if (model(pattern.substr(1), text.substr(skip))) return true;
    }
    return false;
  }
  if (text.empty()) return false;
  if (pattern[0] == '?') return model(pattern.substr(1), text.substr(1));
  if (pattern[0] == '\\' && pattern.size() > 1) {
    return pattern[1] == text[0] && model(pattern.substr(2), text.substr(1));
  }
  if (pattern[0] == '[') {
    const bool negated = pattern[1] == '^';
    const std::size_t close = pattern.find(']');
    const std::string_view bytes = pattern.substr(negated ? 2 : 1, close - (negated ? 2 : 1));
    return (bytes.find(text[0]) != bytes.npos) != negated && model(pattern.substr(close + 1), text.substr(1));
  }
  return pattern[0] == text[0] && model(pattern.substr(1), text.substr(1));
}

}  // namespace

TEST_CASE("glob agrees with the recursive model on random patterns") {
  std::mt19937 random(7);
  const std::string_view pieces[] = {"*", "*", "?", "a", "b", "[ab]", "[^a]", "\\a", "\\*", "c"};
  int matches = 0;
  for (int round = 0; round < 40000; ++round) {
    std::string pattern, text;
    for (auto n = random() % 8; n > 0; --n) pattern += pieces[random() % std::size(pieces)];
    for (auto n = 1 + random() % 8; n > 0; --n) text += "abc*"[random() % 4];
    INFO(pattern, " on ", text);
    REQUIRE(glob_match(pattern, text) == model(pattern, text));
    matches += glob_match(pattern, text);
  }
  CHECK(matches > 1000);
}

TEST_CASE("glob's corners are those of Redis 7.0") {
  struct Row {
    std::string_view pattern, text;
    bool exact, folded;
  };
  const Row rows[] = {
      {"", "", true, true},
      {"*", "", false, false},
      {"**", "", false, false},
      {"", "a", false, false},
      {"a*", "a", true, true},
      {"a**", "a", true, true},
      {"h[a-z]llo", "hELLO", false, true},
      {"[z-a]", "m", true, true},
      {"[Z-a]", "Z", true, false},
      {"[^a-c]", "b", false, false},
      {"[^a-c]", "d", true, true},
      {"[abc", "c", true, true},
      {"[abc", "d", false, false},
      {"[", "a", false, false},
      {"[^", "a", true, true},
      {"[]", "a", false, false},
      {"[^]", "a", true, true},
      {"[a-]", "-", false, false},
      {"[a-]", "]", true, true},
      {"[\\]]", "]", true, true},
      {"[\\A]", "a", false, false},
      {"[\\", "\\", true, true},
      {"\\", "\\", true, true},
      {"\\*", "*", true, true},
      {"\\*", "x", false, false},
      {"[\x01-\xff]", "\x80", false, false},
      {"[\x80-\xff]", "\x90", true, true},
      {"session:*", "session:1", true, true},
      {"SESSION:*", "session:1", false, true},
      {std::string_view("a\0b", 3), std::string_view("a\0b", 3), true, true},
      {std::string_view("a\0b", 3), std::string_view("a\0c", 3), false, false},
  };
  for (const Row& row : rows) {
    INFO(row.pattern, " on ", row.text);
    CHECK(glob_match(row.pattern, row.text) == row.exact);
    CHECK(glob_match(row.pattern, row.text, true) == row.folded);
  }
}

TEST_CASE("glob stays polynomial on hostile patterns") {
  std::string pattern;
  for (int i = 0; i < 900; ++i) pattern += "*a";
  pattern += "b";
  CHECK_FALSE(glob_match(pattern, std::string(5000, 'a')));
  CHECK(glob_match(pattern, std::string(5000, 'a') + "b"));
}

TEST_CASE("as in Redis nothing matches by more than 1000 stars with something behind them") {
  const auto stars = [](int count, std::string_view last) {
    std::string pattern;
    for (int i = 0; i < count; ++i) pattern += "**a";
    return pattern + std::string(last);
  };
  const std::string text(1200, 'a');
  CHECK(glob_match(stars(1000, ""), text));
  CHECK(glob_match(stars(1000, "*"), text));
  CHECK(glob_match(stars(1000, "**"), text));
  CHECK_FALSE(glob_match(stars(1001, ""), text));
  CHECK_FALSE(glob_match(stars(1000, "*?"), text));
}
