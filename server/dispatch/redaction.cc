#include "server/dispatch/redaction.h"

#include "server/command/command_table.h"
#include "server/config/config.h"
#include "server/dispatch/context.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

constexpr std::string_view kRedacted = "(redacted)";

void redact_hello(std::vector<std::string_view>& args) {
  for (size_t i = 2; i < args.size(); ++i) {
    if (equals_nocase(args[i], "auth") && i + 2 < args.size()) {
      args[i + 1] = args[i + 2] = kRedacted;
      i += 2;
    } else if (equals_nocase(args[i], "setname") && i + 1 < args.size()) {
      ++i;
    }
  }
}

}  // namespace

std::vector<std::string_view> redacted(const Command& command, std::span<const std::string_view> args) {
  std::vector<std::string_view> shown(args.begin(), args.end());
  if (command.has(kPassword)) {
    for (size_t i = 1; i < shown.size() && shown.size() <= 3; ++i) shown[i] = kRedacted;
  } else if (command.has(kPasswordOption)) {
    redact_hello(shown);
  } else if (command.has(kDirectives)) {
    for (size_t i = 2; i + 1 < shown.size(); i += 2) {
      if (ConfigStore::is_sensitive(shown[i])) shown[i + 1] = kRedacted;
    }
  }
  return shown;
}

}  // namespace cloakroom::server
