#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply_writer.h"
#include "server/command_table.h"

namespace cloakroom::server {

// One argument of a command's documentation, as COMMAND DOCS describes it.
struct DocArgument {
  std::string name;
  std::string type;   // key, string, integer, double, pattern, unix-time, pure-token, oneof, block
  std::string token;  // literal word in front of (or instead of) the value
  bool optional = false;
  bool multiple = false;
  bool multiple_token = false;
  std::vector<DocArgument> arguments;  // of oneof and block
};

// Reads documentation notation ("key value [NX | XX] [EX seconds]"): words in capitals are tokens, "[...]" is
// optional, "a | b" a choice, "x [x ...]" repeats. Throws std::logic_error when brackets do not match.
std::vector<DocArgument> parse_syntax(std::string_view syntax);

void reply_command_docs(protocol::ReplyWriter& reply, const Command& command);

}  // namespace cloakroom::server
