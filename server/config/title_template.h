#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace cloakroom::server {

using TitleVariable = std::pair<std::string_view, std::string>;  // name and value

// proc-title-template with the values of its `{name}`s, without blanks at its ends. Nothing when a brace is not
// closed, a name is none of the variables', or nothing is left.
std::optional<std::string> fill_title(std::string_view text, std::span<const TitleVariable> variables);

}  // namespace cloakroom::server
