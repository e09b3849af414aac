#pragma once

#include <string>

#include "server/config/config.h"

namespace cloakroom::server {

// main's first step: a title takes the memory of argv and of the environment, which move elsewhere.
void make_room_for_title(int argc, char** argv);

// What ps shows from now on: proc-title-template filled in; nothing with set-proc-title no. Passwords of the
// command line are seen no more.
void set_process_title(const Config& config, const std::string& config_file);

}  // namespace cloakroom::server
