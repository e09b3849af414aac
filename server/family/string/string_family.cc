#include <algorithm>

#include "server/dispatch/arguments.h"
#include "server/family/families.h"
#include "server/family/string/string_handlers.h"
#include "storage/value/string_value.h"

namespace cloakroom::server {

using storage::EventClass;
using storage::Found;
using storage::KeyRef;
using storage::Kind;

void reply_string(protocol::ReplyWriter& reply, const storage::Entry& string) {
  if (string.kind() == Kind::kStringShared) {
    const storage::BigString& big = storage::big_string(string);
    const std::string_view text(big.bytes.get(), big.size);
    if (text.size() >= protocol::kShareBytes) {
      reply.bulk_shared(big.bytes, text);
    } else {
      reply.bulk(text);
    }
    return;
  }
  char digits[storage::kI64Chars];
  reply.bulk(storage::string_bytes(string, digits));
}

Found read_for_change(Context& ctx, const KeyRef& key) {
  const Found found = ctx.access.write(key);
  if (found) {
    ctx.access.counters().hits.add();
  } else {
    ctx.access.counters().misses.add();
    ctx.access.event(key, EventClass::kKeyMiss, "keymiss");
  }
  return found;
}

void report_value(Context& ctx, const KeyRef& key, const Found& found, std::string_view event,
                  std::string_view value) {
  if (!ctx.access.wants_effects()) {
    ctx.access.changed(key, EventClass::kString, event, {});
    return;
  }
  storage::EffectWord stored(value);
  if (found->kind() == storage::Kind::kStringShared) {  // its bytes are the log's as well
    const storage::BigString& big = storage::big_string(*found.entry);
    stored = {{big.bytes.get(), big.size}, &big.bytes};
  }
  if (found->deadline_ms() == 0) {
    ctx.access.changed(key, EventClass::kString, event, {"SET", key.raw(), stored});
    return;
  }
  char digits[storage::kI64Chars];
  const std::string_view deadline(digits, storage::format_i64(digits, found->deadline_ms()));
  ctx.access.changed(key, EventClass::kString, event, {"SET", key.raw(), stored, "PXAT", deadline});
}

namespace {

void get_command(Context& ctx) {
  const Found found = ctx.access.read(ctx.key(1));
  if (!found) {
    ctx.reply.null();
  } else if (is_string(found)) {
    reply_string(ctx.reply, *found.entry);
  } else {
    ctx.reply.error(errors::kWrongType);
  }
}

void mget_command(Context& ctx) {
  ctx.reply.array(ctx.argc() - 1);
  for (size_t i = 1; i < ctx.argc() && !ctx.reply.overflowed(); ++i) {
    const Found found = ctx.access.read(ctx.key(i));
    if (found && is_string(found)) {
      reply_string(ctx.reply, *found.entry);
    } else {
      ctx.reply.null();
    }
  }
}

void strlen_command(Context& ctx) {
  const Found found = ctx.access.read(ctx.key(1));
  if (found && !is_string(found)) {
    ctx.reply.error(errors::kWrongType);
  } else {
    ctx.reply.integer(found ? static_cast<int64_t>(storage::string_size(*found.entry)) : 0);
  }
}

// The bytes from `start` to `end` inclusive; negative positions count from the end.
std::string_view range_of(std::string_view text, int64_t start, int64_t end) {
  const auto size = static_cast<int64_t>(text.size());
  if (start < 0 && end < 0 && start > end) return {};
  if (start < 0) start = std::max<int64_t>(size + start, 0);
  if (end < 0) end = std::max<int64_t>(size + end, 0);
  end = std::min(end, size - 1);
  if (start > end) return {};
  return text.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1));
}

void getrange_command(Context& ctx) {
  int64_t start = 0;
  int64_t end = 0;
  if (!parse_integer_arg(ctx, 2, start) || !parse_integer_arg(ctx, 3, end)) return;
  const Found found = ctx.access.read(ctx.key(1));
  if (!found) {
    ctx.reply.bulk({});
    return;
  }
  if (!is_string(found)) {
    ctx.reply.error(errors::kWrongType);
    return;
  }
  char digits[storage::kI64Chars];
  const std::string_view part = range_of(storage::string_bytes(*found.entry, digits), start, end);
  if (part.size() >= protocol::kShareBytes) {
    ctx.reply.bulk_shared(storage::big_string(*found.entry).bytes, part);
  } else {
    ctx.reply.bulk(part);
  }
}

constexpr char kRead[] = "RO ACCESS @1 range 0 1 0";
constexpr char kReadWrite[] = "RW ACCESS UPDATE @1 range 0 1 0";
constexpr char kOverwrite[] = "OW UPDATE @1 range 0 1 0";
constexpr char kReadFast[] = "@read @string @fast";
constexpr char kReadSlow[] = "@read @string @slow";
constexpr char kWriteFast[] = "@write @string @fast";
constexpr char kWriteSlow[] = "@write @string @slow";
constexpr char kGrowFast[] = "write denyoom fast";
constexpr char kGrow[] = "write denyoom";
constexpr char kSubstringCost[] = "O(N), N being the length of the reply";
constexpr char kAppendCost[] = "O(1) amortized, for short values";
constexpr char kSetrangeCost[] = "O(M), M being the length of the value";

// clang-format off
constexpr CommandRow kRows[] = {
    {"append", 3, kGrowFast, "RW INSERT @1 range 0 1 0", kWriteFast, "", "string", "2.0.0", kAppendCost,
     "Adds bytes to the end of a string", "key value", kNoTrait, append_command},
    {"decr", 2, kGrowFast, kReadWrite, kWriteFast, "", "string", "1.0.0", "O(1)",
     "Takes one from a number", "key", kNoTrait, decr_command},
    {"decrby", 3, kGrowFast, kReadWrite, kWriteFast, "", "string", "1.0.0", "O(1)",
     "Takes an amount from a number", "key decrement", kNoTrait, decrby_command},
    {"get", 2, "readonly fast", kRead, kReadFast, "", "string", "1.0.0", "O(1)",
     "Answers a string", "key", kNoTrait, get_command},
    {"getdel", 2, "write fast", "RW ACCESS DELETE @1 range 0 1 0", kWriteFast, "", "string", "6.2.0", "O(1)",
     "Answers a string and deletes its key", "key", kEndsKeys, getdel_command},
    {"getex", -2, "write fast", kReadWrite, kWriteFast, "", "string", "6.2.0", "O(1)",
     "Answers a string and changes its time to live",
     "key [expiration<EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | "
     "PERSIST>]", kNoTrait, getex_command},
    {"getrange", 4, "readonly", kRead, kReadSlow, "", "string", "2.4.0", kSubstringCost,
     "Answers part of a string", "key start end", kNoTrait, getrange_command},
    {"getset", 3, kGrowFast, kReadWrite, kWriteFast, "", "string", "1.0.0", "O(1)",
     "Sets a string and answers what it was", "key value", kNoTrait, getset_command},
    {"incr", 2, kGrowFast, kReadWrite, kWriteFast, "", "string", "1.0.0", "O(1)",
     "Adds one to a number", "key", kNoTrait, incr_command},
    {"incrby", 3, kGrowFast, kReadWrite, kWriteFast, "", "string", "1.0.0", "O(1)",
     "Adds an amount to a number", "key increment", kNoTrait, incrby_command},
    {"incrbyfloat", 3, kGrowFast, kReadWrite, kWriteFast, "", "string", "2.6.0", "O(1)",
     "Adds an amount to a number with a fraction", "key increment{double}", kNoTrait, incrbyfloat_command},
    {"lcs", -3, "readonly", "RO ACCESS @1 range 1 1 0", kReadSlow, "", "string", "7.0.0",
     "O(N*M), N and M being the lengths of the strings",
     "Finds the longest common subsequence of two strings",
     "key1 key2 [LEN] [IDX] [MINMATCHLEN len{integer}] [WITHMATCHLEN]", kNoTrait, lcs_command},
    {"mget", -2, "readonly fast", "RO ACCESS @1 range -1 1 0", kReadFast, "request_policy:multi_shard", "string",
     "1.0.0", "O(N), N being the number of keys",
     "Answers the strings of several keys", "key...", kNoTrait, mget_command},
    {"mset", -3, kGrow, "OW UPDATE @1 range -1 2 0", kWriteSlow,
     "request_policy:multi_shard response_policy:all_succeeded", "string", "1.0.1",
     "O(N), N being the number of keys",
     "Sets several keys at once", "key_value(key value)...", kEndsKeys, mset_command},
    {"msetnx", -3, kGrow, "OW INSERT @1 range -1 2 0", kWriteSlow,
     "request_policy:multi_shard response_policy:agg_min", "string", "1.0.1",
     "O(N), N being the number of keys",
     "Sets several keys at once if none of them exists", "key_value(key value)...", kEndsKeys, msetnx_command},
    {"psetex", 4, kGrow, kOverwrite, kWriteSlow, "", "string", "2.6.0", "O(1)",
     "Sets a string and its time to live in milliseconds", "key milliseconds value", kNoTrait, psetex_command},
    {"set", -3, kGrow, "RW ACCESS UPDATE VARIABLE_FLAGS @1 range 0 1 0", kWriteSlow, "", "string", "1.0.0", "O(1)",
     "Sets a string, with conditions and a time to live if wanted",
     "key value [condition<NX | XX>{since=2.6.12}] [GET{since=6.2.0}] "
     "[expiration<EX seconds{since=2.6.12} | PX milliseconds{since=2.6.12} | "
     "EXAT unix-time-seconds{since=6.2.0} | PXAT unix-time-milliseconds{since=6.2.0} | KEEPTTL{since=6.0.0}>]",
     kNoTrait, set_command},
    {"setex", 4, kGrow, kOverwrite, kWriteSlow, "", "string", "2.0.0", "O(1)",
     "Sets a string and its time to live in seconds", "key seconds value", kNoTrait, setex_command},
    {"setnx", 3, kGrowFast, "OW INSERT @1 range 0 1 0", kWriteFast, "", "string", "1.0.0", "O(1)",
     "Sets a string if its key does not exist", "key value", kNoTrait, setnx_command},
    {"setrange", 4, kGrow, "RW UPDATE @1 range 0 1 0", kWriteSlow, "", "string", "2.2.0", kSetrangeCost,
     "Overwrites part of a string", "key offset value", kNoTrait, setrange_command},
    {"strlen", 2, "readonly fast", "RO @1 range 0 1 0", kReadFast, "", "string", "2.2.0", "O(1)",
     "Answers the length of a string", "key", kNoTrait, strlen_command},
    {"substr", 4, "readonly", kRead, kReadSlow, "", "string", "1.0.0", kSubstringCost,
     "Answers part of a string; GETRANGE by its old name", "key start end", kNoTrait, getrange_command},
};
// clang-format on

}  // namespace

CommandRows string_commands() { return kRows; }

}  // namespace cloakroom::server
