#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/config/config.h"

namespace cloakroom::server {

// What a start gets to read. Later sources win: file, standard input (`-`), environment, arguments.
struct StartRequest {
  std::span<const std::string> arguments;  // without the program's name: [file] [--directive value ...] [-]
  std::span<const std::string>
      environment;  // "CLOAKROOM_MAXMEMORY=256mb" means "maxmemory 256mb"; others are ignored
  std::istream& input;
  std::function<bool(std::string_view)> is_command = nullptr;  // for rename-command; null: every name is one
};

struct StartResult {
  std::shared_ptr<ConfigStore> config;  // null: print `out` and `err`, exit
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Texts, line numbers and exit codes are those of redis-server 7.0. `dir` changes the process' directory.
StartResult read_start_config(const StartRequest& request);

}  // namespace cloakroom::server
