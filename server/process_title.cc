#include "server/process_title.h"

#include <bsd/unistd.h>
#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace cloakroom::server {
namespace {

std::string& started_by() {
  static std::string name;
  return name;
}

std::string listen_address(const Config& config) {
  if (config.port == 0 && !config.unixsocket.empty()) return config.unixsocket;
  const std::string host = config.bind.empty() ? "*" : config.bind.front();
  if (host.find(':') != host.npos) return fmt::format("[{}]:{}", host, config.port);
  return fmt::format("{}:{}", host, config.port);
}

}  // namespace

void make_room_for_title(int argc, char** argv) {
  if (argc > 0) started_by() = argv[0];
  ::setproctitle_init(argc, argv, environ);
}

std::string process_title(const Config& config, const std::string& title, const std::string& config_file) {
  const std::pair<std::string_view, std::string> variables[] = {
      {"title", title},
      {"listen-addr", listen_address(config)},
      {"server-mode", ""},
      {"port", std::to_string(config.port)},
      {"tls-port", std::string(config.text("tls-port"))},
      {"unixsocket", config.unixsocket},
      {"config-file", config_file},
  };
  std::string shown;
  std::string_view rest = config.text("proc-title-template");
  for (size_t open; (open = rest.find('{')) != rest.npos;) {
    const size_t close = rest.find('}', open);
    shown += rest.substr(0, open);
    for (const auto& [name, value] : variables) {
      if (rest.substr(open + 1, close - open - 1) == name) shown += value;
    }
    rest.remove_prefix(close + 1);
  }
  shown += rest;
  const size_t first = shown.find_first_not_of(' ');
  return first == shown.npos ? "" : shown.substr(first, shown.find_last_not_of(' ') - first + 1);
}

void set_process_title(const Config& config, const std::string& config_file) {
  if (config.text("set-proc-title") == "no") return;
  ::setproctitle("-%s", process_title(config, started_by(), config_file).c_str());
}

}  // namespace cloakroom::server
