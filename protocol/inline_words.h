#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace cloakroom::protocol {

// Splits an inline command into words by Redis' rules: blanks separate; "..." knows \n \r \t \b \a \xHH and
// \<any>;
// '...' knows \'; a quote may open inside a word, and a closing quote must be followed by a blank or the end.
// `line` must not hold NUL. Words without quotes are views into it, the others into strings added to
// `unquoted`. Returns false when the quotes are unbalanced.
bool split_inline(std::string_view line, std::vector<std::string_view>* words,
                  std::deque<std::string>* unquoted);

}  // namespace cloakroom::protocol
