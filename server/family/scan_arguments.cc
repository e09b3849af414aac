#include "server/family/scan_arguments.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "server/dispatch/arguments.h"
#include "server/dispatch/errors.h"
#include "storage/base/glob.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {

bool ScanOptions::wants(std::string_view text) const {
  return pattern == "*" || storage::glob_match(pattern, text);
}

// As strtoul reads it, up to the first zero byte: a sign and an empty text pass.
bool parse_scan_cursor(Context& ctx, size_t index, uint64_t& cursor) {
  const std::string text(ctx.arg(index));
  char* end = nullptr;
  errno = 0;
  cursor = std::strtoul(text.c_str(), &end, 10);
  if (!std::isspace(static_cast<unsigned char>(text.c_str()[0])) && *end == '\0' && errno != ERANGE)
    return true;
  ctx.reply.error("ERR invalid cursor");
  return false;
}

bool parse_scan_options(Context& ctx, size_t first, ScanOptions& options, bool with_type) {
  for (size_t i = first; i < ctx.argc(); i += 2) {
    const std::string_view name = ctx.arg(i);
    const bool has_value = i + 1 < ctx.argc();
    if (has_value && equals_nocase(name, "count")) {
      if (!parse_integer_arg(ctx, i + 1, options.count)) return false;
      if (options.count >= 1) continue;
    } else if (has_value && equals_nocase(name, "match")) {
      options.pattern = ctx.arg(i + 1);
      continue;
    } else if (has_value && with_type && equals_nocase(name, "type")) {
      options.type = ctx.arg(i + 1);
      continue;
    }
    ctx.reply.error(errors::kSyntax);
    return false;
  }
  return true;
}

}  // namespace cloakroom::server
