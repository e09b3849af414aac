// The rules that come before a command runs. Their order decides which error a client sees, and is Redis':
//
//   1. the command, and its subcommand, exist      reject_unknown()
//   2. the number of arguments                     reject() from here ...
//   3. DEBUG is allowed to this client
//   4. the client is authenticated
//   5. the command may run inside MULTI
//   6. memory: room is made, or the command is refused, or it waits
//   7. the log takes writes, or they wait
//   8. what is loaded is loaded whole
//   9. a monitoring client touches no keys         ... to here
//  10. CLIENT PAUSE                                respect_pause(), again under the guards
//
// Then MULTI queues it, or it runs. What is refused while MULTI queues spoils the transaction.
#pragma once

#include <span>
#include <string_view>

#include "protocol/reply_writer.h"
#include "server/dispatch/context.h"

namespace cloakroom::server {

// A command may not begin: see Outcome::kParked. Nothing has been changed.
struct Parked {};

// True when the command was answered with an error and may not run. Throws Parked when it waits for memory.
bool reject(Context& ctx);
// Answers what is no command, or no subcommand of one.
void reject_unknown(Worker& worker, Client& client, std::span<const std::string_view> args,
                    protocol::ReplyWriter& reply);

// Throws Parked when CLIENT PAUSE keeps the command waiting. Asked without guards, for cheapness, and again
// once those of the command are held, when the answer is final.
void respect_pause(const Context& ctx);

// Throws Parked and has the command run again behind what others have ready: it has ended as much of what
// was due as one may at once (guard_plan.h).
[[noreturn]] void park_for_a_turn(const Context& ctx);

}  // namespace cloakroom::server
