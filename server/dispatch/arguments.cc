#include "server/dispatch/arguments.h"

#include <fmt/format.h>

#include "server/command/command_table.h"
#include "server/dispatch/server_state.h"
#include "storage/base/number.h"

namespace cloakroom::server {
namespace {

template <class Parsed, class Number>
bool accept(Context& ctx, const Parsed& parsed, Number& out, std::string_view error) {
  if (!parsed) {
    ctx.reply.error(error);
    return false;
  }
  out = *parsed;
  return true;
}

bool to_milliseconds(Unit unit, int64_t& time) {
  return unit == Unit::kMilliseconds || !__builtin_mul_overflow(time, int64_t{1000}, &time);
}

}  // namespace

bool parse_integer_arg(Context& ctx, size_t index, int64_t& out, std::string_view error) {
  return accept(ctx, storage::parse_i64(ctx.arg(index)), out, error);
}

bool parse_double_arg(Context& ctx, size_t index, double& out) {
  return accept(ctx, storage::parse_double(ctx.arg(index)), out, errors::kNotFloat);
}

bool parse_long_double_arg(Context& ctx, size_t index, long double& out) {
  return accept(ctx, storage::parse_long_double(ctx.arg(index)), out, errors::kNotFloat);
}

bool parse_positive_arg(Context& ctx, size_t index, int64_t& out, std::string_view error) {
  auto parsed = storage::parse_i64(ctx.arg(index));
  if (parsed && *parsed < 0) parsed.reset();
  return accept(ctx, parsed, out, error);
}

bool parse_ranged_arg(Context& ctx, size_t index, int64_t low, int64_t high, int64_t& out) {
  if (!parse_integer_arg(ctx, index, out)) return false;
  if (out >= low && out <= high) return true;
  ctx.reply.error(fmt::format("{}, value must between {} and {}", errors::kNotRanged, low, high));
  return false;
}

bool absolute_deadline(Context& ctx, size_t index, Unit unit, bool absolute, int64_t& deadline_ms) {
  if (!parse_integer_arg(ctx, index, deadline_ms)) return false;
  const int64_t base_ms = absolute ? 0 : ctx.access.now_ms();
  if (to_milliseconds(unit, deadline_ms) && !__builtin_add_overflow(deadline_ms, base_ms, &deadline_ms))
    return true;
  reply_invalid_expire(ctx);
  return false;
}

bool positive_deadline(Context& ctx, size_t index, Unit unit, bool absolute, int64_t& deadline_ms) {
  if (!parse_integer_arg(ctx, index, deadline_ms)) return false;
  const int64_t base_ms = absolute ? 0 : ctx.access.now_ms();
  if (deadline_ms > 0 && to_milliseconds(unit, deadline_ms) &&
      !__builtin_add_overflow(deadline_ms, base_ms, &deadline_ms)) {
    return true;
  }
  reply_invalid_expire(ctx);
  return false;
}

size_t max_string_bytes(const Context& ctx) {
  return static_cast<size_t>(ctx.server.parser_limits.max_bulk_bytes.load(std::memory_order_relaxed));
}

void reply_wrong_arity(Context& ctx) {
  ctx.reply.error(fmt::format("ERR wrong number of arguments for '{}' command", ctx.command.full_name));
}

void reply_invalid_expire(Context& ctx) {
  ctx.reply.error(fmt::format("ERR invalid expire time in '{}' command", ctx.command.full_name));
}

}  // namespace cloakroom::server
