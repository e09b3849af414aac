#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>

#include "server/command_table.h"
#include "server/config_file.h"

namespace cloakroom::server {

std::shared_ptr<ConfigStore> start_config(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
  std::optional<CommandTable> commands;
  const auto is_command = [&](std::string_view name) {
    if (!commands) commands.emplace();
    return commands->find(name) != nullptr;
  };
  StartResult result = read_start_config({arguments, environment, std::cin, is_command});
  if (result.config) return std::move(result.config);
  std::fputs(result.out.c_str(), stdout);
  std::fputs(result.err.c_str(), stderr);
  std::exit(result.exit_code);
}

}  // namespace cloakroom::server
