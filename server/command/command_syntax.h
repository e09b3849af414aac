#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cloakroom::server {

// One argument of a command's documentation, as COMMAND DOCS describes it.
struct DocArgument {
  std::string name;
  std::string type;   // key, string, integer, double, pattern, unix-time, pure-token, oneof, block
  std::string token;  // literal word in front of (or instead of) the value
  std::string since;
  std::string deprecated_since;
  bool optional = false;
  bool multiple = false;
  bool multiple_token = false;         // the token stands before each of the values
  std::vector<DocArgument> arguments;  // of oneof and block
};

// Reads the notation of CommandRow::syntax; throws std::logic_error when it is malformed.
//
//   key                a value; its type goes by its name, or stands in braces: "increment{double}"
//   GET                a token alone
//   EX seconds         a token before a value; "PREFIX+ prefix..." repeats it with every value
//   way<A | B c>       a choice with a name of its own
//   pair(field value)  several arguments as one, with a name of its own
//   x...   [x]         repeats; optional
//   {since=6.2.0}      after a name or a closing bracket: facts, separated by commas (since, until, name, a
//   type)
std::vector<DocArgument> parse_syntax(std::string_view syntax);

}  // namespace cloakroom::server
