#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "server/dispatch/arguments.h"
#include "server/family/set/set_handlers.h"
#include "storage/base/nocase.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/set_draft.h"

// Intersection, union and difference of sets.
namespace cloakroom::server {

using storage::EndCause;
using storage::Entry;
using storage::EventClass;
using storage::Found;
using storage::KeyRef;
using storage::SetDraft;

namespace {

// The sets a command reads, null where the key is absent.
using Sources = std::vector<const Entry*>;

// False when one of the keys holds something else: that wins over absent keys, and has been answered.
bool read_sources(Context& ctx, size_t first, size_t count, Sources& sources) {
  sources.reserve(count);
  for (size_t i = first; i < first + count; ++i) {
    const Found found = ctx.access.read(ctx.key(i));
    if (found && !is_set(found)) {
      ctx.reply.error(errors::kWrongType);
      return false;
    }
    sources.push_back(found.entry);
  }
  return true;
}

// Calls fn(member) for each common member until it returns false.
template <class Fn>
void intersect(Sources sources, Fn&& fn) {
  if (std::find(sources.begin(), sources.end(), nullptr) != sources.end()) return;
  std::sort(sources.begin(), sources.end(),
            [](const Entry* a, const Entry* b) { return storage::set_size(*a) < storage::set_size(*b); });
  bool going = true;
  storage::set_visit(*sources[0], [&](std::string_view member) {
    if (!going) return;
    for (size_t i = 1; i < sources.size(); ++i) {
      if (sources[i] != sources[0] && !storage::set_contains(*sources[i], member)) return;
    }
    going = fn(member);
  });
}

void unite(const Sources& sources, SetDraft& out) {
  for (const Entry* set : sources) {
    if (set != nullptr) storage::set_visit(*set, [&](std::string_view member) { out.add(member); });
  }
}

// Whether to look up every member of the first set in the others rather than to remove theirs from it. As
// Redis decides, because the choice shows in the encoding of the result.
bool probing_is_cheaper(const Sources& sources) {
  size_t probes = 0;
  size_t removals = 0;
  for (const Entry* set : sources) {
    if (set == nullptr) continue;
    probes += storage::set_size(*sources[0]);
    removals += storage::set_size(*set);
  }
  return probes / 2 <= removals;
}

template <class Fn>
void subtract_by_probing(const Sources& sources, Fn&& fn) {
  storage::set_visit(*sources[0], [&](std::string_view member) {
    for (size_t i = 1; i < sources.size(); ++i) {
      if (sources[i] != nullptr && storage::set_contains(*sources[i], member)) return;
    }
    fn(member);
  });
}

void subtract(const Sources& sources, SetDraft& out) {
  if (sources[0] == nullptr || std::find(sources.begin() + 1, sources.end(), sources[0]) != sources.end())
    return;
  if (probing_is_cheaper(sources)) {
    subtract_by_probing(sources, [&](std::string_view member) { out.add(member); });
    return;
  }
  storage::set_visit(*sources[0], [&](std::string_view member) { out.add(member); });
  for (size_t i = 1; i < sources.size() && out.size() > 0; ++i) {
    if (sources[i] != nullptr)
      storage::set_visit(*sources[i], [&](std::string_view member) { out.remove(member); });
  }
}

void reply_draft(Context& ctx, const SetDraft& draft) {
  ctx.reply.set(draft.size());
  draft.for_each([&](std::string_view member) { ctx.reply.bulk(member); });
}

// An empty result ends what stood there.
void store_nothing(Context& ctx, Found& found, const KeyRef& key) {
  if (found) {
    if (is_set(found) && storage::SessionIndex::concerns(ctx.access, key)) {
      storage::set_for_each_id(*found.entry, [&](storage::PackedId id) {
        storage::SessionIndex::member_removed(ctx.access, key, id);
      });
    }
    ctx.access.end(found, key, EndCause::kDeleted);
  }
  ctx.reply.integer(0);
}

// Stores the result under the key at argument 1.
void store(Context& ctx, SetDraft& draft, std::string_view event) {
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  if (draft.size() == 0) {
    store_nothing(ctx, found, key);
    return;
  }
  const bool replaces = static_cast<bool>(found);
  const auto size = static_cast<int64_t>(draft.size());
  std::vector<std::string> members;
  if (ctx.access.wants_effects()) {
    draft.for_each([&](std::string_view member) { members.emplace_back(member); });
  }
  draft.store(found, key);
  if (replaces) ctx.access.effect({"DEL", key.raw()});
  ctx.access.changed(key, EventClass::kSet, event, {});
  set_effect(ctx, key, "SADD", std::vector<std::string_view>(members.begin(), members.end()));
  ctx.reply.integer(size);
}

}  // namespace

void sinter_command(Context& ctx) {
  Sources sources;
  if (!read_sources(ctx, 1, ctx.argc() - 1, sources)) return;
  const auto begun = ctx.reply.begin_deferred();
  size_t n = 0;
  intersect(sources, [&](std::string_view member) {
    ctx.reply.bulk(member);
    ++n;
    return ctx.reply.wants_more();
  });
  ctx.reply.end_set(begun, n);
}

void sintercard_command(Context& ctx) {
  int64_t keys = 0;
  constexpr std::string_view kBadCount = "ERR numkeys should be greater than 0";
  if (!parse_positive_arg(ctx, 1, keys, kBadCount)) return;
  if (keys == 0) {
    ctx.reply.error(kBadCount);
    return;
  }
  if (static_cast<size_t>(keys) > ctx.argc() - 2) {
    ctx.reply.error("ERR Number of keys can't be greater than number of args");
    return;
  }
  int64_t limit = 0;
  for (size_t i = 2 + static_cast<size_t>(keys); i < ctx.argc(); i += 2) {
    if (i + 1 == ctx.argc() || !equals_nocase(ctx.arg(i), "limit")) {
      ctx.reply.error(errors::kSyntax);
      return;
    }
    if (!parse_positive_arg(ctx, i + 1, limit, "ERR LIMIT can't be negative")) return;
  }
  Sources sources;
  if (!read_sources(ctx, 2, static_cast<size_t>(keys), sources)) return;
  int64_t n = 0;
  intersect(sources, [&](std::string_view) { return ++n != limit; });
  ctx.reply.integer(n);
}

void sinterstore_command(Context& ctx) {
  Sources sources;
  if (!read_sources(ctx, 2, ctx.argc() - 2, sources)) return;
  SetDraft draft(ctx.access);
  intersect(sources, [&](std::string_view member) {
    draft.add(member);
    return true;
  });
  store(ctx, draft, "sinterstore");
}

void sunion_command(Context& ctx) {
  Sources sources;
  if (!read_sources(ctx, 1, ctx.argc() - 1, sources)) return;
  SetDraft draft(ctx.access);
  unite(sources, draft);
  reply_draft(ctx, draft);
}

void sunionstore_command(Context& ctx) {
  Sources sources;
  if (!read_sources(ctx, 2, ctx.argc() - 2, sources)) return;
  SetDraft draft(ctx.access);
  unite(sources, draft);
  store(ctx, draft, "sunionstore");
}

void sdiff_command(Context& ctx) {
  Sources sources;
  if (!read_sources(ctx, 1, ctx.argc() - 1, sources)) return;
  SetDraft draft(ctx.access);
  subtract(sources, draft);
  reply_draft(ctx, draft);
}

void sdiffstore_command(Context& ctx) {
  Sources sources;
  if (!read_sources(ctx, 2, ctx.argc() - 2, sources)) return;
  SetDraft draft(ctx.access);
  subtract(sources, draft);
  store(ctx, draft, "sdiffstore");
}

}  // namespace cloakroom::server
