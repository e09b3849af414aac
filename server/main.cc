#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <memory>

#include "server/config.h"
#include "server/log.h"
#include "server/process.h"
#include "server/server.h"
#include "storage/clock.h"

int main(int argc, char** argv) {
  using namespace cloakroom;
  const auto config =
      server::start_config(argc, argv);  // exits by itself on --version, --help and bad configuration
  try {
    server::prepare_process(*config);
    const storage::SystemClock clock;
    server::Server server(config, clock);
    server::announce(server);
    return server.run();
  } catch (const std::exception& error) {
    server::log(server::LogLevel::kWarning, error.what());
    return 1;
  }
}
