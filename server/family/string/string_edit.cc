#include <limits>
#include <string>

#include "server/dispatch/arguments.h"
#include "server/family/string/string_handlers.h"
#include "storage/value/string_value.h"

namespace cloakroom::server {
namespace {

using storage::EventClass;
using storage::Found;
using storage::KeyRef;
using storage::Status;

// The string at argument 1, or nothing; false after the reply when something else stands there.
bool find_string(Context& ctx, Found& found) {
  found = ctx.access.write(ctx.key(1));
  if (!found || is_string(found)) return true;
  ctx.reply.error(errors::kWrongType);
  return false;
}

void add(Context& ctx, int64_t delta) {
  Found found;
  if (!find_string(ctx, found)) return;
  const KeyRef& key = ctx.key(1);
  const auto sum = storage::string_increment(ctx.access, found, key, delta);
  if (!sum) {
    reply_status(ctx.reply, sum.status);
    return;
  }
  char digits[storage::kI64Chars];
  report_value(ctx, key, found, "incrby", storage::string_bytes(*found.entry, digits));
  ctx.reply.integer(sum.value);
}

// Reports that `part` was written at `offset` of an existing string.
void report_range(Context& ctx, const KeyRef& key, std::string_view event, size_t offset,
                  std::string_view part) {
  if (!ctx.access.wants_effects()) {
    ctx.access.changed(key, EventClass::kString, event, {});
    return;
  }
  char digits[storage::kI64Chars];
  const std::string_view at(digits, storage::format_i64(digits, static_cast<int64_t>(offset)));
  ctx.access.changed(key, EventClass::kString, event, {"SETRANGE", key.raw(), at, part});
}

}  // namespace

void incr_command(Context& ctx) { add(ctx, 1); }
void decr_command(Context& ctx) { add(ctx, -1); }

void incrby_command(Context& ctx) {
  int64_t delta = 0;
  if (parse_integer_arg(ctx, 2, delta)) add(ctx, delta);
}

void decrby_command(Context& ctx) {
  int64_t delta = 0;
  if (!parse_integer_arg(ctx, 2, delta)) return;
  if (delta == std::numeric_limits<int64_t>::min()) {
    ctx.reply.error("ERR decrement would overflow");
    return;
  }
  add(ctx, -delta);
}

void incrbyfloat_command(Context& ctx) {
  Found found;
  if (!find_string(ctx, found)) return;
  // The value is looked at before the increment, and a sum only when both are numbers.
  const auto value = storage::string_sum(found, 0);
  if (value.status == Status::kNotFloat) {
    reply_status(ctx.reply, value.status);
    return;
  }
  long double delta = 0;
  if (!parse_long_double_arg(ctx, 2, delta)) return;
  const auto sum = storage::string_sum(found, delta);
  if (!sum) {
    reply_status(ctx.reply, sum.status);
    return;
  }
  const std::string text = storage::format_long_double_human(sum.value);
  const KeyRef& key = ctx.key(1);
  storage::string_set_text(ctx.access, found, key, text);
  report_value(ctx, key, found, "incrbyfloat", text);
  ctx.reply.bulk(text);
}

void append_command(Context& ctx) {
  Found found;
  if (!find_string(ctx, found)) return;
  const KeyRef& key = ctx.key(1);
  const bool existed = static_cast<bool>(found);
  const std::string_view tail = ctx.arg(2);
  const auto size = storage::string_append(ctx.access, found, key, {tail, ctx.big(2)}, max_string_bytes(ctx));
  if (!size) {
    reply_status(ctx.reply, size.status);
    return;
  }
  if (existed) {
    report_range(ctx, key, "append", size.value - tail.size(), tail);
  } else {
    report_value(ctx, key, found, "append", tail);
  }
  ctx.reply.integer(static_cast<int64_t>(size.value));
}

void setrange_command(Context& ctx) {
  int64_t offset = 0;
  if (!parse_integer_arg(ctx, 2, offset)) return;
  if (offset < 0) {
    ctx.reply.error("ERR offset is out of range");
    return;
  }
  Found found;
  if (!find_string(ctx, found)) return;
  const std::string_view part = ctx.arg(3);
  if (part.empty()) {
    ctx.reply.integer(found ? static_cast<int64_t>(storage::string_size(*found.entry)) : 0);
    return;
  }
  const KeyRef& key = ctx.key(1);
  const auto at = static_cast<uint64_t>(offset);
  const auto size = storage::string_write(ctx.access, found, key, at, part, max_string_bytes(ctx));
  if (!size) {
    reply_status(ctx.reply, size.status);
    return;
  }
  report_range(ctx, key, "setrange", at, part);
  ctx.reply.integer(static_cast<int64_t>(size.value));
}

}  // namespace cloakroom::server
