#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "server/dispatch/arguments.h"
#include "server/family/scan_arguments.h"
#include "server/family/set/set_handlers.h"
#include "storage/keyspace/keyspace_walk.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/set_draw.h"

// SPOP, SRANDMEMBER and SSCAN.
namespace cloakroom::server {

using storage::EndCause;
using storage::EventClass;
using storage::Found;
using storage::KeyRef;

namespace {

constexpr int64_t kMaxCount = std::numeric_limits<int64_t>::max();

bool too_many_arguments(Context& ctx) {
  if (ctx.argc() <= 3) return false;
  ctx.reply.error(errors::kSyntax);
  return true;
}

void pop_one(Context& ctx, Found& found, const KeyRef& key) {
  std::string member;
  storage::set_random(*found.entry, ctx.access, member);
  storage::set_remove(ctx.access, found, key, member);
  ctx.access.changed(key, EventClass::kSet, "spop", {"SREM", key.raw(), member});
  if (storage::set_size(*found.entry) == 0) ctx.access.end(found, key, EndCause::kDeleted);
  ctx.reply.bulk(member);
}

// All of them: the key goes, and that is the whole effect.
void pop_all(Context& ctx, Found& found, const KeyRef& key) {
  ctx.reply.set(storage::set_size(*found.entry));
  storage::set_visit(*found.entry, [&](std::string_view member) { ctx.reply.bulk(member); });
  if (storage::SessionIndex::concerns(ctx.access, key)) {
    storage::set_for_each_id(*found.entry, [&](storage::PackedId id) {
      storage::SessionIndex::member_removed(ctx.access, key, id);
    });
  }
  ctx.access.event(key, EventClass::kSet, "spop");
  ctx.access.end(found, key, EndCause::kDeleted);
}

void pop_some(Context& ctx, Found& found, const KeyRef& key, size_t count) {
  const std::vector<std::string> popped = storage::set_pop(ctx.access, found, key, count);
  ctx.access.changed(key, EventClass::kSet, "spop", {});
  if (ctx.access.wants_effects()) {
    set_effect(ctx, key, "SREM", std::vector<std::string_view>(popped.begin(), popped.end()));
  }
  ctx.reply.set(popped.size());
  for (const std::string& member : popped) ctx.reply.bulk(member);
}

}  // namespace

void spop_command(Context& ctx) {
  if (too_many_arguments(ctx)) return;
  const bool counted = ctx.argc() == 3;
  int64_t count = 1;
  if (counted && !parse_positive_arg(ctx, 2, count)) return;
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  if (!found) {
    counted ? ctx.reply.set(0) : ctx.reply.null();
  } else if (!is_set(found)) {
    ctx.reply.error(errors::kWrongType);
  } else if (count == 0) {
    ctx.reply.set(0);
  } else if (!counted) {
    pop_one(ctx, found, key);
  } else if (static_cast<size_t>(count) >= storage::set_size(*found.entry)) {
    pop_all(ctx, found, key);
  } else {
    pop_some(ctx, found, key, static_cast<size_t>(count));
  }
}

void srandmember_command(Context& ctx) {
  if (too_many_arguments(ctx)) return;
  const bool counted = ctx.argc() == 3;
  int64_t count = 1;
  if (counted && !parse_ranged_arg(ctx, 2, -kMaxCount, kMaxCount, count)) return;
  const Found found = ctx.access.read(ctx.key(1));
  if (!found) {
    counted ? ctx.reply.array(0) : ctx.reply.null();
    return;
  }
  if (!is_set(found)) {
    ctx.reply.error(errors::kWrongType);
    return;
  }
  if (counted && count >= 0) {
    const size_t wanted = std::min(static_cast<size_t>(count), storage::set_size(*found.entry));
    ctx.reply.array(wanted);
    storage::set_sample(*found.entry, ctx.access, wanted, [&](std::string_view member) {
      ctx.reply.bulk(member);
      return ctx.reply.wants_more();
    });
    return;
  }
  const auto draws = static_cast<size_t>(counted ? -count : 1);
  if (counted) ctx.reply.array(draws);
  std::string member;
  for (size_t i = 0; i < draws && ctx.reply.wants_more(); ++i) {
    storage::set_random(*found.entry, ctx.access, member);
    ctx.reply.bulk(member);
  }
}

void sscan_command(Context& ctx) {
  constexpr int64_t kStepsPerCount = 10;  // bounds the work when few members match, as in Redis
  uint64_t cursor = 0;
  if (!parse_scan_cursor(ctx, 2, cursor)) return;
  const Found found = ctx.access.read(ctx.key(1));
  if (!found) {
    ctx.reply.array(2);
    ctx.reply.bulk("0");
    ctx.reply.array(0);
    return;
  }
  if (!is_set(found)) {
    ctx.reply.error(errors::kWrongType);
    return;
  }
  ScanOptions options;
  if (!parse_scan_options(ctx, 3, options)) return;
  std::vector<std::string> members;
  size_t bytes = 0;
  int64_t seen = 0;
  int64_t steps = 0;
  do {
    cursor = storage::set_scan(*found.entry, cursor, [&](std::string_view member) {
      ++seen;
      if (!options.wants(member)) return;
      members.emplace_back(member);
      bytes += sizeof(std::string) + member.size();
    });
  } while (cursor != 0 && bytes < storage::kMostScanBytes && seen < options.count &&
           ++steps / kStepsPerCount < options.count);
  ctx.reply.array(2);
  ctx.reply.bulk_integer(static_cast<int64_t>(cursor));
  ctx.reply.array(members.size());
  for (const std::string& member : members) ctx.reply.bulk(member);
}

}  // namespace cloakroom::server
