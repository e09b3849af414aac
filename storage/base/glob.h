#pragma once

#include <string_view>

namespace cloakroom::storage {

// Redis' glob (KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET): `*`, `?`, `[a-z]`, `[^x]`, `\` escapes the next
// byte. Time is at most |pattern| * |text|, whatever the pattern. As in Redis 7.0 an empty text matches only
// the empty pattern, not `*`; KEYS and SCAN skip the match altogether for the pattern `*`. And nothing matches
// by more than 1000 runs of `*` with something behind them.
bool glob_match(std::string_view pattern, std::string_view text, bool nocase = false);

}  // namespace cloakroom::storage
