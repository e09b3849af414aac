#include "server/dispatch/monitor.h"

#include <fmt/format.h>

#include <string>

#include "server/dispatch/redaction.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"

namespace cloakroom::server {
namespace {

// One MONITOR line: +<unix time> [<db> <address>] "<arg>" ...
std::string monitor_line(int64_t now_us, uint32_t db, const std::string& address,
                         std::span<const std::string_view> args) {
  std::string line = fmt::format("+{}.{:06} [{} {}]", now_us / 1'000'000, now_us % 1'000'000, db, address);
  for (const std::string_view arg : args) {
    line += " \"";
    for (const char c : arg) {
      switch (c) {
        case '\\':
          line += "\\\\";
          break;
        case '"':
          line += "\\\"";
          break;
        case '\n':
          line += "\\n";
          break;
        case '\r':
          line += "\\r";
          break;
        case '\t':
          line += "\\t";
          break;
        case '\a':
          line += "\\a";
          break;
        case '\b':
          line += "\\b";
          break;
        default:
          if (c >= 32 && c < 127) {
            line += c;
          } else {
            line += fmt::format("\\x{:02x}", static_cast<uint8_t>(c));
          }
      }
    }
    line += '"';
  }
  return line + "\r\n";
}

}  // namespace

void feed_monitors(Worker& from, const Client& client, const Command& command,
                   std::span<const std::string_view> args) {
  std::string address = client.texts().address;
  if (client.is(Client::kUnixSocket)) address = "unix:" + address.substr(0, address.rfind(':'));
  const std::string line =
      monitor_line(from.server.clock.wall_us(), client.db.load(), address, redacted(command, args));
  for (Worker* worker : from.server.workers) {
    if (!worker->monitored()) continue;
    worker->append_monitor_line(line);
    from.wake_later(*worker);
  }
}

}  // namespace cloakroom::server
