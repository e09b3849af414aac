#include "server/config/title_template.h"

#include <algorithm>

namespace cloakroom::server {

std::optional<std::string> fill_title(std::string_view text, std::span<const TitleVariable> variables) {
  std::string title;
  for (size_t open; (open = text.find('{')) != text.npos;) {
    const size_t close = text.find('}', open);
    if (close == text.npos) return std::nullopt;
    const std::string_view name = text.substr(open + 1, close - open - 1);
    const auto named = [&](const TitleVariable& variable) { return variable.first == name; };
    const auto variable = std::find_if(variables.begin(), variables.end(), named);
    if (variable == variables.end()) return std::nullopt;
    title += text.substr(0, open);
    title += variable->second;
    text.remove_prefix(close + 1);
  }
  title += text;
  const size_t first = title.find_first_not_of(' ');
  if (first == title.npos) return std::nullopt;
  return title.substr(first, title.find_last_not_of(' ') - first + 1);
}

}  // namespace cloakroom::server
