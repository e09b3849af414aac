#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <memory>

#include "server/config/config.h"
#include "server/crash_report.h"
#include "server/process.h"
#include "server/process_title.h"
#include "server/server.h"
#include "server/stats/log.h"
#include "storage/base/clock.h"

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kLeaksAreChecked = true;
#elif defined(__has_feature)
constexpr bool kLeaksAreChecked = __has_feature(address_sanitizer);
#else
constexpr bool kLeaksAreChecked = false;
#endif

}  // namespace

int main(int argc, char** argv) {
  using namespace cloakroom;
  server::make_room_for_title(argc, argv);
  const auto config =
      server::start_config(argc, argv);  // exits by itself on --version, --help and bad configuration
  try {
    server::prepare_process(*config);
    const storage::SystemClock clock;
    server::Server instance(config, clock);
    server::report_crashes(instance);
    server::announce(instance);
    const int code = instance.run();
    server::remove_pid_file();
    // Freeing a large keyspace entry by entry would only delay the exit; leak checkers want it done.
    if constexpr (!kLeaksAreChecked) std::_Exit(code);
    return code;
  } catch (const std::exception& error) {
    server::log(server::LogLevel::kWarning, error.what());
    return 1;
  }
}
