#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/config/config.h"

namespace cloakroom::server {

struct ServerState;

// Reads arguments, CLOAKROOM_* environment, file. Prints and exits by itself on --version,
// --help and whatever is wrong with the configuration.
std::shared_ptr<ConfigStore> start_config(int argc, char** argv);

// Makes the process what the configuration says, before there are threads: background, pid file, limit of
// open files, signals, kill score, title. May lower maxclients.
void prepare_process(ConfigStore& config);

// Logs who is starting; tells systemd once thread 0 serves.
void announce(const ServerState& server);

// Done by itself on an ordinary exit, not by std::_Exit.
void remove_pid_file();

}  // namespace cloakroom::server
