// All commands there are: what the table is built of at start.
#pragma once

#include <array>

#include "server/command/command.h"

namespace cloakroom::server {

// Rows at the bottom of their family's file.
CommandRows string_commands();
CommandRows hash_commands();
CommandRows set_commands();
CommandRows key_commands();
CommandRows connection_commands();
CommandRows client_commands();
CommandRows transaction_commands();
CommandRows server_commands();
CommandRows introspection_commands();
CommandRows config_commands();
CommandRows diagnostics_commands();
CommandRows memory_commands();
CommandRows pubsub_commands();
CommandRows script_commands();

inline std::array<CommandRows, 14> families() {
  return {string_commands(),        hash_commands(),   set_commands(),         key_commands(),
          connection_commands(),    client_commands(), transaction_commands(), server_commands(),
          introspection_commands(), config_commands(), diagnostics_commands(), memory_commands(),
          pubsub_commands(),        script_commands()};
}

}  // namespace cloakroom::server
