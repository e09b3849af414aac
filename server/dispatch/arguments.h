#pragma once

#include <cstdint>
#include <string_view>

#include "server/dispatch/context.h"
#include "server/dispatch/errors.h"

// Reading arguments as Redis 7.0 does. Each parse_* writes the error reply itself and returns false when it
// fails.
namespace cloakroom::server {

bool parse_integer_arg(Context& ctx, size_t index, int64_t& out,
                       std::string_view error = errors::kNotInteger);
bool parse_double_arg(Context& ctx, size_t index, double& out);
bool parse_long_double_arg(Context& ctx, size_t index, long double& out);
// 0 or more; every failure gets the one message.
bool parse_positive_arg(Context& ctx, size_t index, int64_t& out,
                        std::string_view error = errors::kNotPositive);
// Names the bounds when the integer is outside.
bool parse_ranged_arg(Context& ctx, size_t index, int64_t low, int64_t high, int64_t& out);

enum class Unit : uint8_t { kSeconds, kMilliseconds };

// Time argument of the EXPIRE family, which may lie in the past: absolute milliseconds, unless it overflows.
bool absolute_deadline(Context& ctx, size_t index, Unit unit, bool absolute, int64_t& deadline_ms);
// Time argument of SET, SETEX, GETEX: as above, but must be positive.
bool positive_deadline(Context& ctx, size_t index, Unit unit, bool absolute, int64_t& deadline_ms);

// proto-max-bulk-len: what a string may grow to.
size_t max_string_bytes(const Context& ctx);

// "ERR wrong number of arguments for '...' command", for what the arity cannot say.
void reply_wrong_arity(Context& ctx);
// "ERR invalid expire time in '...' command".
void reply_invalid_expire(Context& ctx);

}  // namespace cloakroom::server
