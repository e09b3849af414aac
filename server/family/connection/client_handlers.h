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
// Killed, though its thread has not closed it yet: nobody sees it any more.
inline bool is_leaving(const Client& client) { return client.is(Client::kCloseNow); }

// Closes the client, unless it is gone. On its own thread.
void close_client(IoThread& thread, uint64_t id);
// The same from any thread, `from`: its thread does, soon. Nobody sees it from now on.
void kill_client(IoThread& from, Client& client);

void client_list_command(Context& ctx);
void client_info_command(Context& ctx);
void client_kill_command(Context& ctx);
void client_pause_command(Context& ctx);
void client_unpause_command(Context& ctx);
void client_tracking_command(Context& ctx);

}  // namespace cloakroom::server
