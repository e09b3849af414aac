#include <fmt/format.h>

#include "server/dispatch/arguments.h"
#include "server/family/key/key_handlers.h"
#include "storage/base/nocase.h"
#include "storage/base/number.h"

namespace cloakroom::server {
namespace {

using storage::EndCause;
using storage::EventClass;
using storage::Found;
using storage::KeyRef;

struct Conditions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;

  // Whether a key whose deadline is `current_ms` (0: none, which counts as never) may get `deadline_ms`.
  bool allow(int64_t current_ms, int64_t deadline_ms) const {
    if (nx && current_ms != 0) return false;
    if (xx && current_ms == 0) return false;
    if (gt && (current_ms == 0 || deadline_ms <= current_ms)) return false;
    return !lt || current_ms == 0 || deadline_ms < current_ms;
  }
};

bool parse_conditions(Context& ctx, Conditions& out) {
  for (size_t i = 3; i < ctx.argc(); ++i) {
    const std::string_view option = ctx.arg(i);
    if (equals_nocase(option, "nx")) {
      out.nx = true;
    } else if (equals_nocase(option, "xx")) {
      out.xx = true;
    } else if (equals_nocase(option, "gt")) {
      out.gt = true;
    } else if (equals_nocase(option, "lt")) {
      out.lt = true;
    } else {
      ctx.reply.error(fmt::format("ERR Unsupported option {}", option.substr(0, option.find('\0'))));
      return false;
    }
  }
  if (out.nx && (out.xx || out.gt || out.lt)) {
    ctx.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (out.gt && out.lt) {
    ctx.reply.error("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

void expire(Context& ctx, Unit unit, bool absolute) {
  Conditions conditions;
  int64_t deadline_ms = 0;
  if (!parse_conditions(ctx, conditions) || !absolute_deadline(ctx, 2, unit, absolute, deadline_ms)) return;
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  if (!found || !conditions.allow(found->deadline_ms(), deadline_ms)) {
    ctx.reply.integer(0);
    return;
  }
  if (deadline_ms <= ctx.access.now_ms()) {
    ctx.access.end(found, key, EndCause::kDeleted);
  } else {
    ctx.access.set_deadline(found, key, deadline_ms);
    char digits[storage::kI64Chars];
    const std::string_view time(digits, storage::format_i64(digits, deadline_ms));
    ctx.access.changed(key, EventClass::kGeneric, "expire", {"PEXPIREAT", key.raw(), time});
  }
  ctx.reply.integer(1);
}

void time_left(Context& ctx, Unit unit, bool absolute) {
  const Found found = look_at(ctx, ctx.key(1));
  if (!found || found->deadline_ms() == 0) {
    ctx.reply.integer(found ? -1 : -2);
    return;
  }
  const int64_t time_ms = found->deadline_ms() - (absolute ? 0 : ctx.access.now_ms());
  // Rounded half up; unsigned, as the latest deadline would overflow.
  const auto seconds = static_cast<int64_t>((static_cast<uint64_t>(time_ms) + 500) / 1000);
  ctx.reply.integer(unit == Unit::kSeconds ? seconds : time_ms);
}

}  // namespace

void expire_command(Context& ctx) { expire(ctx, Unit::kSeconds, false); }
void expireat_command(Context& ctx) { expire(ctx, Unit::kSeconds, true); }
void pexpire_command(Context& ctx) { expire(ctx, Unit::kMilliseconds, false); }
void pexpireat_command(Context& ctx) { expire(ctx, Unit::kMilliseconds, true); }

void ttl_command(Context& ctx) { time_left(ctx, Unit::kSeconds, false); }
void pttl_command(Context& ctx) { time_left(ctx, Unit::kMilliseconds, false); }
void expiretime_command(Context& ctx) { time_left(ctx, Unit::kSeconds, true); }
void pexpiretime_command(Context& ctx) { time_left(ctx, Unit::kMilliseconds, true); }

void persist_command(Context& ctx) {
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  if (!found || found->deadline_ms() == 0) {
    ctx.reply.integer(0);
    return;
  }
  ctx.access.set_deadline(found, key, 0);
  ctx.access.changed(key, EventClass::kGeneric, "persist", {"PERSIST", key.raw()});
  ctx.reply.integer(1);
}

}  // namespace cloakroom::server
