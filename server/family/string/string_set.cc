#include <string>

#include "server/dispatch/arguments.h"
#include "server/family/string/string_handlers.h"
#include "storage/base/nocase.h"
#include "storage/value/string_value.h"

namespace cloakroom::server {
namespace {

using storage::Deadline;
using storage::EventClass;
using storage::Found;
using storage::KeyRef;
using storage::Kind;

enum class Word : uint8_t { kOther, kNx, kXx, kGet, kKeepTtl, kPersist, kEx, kPx, kExAt, kPxAt };

constexpr uint32_t packed(std::string_view text) {
  uint32_t word = 0;
  for (const char c : text) word = word << 8 | (static_cast<unsigned char>(c) | 0x20u);
  return word;
}

Word word_of(std::string_view text) {
  switch (text.size()) {
    case 2:
      switch (packed(text)) {
        case packed("ex"):
          return Word::kEx;
        case packed("px"):
          return Word::kPx;
        case packed("nx"):
          return Word::kNx;
        case packed("xx"):
          return Word::kXx;
        default:
          return Word::kOther;
      }
    case 3:
      return packed(text) == packed("get") ? Word::kGet : Word::kOther;
    case 4:
      return packed(text) == packed("exat")   ? Word::kExAt
             : packed(text) == packed("pxat") ? Word::kPxAt
                                              : Word::kOther;
    case 7:
      return equals_nocase(text, "keepttl")   ? Word::kKeepTtl
             : equals_nocase(text, "persist") ? Word::kPersist
                                              : Word::kOther;
    default:
      return Word::kOther;
  }
}

// What the options of SET and GETEX ask for.
struct Options {
  Word condition = Word::kOther;   // kNx, kXx
  Word expiration = Word::kOther;  // kKeepTtl, kPersist, kEx, kPx, kExAt, kPxAt
  bool get = false;
  size_t time_index = 0;  // of the expiration's argument; 0: it has none

  bool timed() const { return time_index != 0; }
  bool absolute() const { return expiration == Word::kExAt || expiration == Word::kPxAt; }
  Unit unit() const {
    return expiration == Word::kEx || expiration == Word::kExAt ? Unit::kSeconds : Unit::kMilliseconds;
  }
};

// As Redis: an option may be repeated but not combined with its rivals.
bool add_option(Context& ctx, bool set, size_t& index, Options& options) {
  const Word word = word_of(ctx.arg(index));
  switch (word) {
    case Word::kNx:
    case Word::kXx:
      if (!set || (options.condition != Word::kOther && options.condition != word)) return false;
      options.condition = word;
      return true;
    case Word::kGet:
      options.get = true;
      return set;
    case Word::kKeepTtl:
    case Word::kPersist:
      if (set != (word == Word::kKeepTtl)) return false;
      break;
    case Word::kEx:
    case Word::kPx:
    case Word::kExAt:
    case Word::kPxAt:
      if (index + 1 == ctx.argc()) return false;
      options.time_index = ++index;
      break;
    case Word::kOther:
      return false;
  }
  if (options.expiration != Word::kOther && options.expiration != word) return false;
  options.expiration = word;
  return true;
}

bool parse_options(Context& ctx, bool set, size_t first, Options& options) {
  for (size_t i = first; i < ctx.argc(); ++i) {
    if (add_option(ctx, set, i, options)) continue;
    ctx.reply.error(errors::kSyntax);
    return false;
  }
  return true;
}

void store(Context& ctx, Found& found, const KeyRef& key, size_t value_index, Deadline deadline) {
  storage::string_set(ctx.access, found, key, {ctx.arg(value_index), ctx.big(value_index)}, deadline);
}

void set_plain(Context& ctx, Found& found, const KeyRef& key, size_t value_index, Deadline deadline) {
  store(ctx, found, key, value_index, deadline);
  report_value(ctx, key, found, "set", ctx.arg(value_index));
}

void set_until(Context& ctx, Found& found, const KeyRef& key, size_t value_index, int64_t deadline_ms) {
  store(ctx, found, key, value_index, Deadline::kKeep);
  ctx.access.set_deadline(found, key, deadline_ms);
  report_value(ctx, key, found, "set", ctx.arg(value_index));
  ctx.access.event(key, EventClass::kGeneric, "expire");
  // A deadline in the past: it is over before anybody can see it, for the session index too.
  if (found->expired(ctx.access.now_ms())) ctx.access.end(found, key, storage::EndCause::kExpired);
}

void set_for(Context& ctx, Unit unit) {
  int64_t deadline_ms = 0;
  if (!positive_deadline(ctx, 2, unit, false, deadline_ms)) return;
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  set_until(ctx, found, key, 3, deadline_ms);
  ctx.reply.ok();
}

// Replies with the old value or null; false when it is not a string.
bool reply_old(Context& ctx, const Found& found) {
  if (!found) {
    ctx.reply.null();
  } else if (is_string(found)) {
    reply_string(ctx.reply, *found.entry);
  } else {
    ctx.reply.error(errors::kWrongType);
    return false;
  }
  return true;
}

// Ending a session may have to be tried again with more guards, so the reply comes last.
void end_and_reply(Context& ctx, Found& found, const KeyRef& key) {
  char digits[storage::kI64Chars];
  std::string_view text = storage::string_bytes(*found.entry, digits);
  protocol::SharedBytes owner;
  std::string copy;
  if (found->kind() == Kind::kStringShared) {
    owner = storage::big_string(*found.entry).bytes;
  } else {
    copy = text;
    text = copy;
  }
  ctx.access.end(found, key, storage::EndCause::kDeleted);
  if (owner != nullptr) {
    ctx.reply.bulk_shared(std::move(owner), text);
  } else {
    ctx.reply.bulk(text);
  }
}

void set_deadline_of(Context& ctx, Found& found, const KeyRef& key, int64_t deadline_ms) {
  ctx.access.set_deadline(found, key, deadline_ms);
  if (!ctx.access.wants_effects()) {
    ctx.access.changed(key, EventClass::kGeneric, "expire", {});
    return;
  }
  char digits[storage::kI64Chars];
  const std::string_view deadline(digits, storage::format_i64(digits, deadline_ms));
  ctx.access.changed(key, EventClass::kGeneric, "expire", {"PEXPIREAT", key.raw(), deadline});
}

}  // namespace

void set_command(Context& ctx) {
  Options options;
  if (!parse_options(ctx, true, 3, options)) return;
  int64_t deadline_ms = 0;
  if (options.timed() &&
      !positive_deadline(ctx, options.time_index, options.unit(), options.absolute(), deadline_ms)) {
    return;
  }
  const KeyRef& key = ctx.key(1);
  Found found = options.get ? read_for_change(ctx, key) : ctx.access.write(key);
  if (options.get && !reply_old(ctx, found)) return;
  if ((options.condition == Word::kNx && found) || (options.condition == Word::kXx && !found)) {
    if (!options.get) ctx.reply.null();
    return;
  }
  if (options.timed()) {
    set_until(ctx, found, key, 2, deadline_ms);
  } else {
    set_plain(ctx, found, key, 2, options.expiration == Word::kKeepTtl ? Deadline::kKeep : Deadline::kClear);
  }
  if (!options.get) ctx.reply.ok();
}

void setex_command(Context& ctx) { set_for(ctx, Unit::kSeconds); }
void psetex_command(Context& ctx) { set_for(ctx, Unit::kMilliseconds); }

void setnx_command(Context& ctx) {
  const KeyRef& key = ctx.key(1);
  Found found = ctx.access.write(key);
  const bool absent = !found;
  if (absent) set_plain(ctx, found, key, 2, Deadline::kClear);
  ctx.reply.integer(absent ? 1 : 0);
}

void getset_command(Context& ctx) {
  const KeyRef& key = ctx.key(1);
  Found found = read_for_change(ctx, key);
  if (reply_old(ctx, found)) set_plain(ctx, found, key, 2, Deadline::kClear);
}

void getdel_command(Context& ctx) {
  const KeyRef& key = ctx.key(1);
  Found found = read_for_change(ctx, key);
  if (found && is_string(found)) {
    end_and_reply(ctx, found, key);
  } else {
    reply_old(ctx, found);
  }
}

void getex_command(Context& ctx) {
  Options options;
  if (!parse_options(ctx, false, 2, options)) return;
  const KeyRef& key = ctx.key(1);
  Found found = read_for_change(ctx, key);
  if (!found || !is_string(found)) {
    reply_old(ctx, found);
    return;
  }
  int64_t deadline_ms = 0;
  if (options.timed() &&
      !positive_deadline(ctx, options.time_index, options.unit(), options.absolute(), deadline_ms)) {
    return;
  }
  if (options.absolute() && deadline_ms <= ctx.access.now_ms()) {
    end_and_reply(ctx, found, key);
    return;
  }
  reply_string(ctx.reply, *found.entry);
  if (options.timed()) {
    set_deadline_of(ctx, found, key, deadline_ms);
  } else if (options.expiration == Word::kPersist && found->deadline_ms() != 0) {
    ctx.access.set_deadline(found, key, 0);
    ctx.access.changed(key, EventClass::kGeneric, "persist", {"PERSIST", key.raw()});
  }
}

namespace {

void set_pairs(Context& ctx) {
  for (size_t i = 1; i < ctx.argc(); i += 2) {
    const KeyRef& key = ctx.key(i);
    Found found = ctx.access.write(key);
    set_plain(ctx, found, key, i + 1, Deadline::kClear);
  }
}

}  // namespace

void mset_command(Context& ctx) {
  if (ctx.argc() % 2 == 0) {
    reply_wrong_arity(ctx);
    return;
  }
  set_pairs(ctx);
  ctx.reply.ok();
}

void msetnx_command(Context& ctx) {
  if (ctx.argc() % 2 == 0) {
    reply_wrong_arity(ctx);
    return;
  }
  for (size_t i = 1; i < ctx.argc(); i += 2) {
    if (ctx.access.write(ctx.key(i))) {
      ctx.reply.integer(0);
      return;
    }
  }
  set_pairs(ctx);
  ctx.reply.integer(1);
}

}  // namespace cloakroom::server
