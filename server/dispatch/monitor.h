#pragma once

#include <span>
#include <string_view>

#include "server/command/command_table.h"
#include "server/dispatch/client.h"

namespace cloakroom::server {

struct Worker;

// A MONITOR line for every monitoring client; under the guards of the command when it has any.
void feed_monitors(Worker& from, const Client& client, const Command& command,
                   std::span<const std::string_view> args);

}  // namespace cloakroom::server
