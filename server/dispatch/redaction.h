#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace cloakroom::server {

struct Command;

// A command line as MONITOR and the slow log may show it: passwords and the values of sensitive directives
// replaced, as Redis does. Views into `args`.
std::vector<std::string_view> redacted(const Command& command, std::span<const std::string_view> args);

}  // namespace cloakroom::server
