#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloakroom::server {

struct Context;
using Handler = void (*)(Context&);

// What is particular about a command: which guards it needs beyond those of its keys (guard_planner.h), and
// which rules it is under (admission.h, redaction.h).
enum Trait : uint32_t {
  kNoTrait = 0,
  // May end the session at a key it names other than by overwriting it (DEL, RENAME, HDEL ...).
  kEndsKeys = 1 << 0,
  // Works on the whole keyspace under all guards (FLUSHALL, SWAPDB).
  kAllGuards = 1 << 1,
  // Arguments 2.. are members of the set at argument 1, of which no others matter (SADD).
  kMembersFrom2 = 1 << 2,
  // Argument 3 is a member moved between the sets at 1 and 2 (SMOVE).
  kMemberAt3 = 1 << 3,
  kNamesMembers = kMembersFrom2 | kMemberAt3,
  // Its write keys may receive a set with any members (SUNIONSTORE, RENAME, COPY, MOVE): all guards when such
  // a key is a user-sessions key.
  kStoresSet = 1 << 4,
  // Takes and releases its guards itself: works on the whole keyspace or on keys it does not name (KEYS,
  // INFO, DEBUG, EXEC ...). EXEC holds all guards for it.
  kOwnGuards = 1 << 5,
  // Reaches beyond the selected database (SELECT, MOVE, COPY): all guards in EXEC.
  kOtherDatabases = 1 << 6,
  // Selects another database, named by argument 1 (SELECT).
  kSelects = 1 << 7,
  // MULTI does not queue it (MULTI, WATCH) ...
  kNotQueued = 1 << 8,
  // ... and it is a way out of MULTI, which a full memory keeps nobody from (DISCARD, QUIT, RESET, EXEC).
  kLeavesMulti = 1 << 9,
  // Runs what MULTI has queued: may do whatever that does (EXEC).
  kRunsQueue = 1 << 10,
  // Not for everybody: enable-debug-command (DEBUG).
  kDebugs = 1 << 11,
  // Has secrets among its arguments: a password (AUTH), one behind an option (HELLO), values of directives
  // (CONFIG SET).
  kPassword = 1 << 12,
  kPasswordOption = 1 << 13,
  kDirectives = 1 << 14,
  // A subscriber may send it in RESP2 too (SUBSCRIBE, PING, QUIT).
  kWhileSubscribed = 1 << 15,
  // Goes to replicas though it changes no key: held up by CLIENT PAUSE WRITE, as a write is (PUBLISH).
  kMayReplicate = 1 << 16,
  // Refused while the log cannot be written, though it changes no key (PING).
  kTellsOfDisk = 1 << 17,
};

// One row of the command table; the texts are what COMMAND INFO and COMMAND DOCS show for Redis 7.0.15.
// Rows stand at the bottom of their family's file. Subcommands are rows named "container|sub".
struct CommandRow {
  const char* name;   // lower case
  int arity;          // as Redis: exact, or minimum when negative; counts the name (and the subcommand)
  const char* flags;  // "readonly fast": names and order of COMMAND INFO
  // Key specifications, separated by ';':  "<FLAGS> @<index> range <last> <step> <limit>"  or
  // "<FLAGS> @<index> keynum <keynumidx> <firstkey> <step>"  or  "<FLAGS> ~<KEYWORD>:<startfrom> range ..."
  // (begin by keyword), e.g. GET "RO ACCESS @1 range 0 1 0". Empty: no keys.
  const char* keys;
  const char* categories;  // ACL: "@read @string @fast", order of COMMAND INFO
  const char* tips;  // "request_policy:all_shards response_policy:agg_sum", separated by spaces; may be empty
  const char* group;       // "string"
  const char* since;       // "1.0.0"
  const char* complexity;  // "O(1)"
  const char* summary;     // our own words
  const char* syntax;  // the arguments, in the notation of command_syntax.h: "key value [condition<NX | XX>]"
  uint32_t traits;
  Handler handler;  // null for a container

  bool takes(size_t words) const {
    const auto least = static_cast<size_t>(arity < 0 ? -arity : arity);
    return arity < 0 ? words >= least : words == least;
  }
};

using CommandRows = std::span<const CommandRow>;

}  // namespace cloakroom::server
