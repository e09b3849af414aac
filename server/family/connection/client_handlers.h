#pragma once

#include <optional>
#include <string_view>

#include "server/dispatch/client.h"
#include "server/dispatch/context.h"

// Handlers of CLIENT's subcommands; rows in client_family.cc.
namespace cloakroom::server {

enum class ClientType : uint8_t { kNormal, kMaster, kReplica, kPubsub };
std::optional<ClientType> client_type_named(std::string_view name);
ClientType type_of(const Client& client);
void reply_unknown_client_type(Context& ctx, std::string_view name);
void client_list_command(Context& ctx);
void client_info_command(Context& ctx);
void client_kill_command(Context& ctx);
void client_pause_command(Context& ctx);
void client_unpause_command(Context& ctx);
void client_tracking_command(Context& ctx);

}  // namespace cloakroom::server
