// RENAME, COPY and MOVE: values that go from one key to another.
//
// A key under the session pattern ends when its value leaves and begins when one arrives; the index follows
// by itself (Access::detach, attach). What the index must be told is the membership of sets that leave,
// arrive or are overwritten under a user-sessions key.
//
// Effects: RENAME, MOVE and COPY are written as themselves rather than as the value. They are not idempotent
// alone, but the log is applied in order and each effect once, from a state in which every expiry before them
// has been applied.
#include <fmt/format.h>

#include <climits>
#include <string>

#include "server/dispatch/arguments.h"
#include "server/family/key/key_handlers.h"
#include "storage/base/nocase.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/set_value.h"

namespace cloakroom::server {
namespace {

using storage::Access;
using storage::DetachedValue;
using storage::EventClass;
using storage::Found;
using storage::KeyRef;
using storage::PackedId;
using storage::SessionIndex;

constexpr std::string_view kSameObject = "ERR source and destination objects are the same";

// Another database for the length of a scope.
class Selected {
 public:
  Selected(Access& access, uint32_t db) : access_(access), before_(access.db()) { access.select(db); }
  ~Selected() { access_.select(before_); }
  Selected(const Selected&) = delete;
  Selected& operator=(const Selected&) = delete;

 private:
  Access& access_;
  uint32_t before_;
};

bool is_indexed_set(Access& access, const Found& found, const KeyRef& key) {
  return found && SessionIndex::concerns(access, key) && found->type() == storage::Type::kSet;
}

void set_leaves(Access& access, const Found& found, const KeyRef& key) {
  if (!is_indexed_set(access, found, key)) return;
  set_for_each_id(*found.entry, [&](PackedId id) { SessionIndex::member_removed(access, key, id); });
}

void set_arrives(Access& access, const Found& found, const KeyRef& key) {
  if (!is_indexed_set(access, found, key)) return;
  set_for_each_id(*found.entry, [&](PackedId id) { SessionIndex::member_added(access, key, id); });
}

DetachedValue take_out(Access& access, const KeyRef& key) {
  Found found = access.find_raw(key, false);
  set_leaves(access, found, key);
  return access.detach(found, key);
}

// Redis deletes what it overwrites and adds a new key: the "new" event comes either way.
void put_in(Access& access, const KeyRef& key, DetachedValue&& value) {
  Found found = access.find_raw(key, false);
  const bool replaces = static_cast<bool>(found);
  set_leaves(access, found, key);
  access.attach(found, key, std::move(value));
  set_arrives(access, found, key);
  if (replaces) access.event(key, EventClass::kNew, "new");
}

// Takes the guards of the sets linked to a session, so that nothing after it throws GuardsNeeded:
// a value that has been taken out must be put back.
void hold_links(Access& access, const KeyRef& key) {
  storage::ShardSet wanted;
  SessionIndex::collect_link_shards(access, key, wanted);
  if (!access.guard().try_add(wanted)) throw storage::GuardsNeeded{wanted};
}

void rename(Context& ctx, bool only_new) {
  Access& access = ctx.access;
  const KeyRef& from = ctx.key(1);
  const KeyRef& to = ctx.key(2);
  const bool same = from.raw() == to.raw();
  if (!access.write(from)) {
    ctx.reply.error(errors::kNoSuchKey);
    return;
  }
  if (same || (access.write(to) && only_new)) {
    only_new ? ctx.reply.integer(0) : ctx.reply.ok();
    return;
  }
  if (!access.peek(from)) {  // a set that went with the last session in it, `to`, which had expired
    ctx.reply.error(errors::kNoSuchKey);
    return;
  }
  hold_links(access, from);
  hold_links(access, to);
  access.restate(access.peek(from), from);
  put_in(access, to, take_out(access, from));
  access.changed(from, EventClass::kGeneric, "rename_from", {"RENAME", from.raw(), to.raw()});
  access.changed(to, EventClass::kGeneric, "rename_to", {});
  only_new ? ctx.reply.integer(1) : ctx.reply.ok();
}

bool parse_db(Context& ctx, size_t index, uint32_t& db) {
  int64_t number = 0;
  if (!parse_ranged_arg(ctx, index, INT_MIN, INT_MAX, number)) return false;
  if (number < 0 || number >= ctx.access.keyspace().databases()) {
    ctx.reply.error(errors::kDbOutOfRange);
    return false;
  }
  db = static_cast<uint32_t>(number);
  return true;
}

struct CopyRequest {
  uint32_t db;
  bool replace = false;
};

bool parse_copy(Context& ctx, CopyRequest& out) {
  for (size_t i = 3; i < ctx.argc(); ++i) {
    if (equals_nocase(ctx.arg(i), "replace")) {
      out.replace = true;
    } else if (equals_nocase(ctx.arg(i), "db") && i + 1 < ctx.argc()) {
      if (!parse_db(ctx, ++i, out.db)) return false;
    } else {
      ctx.reply.error(errors::kSyntax);
      return false;
    }
  }
  return true;
}

}  // namespace

void rename_command(Context& ctx) { rename(ctx, false); }
void renamenx_command(Context& ctx) { rename(ctx, true); }

void copy_command(Context& ctx) {
  Access& access = ctx.access;
  const uint32_t from_db = access.db();
  CopyRequest request{from_db};
  if (!parse_copy(ctx, request)) return;
  const KeyRef& from = ctx.key(1);
  const KeyRef& to = ctx.key(2);
  if (request.db == from_db && from.raw() == to.raw()) {
    ctx.reply.error(kSameObject);
    return;
  }
  if (!access.read(from)) {
    ctx.reply.integer(0);
    return;
  }
  {
    const Selected selected(access, request.db);
    if (access.write(to) && !request.replace) {
      ctx.reply.integer(0);
      return;
    }
  }
  const Found source = access.peek(from);  // again: ending an expired `to` may have changed the table
  if (!source) {
    ctx.reply.integer(0);
    return;
  }
  const Selected selected(access, request.db);
  hold_links(access, to);
  const std::string db = std::to_string(request.db);
  DetachedValue copy = access.copy(source);
  {
    // Before the effects of ending a session at `to`: one of its sets may be what is copied.
    const Selected source_db(access, from_db);
    access.restate(source, from);
    access.effect({"COPY", from.raw(), to.raw(), "DB", db, "REPLACE"});
  }
  put_in(access, to, std::move(copy));
  access.changed(to, EventClass::kGeneric, "copy_to", {});
  ctx.reply.integer(1);
}

void move_command(Context& ctx) {
  Access& access = ctx.access;
  const uint32_t from_db = access.db();
  uint32_t to_db = 0;
  if (!parse_db(ctx, 2, to_db)) return;
  if (to_db == from_db) {
    ctx.reply.error(kSameObject);
    return;
  }
  const KeyRef& key = ctx.key(1);
  bool free = static_cast<bool>(access.write(key));
  if (free) {
    const Selected selected(access, to_db);
    free = !access.write(key);
  }
  if (!free) {
    ctx.reply.integer(0);
    return;
  }
  hold_links(access, key);
  access.restate(access.peek(key), key);
  DetachedValue value = take_out(access, key);
  {
    const Selected selected(access, to_db);
    put_in(access, key, std::move(value));
  }
  access.changed(key, EventClass::kGeneric, "move_from", {"MOVE", key.raw(), ctx.arg(2)});
  const Selected selected(access, to_db);
  access.changed(key, EventClass::kGeneric, "move_to", {});
  ctx.reply.integer(1);
}

}  // namespace cloakroom::server
