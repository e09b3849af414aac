#pragma once

#include <cstdint>
#include <string_view>

#include "server/dispatch/context.h"

// Arguments of SCAN, SSCAN, HSCAN. Each parse_* writes the error reply itself and returns false when it
// fails. In Redis' order the cursor comes first, then the key's absence and type, then the options.
namespace cloakroom::server {

struct ScanOptions {
  std::string_view pattern = "*";
  int64_t count = 10;
  std::string_view type;  // SCAN only

  bool wants(std::string_view text) const;
};

bool parse_scan_cursor(Context& ctx, size_t index, uint64_t& cursor);
bool parse_scan_options(Context& ctx, size_t first, ScanOptions& options, bool with_type = false);

}  // namespace cloakroom::server
