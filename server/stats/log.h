#pragma once

#include <string>
#include <string_view>

namespace cloakroom::server {

enum class LogLevel : uint8_t { kDebug, kVerbose, kNotice, kWarning };

// The server's log: one line per noteworthy event, in Redis' format (pid:role date level text), to `logfile`
// or standard output. A file that was renamed or removed is opened anew for the next line. No payload, key,
// session id or client address may be given to it. Thread-safe.
void configure_log(std::string_view level, std::string_view file);
void log(LogLevel level, std::string_view text);

}  // namespace cloakroom::server
