#pragma once

#include "server/dispatch/context.h"

// Handlers and rows of server_family.cc that stand in files of their own.
namespace cloakroom::server {

void debug_command(Context& ctx);
void debug_digest(Context& ctx);
void debug_digest_value(Context& ctx);
void debug_populate(Context& ctx);
CommandRows cluster_rows();
CommandRows acl_rows();
CommandRows persistence_commands();

}  // namespace cloakroom::server
