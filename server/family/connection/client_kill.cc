#include <fmt/format.h>

#include "server/dispatch/arguments.h"
#include "server/dispatch/client_link.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/connection/client_handlers.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

// What CLIENT KILL asks for; what is not given matches everybody.
struct Filter {
  std::optional<std::string_view> address = {};
  std::optional<std::string_view> local_address = {};
  std::optional<ClientType> type = {};
  std::optional<uint64_t> id = {};
  bool skip_me = true;

  bool matches(const Client& client) const {
    if (id && client.id != *id) return false;
    if (type && type_of(client) != *type) return false;
    if (!address && !local_address) return true;
    const Client::Texts texts = client.texts();
    return (!address || texts.address == *address) &&
           (!local_address || texts.local_address == *local_address);
  }
};

// One option and its value at arguments i and i + 1; replies and returns false when they are wrong.
bool parse_option(Context& ctx, size_t i, Filter& filter) {
  const std::string_view option = ctx.arg(i);
  const std::string_view value = ctx.arg(i + 1);
  if (equals_nocase(option, "id")) {
    constexpr std::string_view kBadId = "ERR client-id should be greater than 0";
    int64_t id = 0;
    if (!parse_integer_arg(ctx, i + 1, id, kBadId)) return false;
    if (id < 1) {
      ctx.reply.error(kBadId);
      return false;
    }
    filter.id = static_cast<uint64_t>(id);
  } else if (equals_nocase(option, "type")) {
    filter.type = client_type_named(value);
    if (!filter.type) {
      reply_unknown_client_type(ctx, value);
      return false;
    }
  } else if (equals_nocase(option, "addr")) {
    filter.address = value;
  } else if (equals_nocase(option, "laddr")) {
    filter.local_address = value;
  } else if (equals_nocase(option, "user")) {
    if (value != "default") {  // the only user there is: everybody
      ctx.reply.error(fmt::format("ERR No such user '{}'", value));
      return false;
    }
  } else if (equals_nocase(option, "skipme") && (equals_nocase(value, "yes") || equals_nocase(value, "no"))) {
    filter.skip_me = equals_nocase(value, "yes");
  } else {
    ctx.reply.error(errors::kSyntax);
    return false;
  }
  return true;
}

int64_t kill(Context& ctx, const Filter& filter) {
  int64_t killed = 0;
  const auto kill_if_matching = [&](Client& client) {
    if (client.is_leaving() || !filter.matches(client)) return;
    if (&client == &ctx.client) {
      if (filter.skip_me) return;
      client.set(Client::kCloseAfterReply, true);
    } else {
      ctx.worker.kill(client);
    }
    ++killed;
  };
  filter.id ? ctx.server.clients.visit(*filter.id, kill_if_matching)
            : ctx.server.clients.for_each(kill_if_matching);
  return killed;
}

void kill_address(Context& ctx, std::string_view address) {
  const Filter filter{.address = address, .skip_me = false};
  kill(ctx, filter) == 0 ? ctx.reply.error("ERR No such client") : ctx.reply.ok();
}

void kill_by_options(Context& ctx) {
  Filter filter;
  for (size_t i = 2; i < ctx.argc(); i += 2) {
    if (i + 1 >= ctx.argc()) return ctx.reply.error(errors::kSyntax);
    if (!parse_option(ctx, i, filter)) return;
  }
  ctx.reply.integer(kill(ctx, filter));
}

}  // namespace

void client_kill_command(Context& ctx) {
  ctx.argc() == 3 ? kill_address(ctx, ctx.arg(2)) : kill_by_options(ctx);
  // Who killed itself gets this reply and no further one, even inside EXEC.
  if (ctx.client.is(Client::kCloseAfterReply)) ctx.reply.mute(true);
}

}  // namespace cloakroom::server
