#include <algorithm>
#include <limits>
#include <unordered_set>
#include <vector>

#include "server/dispatch/arguments.h"
#include "server/family/hash/hash_handlers.h"
#include "server/family/scan_arguments.h"
#include "storage/base/nocase.h"

// HRANDFIELD and HSCAN.
namespace cloakroom::server {

using storage::Found;
using storage::HashField;

namespace {

constexpr int64_t kMaxCount = std::numeric_limits<int64_t>::max();

struct RandomRequest {
  int64_t count = 0;
  bool with_values = false;
};

bool parse_random(Context& ctx, RandomRequest& request) {
  if (!parse_ranged_arg(ctx, 2, -kMaxCount, kMaxCount, request.count)) return false;
  if (ctx.argc() > 4 || (ctx.argc() == 4 && !equals_nocase(ctx.arg(3), "withvalues"))) {
    ctx.reply.error(errors::kSyntax);
    return false;
  }
  request.with_values = ctx.argc() == 4;
  if (request.with_values && (request.count < -kMaxCount / 2 || request.count > kMaxCount / 2)) {
    ctx.reply.error(errors::kNotRanged);
    return false;
  }
  return true;
}

void reply_count(Context& ctx, const RandomRequest& request, size_t fields) {
  const bool flat_pairs = request.with_values && !ctx.reply.resp3();
  ctx.reply.array(flat_pairs ? 2 * fields : fields);
}

void reply_drawn(Context& ctx, const RandomRequest& request, HashField field) {
  if (request.with_values && ctx.reply.resp3()) ctx.reply.array(2);
  ctx.reply.bulk(field.name);
  if (request.with_values) ctx.reply.bulk(field.value);
}

// Draws one after the other, the same again if it comes.
void reply_repeated(Context& ctx, const RandomRequest& request, const storage::Entry& hash) {
  const auto draws = static_cast<size_t>(-request.count);
  reply_count(ctx, request, draws);
  std::vector<HashField> fields;
  if (storage::is_flat_hash(hash))
    storage::hash_for_each(hash, [&](HashField field) { fields.push_back(field); });
  for (size_t i = 0; i < draws && ctx.reply.wants_more(); ++i) {
    const bool indexed = !fields.empty();
    reply_drawn(
        ctx, request,
        indexed ? fields[ctx.access.random() % fields.size()] : storage::hash_random(hash, ctx.access));
  }
}

// Few of many: draws until enough different ones have come.
void reply_few(Context& ctx, const RandomRequest& request, const storage::Entry& hash) {
  const auto wanted = static_cast<size_t>(request.count);
  std::unordered_set<const char*> drawn;  // by where the name stands
  reply_count(ctx, request, wanted);
  while (drawn.size() < wanted && ctx.reply.wants_more()) {
    const HashField field = storage::hash_random(hash, ctx.access);
    if (drawn.insert(field.name.data()).second) reply_drawn(ctx, request, field);
  }
}

// One pass in the hash's order; of n fields left, m wanted, each is taken with probability m / n.
void reply_sampled(Context& ctx, const RandomRequest& request, const storage::Entry& hash) {
  size_t left = storage::hash_size(hash);
  size_t wanted = std::min(left, static_cast<size_t>(request.count));
  reply_count(ctx, request, wanted);
  storage::hash_for_each(hash, [&](HashField field) {
    if (wanted > 0 && (wanted == left || ctx.access.random() % left < wanted)) {
      reply_drawn(ctx, request, field);
      --wanted;
    }
    --left;
  });
}

void reply_step(protocol::ReplyWriter& reply, uint64_t cursor, std::span<const std::string_view> elements) {
  reply.array(2);
  reply.bulk_integer(static_cast<int64_t>(cursor));
  reply.array(elements.size());
  for (const std::string_view element : elements) reply.bulk(element);
}

}  // namespace

void hrandfield_command(Context& ctx) {
  RandomRequest request;
  const bool counted = ctx.argc() > 2;
  if (counted && !parse_random(ctx, request)) return;
  Found found;
  if (!find_hash_to_read(ctx, found)) return;
  if (!counted) {
    if (found) {
      ctx.reply.bulk(storage::hash_random(*found.entry, ctx.access).name);
    } else {
      ctx.reply.null();
    }
  } else if (!found || request.count == 0) {
    ctx.reply.array(0);
  } else if (request.count < 0) {
    reply_repeated(ctx, request, *found.entry);
  } else if (!storage::is_flat_hash(*found.entry) &&
             static_cast<size_t>(request.count) < storage::hash_size(*found.entry) / 4) {
    reply_few(ctx, request, *found.entry);
  } else {
    reply_sampled(ctx, request, *found.entry);
  }
}

void hscan_command(Context& ctx) {
  uint64_t cursor = 0;
  Found found;
  ScanOptions options;
  if (!parse_scan_cursor(ctx, 2, cursor) || !find_hash_to_read(ctx, found)) return;
  if (!found) {
    reply_step(ctx.reply, 0, {});
    return;
  }
  if (!parse_scan_options(ctx, 3, options)) return;
  std::vector<std::string_view> elements;
  int64_t seen = 0;
  const auto collect = [&](HashField field) {
    ++seen;
    if (!options.wants(field.name)) return;
    elements.push_back(field.name);
    elements.push_back(field.value);
  };
  if (storage::is_flat_hash(*found.entry)) {
    storage::hash_for_each(*found.entry, collect);
    cursor = 0;
  } else {
    const storage::MemberTable& table = storage::hash_table(*found.entry);
    const int64_t most_steps = options.count > kMaxCount / 10 ? kMaxCount : 10 * options.count;
    int64_t steps = 0;
    do {
      cursor = table.scan(cursor, [&](const storage::MemberTable::Item& item) {
        collect({item.member, item.value});
      });
    } while (cursor != 0 && ++steps < most_steps && seen < options.count);
  }
  reply_step(ctx.reply, cursor, elements);
}

}  // namespace cloakroom::server
