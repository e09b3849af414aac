#include "storage/base/glob.h"

#include <cstddef>
#include <utility>

namespace cloakroom::storage {
namespace {

// Ranges compare bytes as signed, as Redis does on x86.
signed char fold(char c, bool nocase) {
  return static_cast<signed char>(nocase && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

constexpr std::size_t kMostStars = 1000;  // how deep Redis nests its matcher

struct Step {
  bool matches;
  std::size_t next;  // position in the pattern after the element
};

// `at` is just past '['. An unterminated class ends with the pattern.
Step match_class(std::string_view pattern, std::size_t at, char c, bool nocase) {
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  bool found = false;
  while (at < pattern.size()) {
    const std::size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {  // an escaped byte is exact even when case is ignored
      found |= pattern[at + 1] == c;
      at += 2;
    } else if (pattern[at] == ']') {
      return {found != negated, at + 1};
    } else if (left >= 3 && pattern[at + 1] == '-') {
      auto low = static_cast<signed char>(pattern[at]);
      auto high = static_cast<signed char>(pattern[at + 2]);
      if (low > high) std::swap(low, high);
      const signed char byte = fold(c, nocase);
      found |= byte >= fold(static_cast<char>(low), nocase) && byte <= fold(static_cast<char>(high), nocase);
      at += 3;
    } else {
      found |= fold(pattern[at], nocase) == fold(c, nocase);
      ++at;
    }
  }
  return {found != negated, at};
}

// One element that consumes exactly one byte of text.
Step match_one(std::string_view pattern, std::size_t at, char c, bool nocase) {
  if (pattern[at] == '?') return {true, at + 1};
  if (pattern[at] == '[') return match_class(pattern, at + 1, c, nocase);
  if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
  return {fold(pattern[at], nocase) == fold(c, nocase), at + 1};
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text, bool nocase) {
  if (text.empty()) return pattern.empty();
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t p = 0, t = 0, star = kNone, star_text = 0, stars = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      while (p < pattern.size() && pattern[p] == '*') ++p;
      if (p == pattern.size()) return true;
      if (++stars > kMostStars) return false;
      star = p;
      star_text = t;
      continue;
    }
    if (p < pattern.size()) {
      const Step step = match_one(pattern, p, text[t], nocase);
      if (step.matches) {
        p = step.next;
        ++t;
        continue;
      }
    }
    // Only the last star needs another try: what stands before it has already matched the shortest way.
    if (star == kNone) return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace cloakroom::storage
