#include "server/family/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "storage/base/nocase.h"

namespace cloakroom::server {

void reply_help(Context& ctx, std::string_view container, std::initializer_list<std::string_view> lines) {
  ctx.reply.array(lines.size() + 3);
  ctx.reply.simple(fmt::format("{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container));
  for (const std::string_view line : lines) ctx.reply.simple(line);
  ctx.reply.simple("HELP");
  ctx.reply.simple("    Prints this help.");
}

void reply_subcommand_syntax(Context& ctx) {
  constexpr size_t kShown = 128;
  const std::string container = upper(ctx.arg(0));
  ctx.reply.error(fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
                              ctx.arg(1).substr(0, std::min(kShown, ctx.arg(1).find('\0'))), container));
}

}  // namespace cloakroom::server
