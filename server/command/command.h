#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloakroom::server {

struct Context;
using Handler = void (*)(Context&);

// How the dispatcher takes guards for a command, beyond those of its keys (storage/keyspace/guard.h).
enum Trait : uint32_t {
  kNoTrait = 0,
  kEndsKeys =
      1 << 0,  // may end the session at a key it names other than by overwriting it (DEL, RENAME, HDEL ...)
  kAllGuards = 1 << 1,  // works on the whole keyspace under all guards (FLUSHALL, SWAPDB)
  kMembersFrom2 =
      1 << 2,  // arguments 2.. are members of the set at argument 1, of which no others matter (SADD)
  kMemberAt3 = 1 << 3,  // argument 3 is a member moved between the sets at 1 and 2 (SMOVE)
  kNamesMembers = kMembersFrom2 | kMemberAt3,
  kStoresSet = 1 << 4,   // its write keys may receive a set with any members (SUNIONSTORE, RENAME, COPY,
                         // MOVE): all guards when such a key is a user-sessions key
  kOwnGuards = 1 << 5,   // takes and releases its guards itself: works on the whole keyspace or on keys it
                         // does not name (KEYS, INFO, DEBUG, EXEC ...); EXEC holds all guards for it
  kKeepsClock = 1 << 6,  // runs in bounded, tiny time: the clock of the batch is still right afterwards
  kOtherDatabases = 1 << 7,  // reaches beyond the selected database (SELECT, MOVE, COPY): all guards in EXEC
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
};

using CommandRows = std::span<const CommandRow>;

}  // namespace cloakroom::server
