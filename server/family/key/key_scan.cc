#include <climits>
#include <string>

#include "server/dispatch/admission.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/key/key_handlers.h"
#include "server/family/scan_arguments.h"
#include "storage/base/nocase.h"
#include "storage/base/number.h"
#include "storage/keyspace/guard_plan.h"
#include "storage/keyspace/keyspace_walk.h"

namespace cloakroom::server {
namespace {

using storage::KeyFilter;
using storage::TextList;

// A name that is no type fits no key.
uint8_t types_named(std::string_view name) {
  for (uint8_t i = 0; i <= static_cast<uint8_t>(storage::Type::kStream); ++i) {
    if (equals_nocase(name, storage::type_name(static_cast<storage::Type>(i))))
      return static_cast<uint8_t>(1 << i);
  }
  return 0;
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
  if (own) {
    access.guard().take_all();
    respect_pause(ctx);
  }
  flush_tables(access);
  if (own) access.finish();
  if (own && !async) storage::reclaim_flushed(access);
  ctx.reply.ok();
}

// So that no set shows whose sessions are over. EXEC has done so before its first command.
void end_all_due(Context& ctx) {
  if (!ctx.access.guard().held().empty()) return;
  if (!storage::end_all_due(ctx.access)) park_for_a_turn(ctx);
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
  end_all_due(ctx);
  const KeyFilter filter(ctx.access.schema(), ctx.arg(1));
  const auto reply = ctx.reply.begin_deferred();
  size_t count = 0;
  list_keys(ctx.access, filter, [&](const TextList& keys) {
    for (size_t i = 0; i < keys.size(); ++i) ctx.reply.bulk(keys[i]);
    count += keys.size();
    return ctx.reply.wants_more();
  });
  ctx.reply.end_array(reply, count);
}

void scan_command(Context& ctx) {
  uint64_t cursor = 0;
  ScanOptions options;
  if (!parse_scan_cursor(ctx, 1, cursor) || !parse_scan_options(ctx, 2, options, true)) return;
  end_all_due(ctx);
  const uint8_t types = options.type.data() == nullptr ? KeyFilter::kAnyType : types_named(options.type);
  const KeyFilter filter(ctx.access.schema(), options.pattern, types);
  TextList keys;
  const uint64_t next = scan_keys(ctx.access, cursor, static_cast<uint64_t>(options.count), filter, keys);
  ctx.reply.array(2);
  ctx.reply.bulk_integer(static_cast<int64_t>(next));
  ctx.reply.array(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) ctx.reply.bulk(keys[i]);
}

void randomkey_command(Context& ctx) {
  end_all_due(ctx);
  std::string key;
  if (random_key(ctx.access, key)) {
    ctx.reply.bulk(key);
  } else {
    ctx.reply.null();
  }
}

// As if keys went at their deadline; with active expiry switched off, and during CLIENT PAUSE, they are seen.
void dbsize_command(Context& ctx) {
  const bool alive_only =
      ctx.server.active_expire.load(std::memory_order_relaxed) && ctx.server.keyspace->may_end_keys();
  ctx.reply.integer(static_cast<int64_t>(count_keys(ctx.access, alive_only)));
}

void flushdb_command(Context& ctx) { flush(ctx, storage::flush_db); }
// With save points it counts as a save of what is left, as in Redis.
void flushall_command(Context& ctx) {
  flush(ctx, storage::flush_all);
  if (!ctx.worker.config().save.empty()) ctx.server.changes_at_flush = ctx.server.changes();
}

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
