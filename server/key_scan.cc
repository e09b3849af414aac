#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string>

#include "server/arguments.h"
#include "server/key_handlers.h"
#include "storage/keyspace_walk.h"
#include "storage/number.h"

namespace cloakroom::server {
namespace {

using storage::KeyFilter;
using storage::TextList;

struct ScanRequest {
  uint64_t cursor = 0;
  uint64_t count = 10;
  std::string_view match = "*";
  uint8_t types = KeyFilter::kAnyType;
};

// What strtoul takes up to the first NUL, except leading space: signs wrap around, nothing at all is 0.
bool parse_cursor(Context& ctx, size_t index, uint64_t& out) {
  const std::string text(ctx.arg(index));
  char* end = nullptr;
  errno = 0;
  out = std::strtoul(text.c_str(), &end, 10);
  if (std::isspace(static_cast<unsigned char>(text.c_str()[0])) || *end != '\0' || errno == ERANGE) {
    ctx.reply.error("ERR invalid cursor");
    return false;
  }
  return true;
}

// A name that is no type fits no key.
uint8_t types_named(std::string_view name) {
  for (uint8_t i = 0; i <= static_cast<uint8_t>(storage::Type::kStream); ++i) {
    if (equals_nocase(name, storage::type_name(static_cast<storage::Type>(i))))
      return static_cast<uint8_t>(1 << i);
  }
  return 0;
}

bool parse_scan(Context& ctx, ScanRequest& out) {
  if (!parse_cursor(ctx, 1, out.cursor)) return false;
  for (size_t i = 2; i < ctx.argc(); i += 2) {
    const std::string_view option = ctx.arg(i);
    const bool has_value = i + 1 < ctx.argc();
    if (has_value && equals_nocase(option, "count")) {
      int64_t count = 0;
      if (!parse_integer_arg(ctx, i + 1, count)) return false;
      if (count < 1) {
        ctx.reply.error(errors::kSyntax);
        return false;
      }
      out.count = static_cast<uint64_t>(count);
    } else if (has_value && equals_nocase(option, "match")) {
      out.match = ctx.arg(i + 1);
    } else if (has_value && equals_nocase(option, "type")) {
      out.types = types_named(ctx.arg(i + 1));
    } else {
      ctx.reply.error(errors::kSyntax);
      return false;
    }
  }
  return true;
}

// SYNC (the default) answers when the memory is free again; in a transaction that is left to the turns of
// expiry.
void flush(Context& ctx, uint64_t (*flush_tables)(storage::Access&)) {
  const bool async = ctx.argc() == 2 && equals_nocase(ctx.arg(1), "async");
  if (ctx.argc() > 2 || (ctx.argc() == 2 && !async && !equals_nocase(ctx.arg(1), "sync"))) {
    ctx.reply.error(errors::kSyntax);
    return;
  }
  storage::Access& access = ctx.access;
  const bool own = access.guard().held().empty();
  if (own) access.guard().take_all();
  flush_tables(access);
  if (own) access.finish();
  if (own && !async) storage::reclaim_flushed(access);
  ctx.reply.ok();
}

bool parse_swap_index(Context& ctx, size_t index, std::string_view error, int64_t& out) {
  const auto number = storage::parse_i64(ctx.arg(index));
  if (!number || *number < INT_MIN || *number > INT_MAX) {
    ctx.reply.error(error);
    return false;
  }
  out = *number;
  return true;
}

}  // namespace

void keys_command(Context& ctx) {
  const KeyFilter filter(ctx.access.schema(), ctx.arg(1));
  const auto reply = ctx.reply.begin_deferred();
  size_t count = 0;
  list_keys(ctx.access, filter, [&](const TextList& keys) {
    for (size_t i = 0; i < keys.size(); ++i) ctx.reply.bulk(keys[i]);
    count += keys.size();
  });
  ctx.reply.end_array(reply, count);
}

void scan_command(Context& ctx) {
  ScanRequest request;
  if (!parse_scan(ctx, request)) return;
  TextList keys;
  const KeyFilter filter(ctx.access.schema(), request.match, request.types);
  const uint64_t next = scan_keys(ctx.access, request.cursor, request.count, filter, keys);
  ctx.reply.array(2);
  ctx.reply.bulk_integer(static_cast<int64_t>(next));
  ctx.reply.array(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) ctx.reply.bulk(keys[i]);
}

void randomkey_command(Context& ctx) {
  std::string key;
  if (random_key(ctx.access, key)) {
    ctx.reply.bulk(key);
  } else {
    ctx.reply.null();
  }
}

void dbsize_command(Context& ctx) { ctx.reply.integer(static_cast<int64_t>(count_keys(ctx.access))); }

void flushdb_command(Context& ctx) { flush(ctx, storage::flush_db); }
void flushall_command(Context& ctx) { flush(ctx, storage::flush_all); }

void swapdb_command(Context& ctx) {
  int64_t first = 0;
  int64_t second = 0;
  if (!parse_swap_index(ctx, 1, "ERR invalid first DB index", first)) return;
  if (!parse_swap_index(ctx, 2, "ERR invalid second DB index", second)) return;
  const auto databases = static_cast<int64_t>(ctx.access.keyspace().databases());
  if (first < 0 || first >= databases || second < 0 || second >= databases) {
    ctx.reply.error(errors::kDbOutOfRange);
    return;
  }
  swap_databases(ctx.access, static_cast<uint32_t>(first), static_cast<uint32_t>(second));
  ctx.reply.ok();
}

}  // namespace cloakroom::server
