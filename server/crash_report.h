#pragma once

namespace cloakroom::server {

struct ServerState;

// From now on a process that dies of SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT first writes a report to its
// log: the signal, the registers, the stack, a few figures of the server; no key, value, id or address of a
// client. Then it dies of the signal as it would have. Nothing happens with `crash-log-enabled no`, nor in
// builds with a sanitizer, which reports itself. `server` outlives all that may crash.
void report_crashes(const ServerState& server);

}  // namespace cloakroom::server
