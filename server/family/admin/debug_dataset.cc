// DEBUG DIGEST, DIGEST-VALUE and POPULATE: fingerprints of what is stored, and keys to store.
#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <limits>
#include <string>

#include "server/dispatch/arguments.h"
#include "server/dispatch/server_state.h"
#include "server/family/admin/server_handlers.h"
#include "server/family/help.h"
#include "storage/base/hex.h"
#include "storage/keyspace/keyspace_walk.h"
#include "storage/value/hash_value.h"
#include "storage/value/set_value.h"
#include "storage/value/string_value.h"

namespace cloakroom::server {
namespace {

// As wide as Redis', and built alike: what has an order is hashed in turn, what has none is added up. Equal
// digests mean equal datasets, of this server: its hash is another than Redis'.
class Digest {
 public:
  void mix(std::string_view text) {
    add(text);
    const Bytes before = bytes_;
    hash({reinterpret_cast<const char*>(before.data()), before.size()}, bytes_);
  }
  void add(std::string_view text) {
    Bytes other;
    hash(text, other);
    add(other);
  }
  void add(const Digest& other) { add(other.bytes_); }
  std::string text() const {
    return storage::hex::text({reinterpret_cast<const char*>(bytes_.data()), bytes_.size()});
  }

 private:
  using Bytes = std::array<unsigned char, 20>;

  static void hash(std::string_view text, Bytes& out) {
    crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size(), nullptr, 0);
  }
  void add(const Bytes& other) {
    for (size_t i = 0; i < bytes_.size(); ++i) bytes_[i] ^= other[i];
  }

  Bytes bytes_{};
};

void mix_value(Digest& digest, const storage::Entry& entry) {
  digest.mix(storage::type_name(entry.type()));
  if (entry.type() == storage::Type::kString) {
    char digits[storage::kI64Chars];
    digest.mix(storage::string_bytes(entry, digits));
  } else if (entry.type() == storage::Type::kHash) {
    storage::hash_for_each(entry, [&](const storage::HashField& field) {
      Digest pair;
      pair.mix(field.name);
      pair.mix(field.value);
      digest.add(pair);
    });
  } else {
    storage::set_for_each(entry, [&](std::string_view member) { digest.add(member); });
  }
  if (entry.deadline_ms() != 0) digest.add("!!expire!!");
}

// Calls fn(found) for the key, under its guard. Nothing is found of one that is not there.
template <class Fn>
void look_at(Context& ctx, const storage::KeyRef& key, Fn&& fn) {
  storage::Guard& guard = ctx.access.guard();
  const uint32_t shard = ctx.access.keyspace().shard_of(key.hash());
  const bool held = guard.holds(shard);
  if (!held) guard.take(shard);
  fn(ctx.access.peek(key));
  if (!held) guard.release_unchanged();
}

void add_key(Context& ctx, std::string_view name, Digest& all) {
  look_at(ctx, ctx.access.schema().make(name), [&](const storage::Found& found) {
    if (!found) return;
    Digest digest;
    digest.mix(name);
    mix_value(digest, *found.entry);
    all.add(digest);
  });
}

}  // namespace

void debug_digest(Context& ctx) {
  Digest all;
  const uint32_t selected = ctx.access.db();
  const storage::KeyFilter every(ctx.access.schema(), "*");
  for (uint32_t db = 0; db < ctx.access.keyspace().databases(); ++db) {
    ctx.access.select(db);
    Digest keys;
    bool any = false;
    storage::list_keys(ctx.access, every, [&](const storage::TextList& names) {
      for (size_t i = 0; i < names.size(); ++i) add_key(ctx, names[i], keys);
      any = any || names.size() != 0;
      return true;
    });
    if (!any) continue;
    all.mix(std::to_string(db));
    all.add(keys);
  }
  ctx.access.select(selected);
  ctx.reply.simple(all.text());
}

void debug_digest_value(Context& ctx) {
  ctx.reply.array(ctx.argc() - 2);
  for (size_t i = 2; i < ctx.argc(); ++i) {
    Digest digest;
    look_at(ctx, ctx.key(i), [&](const storage::Found& found) {
      if (found) mix_value(digest, *found.entry);
    });
    ctx.reply.simple(digest.text());
  }
}

// Keys <prefix>:0 to <prefix>:<count - 1> that are not there yet, with values of a given size.
void debug_populate(Context& ctx) {
  if (ctx.argc() < 3 || ctx.argc() > 5) return reply_subcommand_syntax(ctx);
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  int64_t count = 0;
  int64_t size = 0;
  if (!parse_ranged_arg(ctx, 2, 0, kMost, count)) return;
  if (ctx.argc() > 4 && !parse_ranged_arg(ctx, 4, 0, kMost, size)) return;
  const std::string_view prefix = ctx.argc() > 3 ? ctx.arg(3) : "key";
  const bool all_held = !ctx.access.guard().held().empty();
  for (int64_t i = 0; i < count; ++i) {
    const std::string name = fmt::format("{}:{}", prefix, i);
    const storage::KeyRef key = ctx.access.schema().make(name);
    std::string value = fmt::format("value:{}", i);
    if (size > 0) value.resize(static_cast<size_t>(size), '\0');
    if (!all_held) ctx.access.guard().take(ctx.access.keyspace().shard_of(key.hash()));
    storage::Found found = ctx.access.write(key);
    if (!found) {
      storage::string_set(ctx.access, found, key, {value}, storage::Deadline::kClear);
      ctx.access.changed(key, storage::EventClass::kString, {}, {"SET", key.raw(), value});
    }
    if (!all_held) ctx.access.finish();
  }
  ctx.reply.ok();
}

}  // namespace cloakroom::server
