#include <cmath>
#include <vector>

#include "server/dispatch/arguments.h"
#include "server/family/families.h"
#include "server/family/hash/hash_handlers.h"
#include "storage/base/number.h"

namespace cloakroom::server {

using storage::EventClass;
using storage::Found;
using storage::HashField;
using storage::KeyRef;

namespace {

bool accept_hash(Context& ctx, const Found& found) {
  if (!found || found->type() == storage::Type::kHash) return true;
  ctx.reply.error(errors::kWrongType);
  return false;
}

// The effect is the command as it came, under `name`.
void report(Context& ctx, std::string_view event, std::string_view name) {
  const KeyRef& key = ctx.key(1);
  if (!ctx.access.wants_effects()) {
    ctx.access.changed(key, EventClass::kHash, event, {});
    return;
  }
  std::vector<std::string_view> effect(ctx.args.begin(), ctx.args.end());
  effect[0] = name;
  ctx.access.changed(key, EventClass::kHash, event, effect);
}

// Sets the pairs from argument 2 on; false after an error reply.
bool set_fields(Context& ctx, size_t& added) {
  if (ctx.argc() % 2 != 0) {
    reply_wrong_arity(ctx);
    return false;
  }
  Found found;
  if (!find_hash_to_write(ctx, found)) return false;
  added = storage::hash_set(ctx.access, found, ctx.key(1), ctx.args.subspan(2));
  report(ctx, "hset", "HSET");
  return true;
}

void hset_command(Context& ctx) {
  size_t added = 0;
  if (set_fields(ctx, added)) ctx.reply.integer(static_cast<int64_t>(added));
}

void hmset_command(Context& ctx) {
  size_t added = 0;
  if (set_fields(ctx, added)) ctx.reply.ok();
}

void hsetnx_command(Context& ctx) {
  Found found;
  if (!find_hash_to_write(ctx, found)) return;
  if (std::string_view old; found && storage::hash_find(*found.entry, ctx.arg(2), old)) {
    ctx.reply.integer(0);
    return;
  }
  storage::hash_set(ctx.access, found, ctx.key(1), ctx.args.subspan(2));
  report(ctx, "hset", "HSET");
  ctx.reply.integer(1);
}

void hincrby_command(Context& ctx) {
  int64_t by = 0;
  Found found;
  if (!parse_integer_arg(ctx, 3, by) || !find_hash_to_write(ctx, found)) return;
  const auto sum = storage::hash_increment(ctx.access, found, ctx.key(1), ctx.arg(2), by);
  if (!sum) {
    reply_status(ctx.reply, sum.status);
    return;
  }
  char digits[storage::kI64Chars];
  const std::string_view text(digits, storage::format_i64(digits, sum.value));
  ctx.access.changed(ctx.key(1), EventClass::kHash, "hincrby", {"HSET", ctx.arg(1), ctx.arg(2), text});
  ctx.reply.integer(sum.value);
}

void hincrbyfloat_command(Context& ctx) {
  long double by = 0;
  if (!parse_long_double_arg(ctx, 3, by)) return;
  if (!std::isfinite(by)) {
    ctx.reply.error("ERR value is NaN or Infinity");
    return;
  }
  Found found;
  if (!find_hash_to_write(ctx, found)) return;
  const auto sum = storage::hash_increment_float(ctx.access, found, ctx.key(1), ctx.arg(2), by);
  if (!sum) {
    reply_status(ctx.reply, sum.status);
    return;
  }
  ctx.access.changed(ctx.key(1), EventClass::kHash, "hincrbyfloat",
                     {"HSET", ctx.arg(1), ctx.arg(2), sum.value});
  ctx.reply.bulk(sum.value);
}

void hdel_command(Context& ctx) {
  Found found;
  if (!find_hash_to_write(ctx, found)) return;
  const size_t removed = found ? storage::hash_remove(ctx.access, found, ctx.key(1), ctx.args.subspan(2)) : 0;
  if (removed > 0) {
    report(ctx, "hdel", "HDEL");
    if (storage::hash_size(*found.entry) == 0) ctx.access.end(found, ctx.key(1), storage::EndCause::kDeleted);
  }
  ctx.reply.integer(static_cast<int64_t>(removed));
}

void reply_field(Context& ctx, const Found& found, std::string_view name) {
  std::string_view value;
  if (found && storage::hash_find(*found.entry, name, value)) {
    ctx.reply.bulk(value);
  } else {
    ctx.reply.null();
  }
}

void hget_command(Context& ctx) {
  Found found;
  if (find_hash_to_read(ctx, found)) reply_field(ctx, found, ctx.arg(2));
}

void hmget_command(Context& ctx) {
  Found found;
  if (!find_hash_to_read(ctx, found)) return;
  ctx.reply.array(ctx.argc() - 2);
  for (size_t i = 2; i < ctx.argc() && !ctx.reply.overflowed(); ++i) reply_field(ctx, found, ctx.arg(i));
}

void hexists_command(Context& ctx) {
  Found found;
  if (!find_hash_to_read(ctx, found)) return;
  std::string_view value;
  ctx.reply.integer(found && storage::hash_find(*found.entry, ctx.arg(2), value) ? 1 : 0);
}

void hstrlen_command(Context& ctx) {
  Found found;
  if (!find_hash_to_read(ctx, found)) return;
  std::string_view value;
  if (found) storage::hash_find(*found.entry, ctx.arg(2), value);
  ctx.reply.integer(static_cast<int64_t>(value.size()));
}

void hlen_command(Context& ctx) {
  Found found;
  if (!find_hash_to_read(ctx, found)) return;
  ctx.reply.integer(found ? static_cast<int64_t>(storage::hash_size(*found.entry)) : 0);
}

void hgetall_command(Context& ctx) {
  Found found;
  if (!find_hash_to_read(ctx, found)) return;
  ctx.reply.map(found ? storage::hash_size(*found.entry) : 0);
  if (!found) return;
  storage::hash_for_each(*found.entry, [&](HashField field) {
    ctx.reply.bulk(field.name);
    ctx.reply.bulk(field.value);
  });
}

void reply_halves(Context& ctx, std::string_view HashField::*half) {
  Found found;
  if (!find_hash_to_read(ctx, found)) return;
  ctx.reply.array(found ? storage::hash_size(*found.entry) : 0);
  if (found) storage::hash_for_each(*found.entry, [&](HashField field) { ctx.reply.bulk(field.*half); });
}

void hkeys_command(Context& ctx) { reply_halves(ctx, &HashField::name); }
void hvals_command(Context& ctx) { reply_halves(ctx, &HashField::value); }

constexpr const char* kGrowFast = "write denyoom fast";
constexpr const char* kReadFastFlags = "readonly fast";
constexpr const char* kWriteFast = "@write @hash @fast";
constexpr const char* kReadFast = "@read @hash @fast";
constexpr const char* kReadSlow = "@read @hash @slow";
constexpr const char* kUpdate = "RW UPDATE @1 range 0 1 0";
constexpr const char* kArithmetic = "RW ACCESS UPDATE @1 range 0 1 0";
constexpr const char* kRead = "RO ACCESS @1 range 0 1 0";
constexpr const char* kLook = "RO @1 range 0 1 0";
constexpr const char* kAllFields = "O(N), N being the number of fields in the hash";

// clang-format off
constexpr CommandRow kRows[] = {
    {"hdel", -3, "write fast", "RW DELETE @1 range 0 1 0", kWriteFast, "", "hash", "2.0.0",
     "O(N), N being the number of fields to remove",
     "Removes fields, and the hash with its last field", "key field...", kEndsKeys, hdel_command},
    {"hexists", 3, kReadFastFlags, kLook, kReadFast, "", "hash", "2.0.0", "O(1)",
     "Tells whether a field exists", "key field", kNoTrait, hexists_command},
    {"hget", 3, kReadFastFlags, kRead, kReadFast, "", "hash", "2.0.0", "O(1)",
     "Answers a field's value", "key field", kNoTrait, hget_command},
    {"hgetall", 2, "readonly", kRead, kReadSlow, "nondeterministic_output_order", "hash", "2.0.0", kAllFields,
     "Answers all fields with their values", "key", kNoTrait, hgetall_command},
    {"hincrby", 4, kGrowFast, kArithmetic, kWriteFast, "", "hash", "2.0.0", "O(1)",
     "Adds an amount to a field's number", "key field increment", kNoTrait, hincrby_command},
    {"hincrbyfloat", 4, kGrowFast, kArithmetic, kWriteFast, "", "hash", "2.6.0", "O(1)",
     "Adds an amount with a fraction to a field's number", "key field increment{double}", kNoTrait, hincrbyfloat_command},
    {"hkeys", 2, "readonly", kRead, kReadSlow, "nondeterministic_output_order", "hash", "2.0.0", kAllFields,
     "Answers the names of all fields", "key", kNoTrait, hkeys_command},
    {"hlen", 2, kReadFastFlags, kLook, kReadFast, "", "hash", "2.0.0", "O(1)",
     "Answers how many fields a hash has", "key", kNoTrait, hlen_command},
    {"hmget", -3, kReadFastFlags, kRead, kReadFast, "", "hash", "2.0.0", "O(N), N being the number of fields asked for",
     "Answers the values of several fields", "key field...", kNoTrait, hmget_command},
    {"hmset", -4, kGrowFast, kUpdate, kWriteFast, "", "hash", "2.0.0", "O(N), N being the number of fields to set",
     "Sets fields; HSET by its old name", "key field_value(field value)...", kNoTrait, hmset_command},
    {"hrandfield", -2, "readonly", kRead, kReadSlow, "nondeterministic_output", "hash", "6.2.0",
     "O(N), N being the number of fields answered",
     "Draws fields at random", "key [options(count [WITHVALUES])]", kNoTrait, hrandfield_command},
    {"hscan", -3, "readonly", kRead, kReadSlow, "nondeterministic_output", "hash", "2.8.0",
     "O(1) a call, O(N) for all of a hash of N fields",
     "Walks the fields of a hash step by step", "key cursor [MATCH pattern] [COUNT count]", kNoTrait, hscan_command},
    {"hset", -4, kGrowFast, kUpdate, kWriteFast, "", "hash", "2.0.0", "O(N), N being the number of fields to set",
     "Sets fields, creating the hash if need be", "key field_value(field value)...", kNoTrait, hset_command},
    {"hsetnx", 4, kGrowFast, "RW INSERT @1 range 0 1 0", kWriteFast, "", "hash", "2.0.0", "O(1)",
     "Sets a field if it does not exist", "key field value", kNoTrait, hsetnx_command},
    {"hstrlen", 3, kReadFastFlags, kLook, kReadFast, "", "hash", "3.2.0", "O(1)",
     "Answers the length of a field's value", "key field", kNoTrait, hstrlen_command},
    {"hvals", 2, "readonly", kRead, kReadSlow, "nondeterministic_output_order", "hash", "2.0.0", kAllFields,
     "Answers the values of all fields", "key", kNoTrait, hvals_command},
};
// clang-format on

}  // namespace

bool find_hash_to_read(Context& ctx, Found& found) {
  found = ctx.access.read(ctx.key(1));
  return accept_hash(ctx, found);
}

bool find_hash_to_write(Context& ctx, Found& found) {
  found = ctx.access.write(ctx.key(1));
  return accept_hash(ctx, found);
}

CommandRows hash_commands() { return kRows; }

}  // namespace cloakroom::server
