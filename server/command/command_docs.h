#pragma once

#include "protocol/reply_writer.h"
#include "server/command/command_table.h"

namespace cloakroom::server {

void reply_command_docs(protocol::ReplyWriter& reply, const Command& command);

}  // namespace cloakroom::server
