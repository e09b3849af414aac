#include "server/process_title.h"

#include <bsd/unistd.h>
#include <fmt/format.h>

#include "server/config/title_template.h"

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

void set_process_title(const Config& config, const std::string& config_file) {
  if (config.text("set-proc-title") == "no") return;
  const TitleVariable variables[] = {{"title", started_by()},
                                     {"listen-addr", listen_address(config)},
                                     {"server-mode", ""},
                                     {"port", std::to_string(config.port)},
                                     {"tls-port", std::string(config.text("tls-port"))},
                                     {"unixsocket", config.unixsocket},
                                     {"config-file", config_file}};
  const auto title = fill_title(config.text("proc-title-template"), variables);
  ::setproctitle("-%s", title.value_or(started_by()).c_str());
}

}  // namespace cloakroom::server
