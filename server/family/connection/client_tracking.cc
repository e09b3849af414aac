#include "server/dispatch/arguments.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/family/connection/client_handlers.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

struct TrackingOptions {
  bool redirect = false;
  bool broadcast = false;
  bool opt_in = false;
  bool opt_out = false;
  bool prefix = false;
};

bool has_client(ServerState& server, int64_t id) {
  bool found = false;
  server.clients.visit(static_cast<uint64_t>(id), [&](Client& client) { found = !client.is_leaving(); });
  return found;
}

bool fail(Context& ctx, std::string_view error) {
  ctx.reply.error(error);
  return false;
}

bool parse_options(Context& ctx, TrackingOptions& options) {
  for (size_t i = 3; i < ctx.argc(); ++i) {
    const std::string_view option = ctx.arg(i);
    const bool more = i + 1 < ctx.argc();
    if (equals_nocase(option, "redirect") && more) {
      if (options.redirect) return fail(ctx, "ERR A client can only redirect to a single other client");
      int64_t id = 0;
      if (!parse_integer_arg(ctx, ++i, id)) return false;
      if (!has_client(ctx.server, id))
        return fail(ctx, "ERR The client ID you want redirect to does not exist");
      options.redirect = true;
    } else if (equals_nocase(option, "bcast")) {
      options.broadcast = true;
    } else if (equals_nocase(option, "optin")) {
      options.opt_in = true;
    } else if (equals_nocase(option, "optout")) {
      options.opt_out = true;
    } else if (equals_nocase(option, "noloop")) {
      continue;
    } else if (equals_nocase(option, "prefix") && more) {
      options.prefix = true;
      ++i;
    } else {
      return fail(ctx, errors::kSyntax);
    }
  }
  return true;
}

}  // namespace

// Client-side caching is not built yet: it can be asked for correctly, but not had.
void client_tracking_command(Context& ctx) {
  TrackingOptions options;
  if (!parse_options(ctx, options)) return;
  if (equals_nocase(ctx.arg(2), "off")) return ctx.reply.ok();
  if (!equals_nocase(ctx.arg(2), "on")) return ctx.reply.error(errors::kSyntax);
  if (!options.broadcast && options.prefix) {
    return ctx.reply.error("ERR PREFIX option requires BCAST mode to be enabled");
  }
  if (options.broadcast && (options.opt_in || options.opt_out)) {
    return ctx.reply.error("ERR OPTIN and OPTOUT are not compatible with BCAST");
  }
  if (options.opt_in && options.opt_out) {
    return ctx.reply.error("ERR You can't specify both OPTIN mode and OPTOUT mode");
  }
  ctx.reply.error("ERR CLIENT TRACKING is not supported yet by Cloakroom");
}

}  // namespace cloakroom::server
