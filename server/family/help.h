#pragma once

#include <initializer_list>
#include <string_view>

#include "server/dispatch/context.h"

namespace cloakroom::server {

// The reply of a container's HELP: Redis' frame around `lines` (syntax, then indented explanation).
void reply_help(Context& ctx, std::string_view container, std::initializer_list<std::string_view> lines);

// "ERR unknown subcommand or wrong number of arguments for ...": what a subcommand cannot say by its arity.
void reply_subcommand_syntax(Context& ctx);

}  // namespace cloakroom::server
