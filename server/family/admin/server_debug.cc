#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "server/config/config_table.h"
#include "server/dispatch/arguments.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/server_handlers.h"
#include "server/family/help.h"
#include "server/stats/log.h"
#include "storage/base/nocase.h"
#include "storage/keyspace/access_clock.h"
#include "storage/value/string_value.h"

namespace cloakroom::server {
namespace {

using storage::Found;
using storage::Kind;

// DEBUG's own guard for the key at argument `index`; inside EXEC it is held already.
Found look_up(Context& ctx, size_t index) {
  const storage::KeyRef& key = ctx.key(index);
  storage::Guard& guard = ctx.access.guard();
  const uint32_t shard = ctx.access.keyspace().shard_of(key.hash());
  if (!guard.holds(shard)) guard.take(shard);
  const Found found = ctx.access.peek(key);
  if (!found) ctx.reply.error(errors::kNoSuchKey);
  return found;
}

void object(Context& ctx) {
  const Found found = look_up(ctx, 2);
  if (!found) return;
  const storage::ValueOps& ops = storage::value_ops(found->kind());
  const size_t bytes = found->value_bytes() + ops.outside_bytes(found->value());
  const int64_t idle_s = storage::idle_ms(found->access(), ctx.access.steady_ms()) / 1000;
  ctx.reply.simple(fmt::format(
      "Value at:{} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
      fmt::ptr(static_cast<const void*>(found->value())), ops.encoding, bytes, found->access(), idle_s));
}

void sdslen(Context& ctx) {
  const Found found = look_up(ctx, 2);
  if (!found) return;
  if (found->type() != storage::Type::kString || found->kind() == Kind::kStringInt) {
    return ctx.reply.error("ERR Not an sds encoded string.");
  }
  const size_t size = storage::string_size(*found.entry);
  ctx.reply.simple(fmt::format(
      "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:0, val_zmalloc: {}",
      ctx.arg(2).size(), found->key_bytes(), size, found->value_bytes()));
}

void htstats(Context& ctx) {
  int64_t db = 0;
  if (!parse_integer_arg(ctx, 2, db)) return;
  if (db < 0 || db >= static_cast<int64_t>(ctx.access.keyspace().databases())) {
    return ctx.reply.error("ERR Out of range database");
  }
  ctx.reply.verbatim("[Dictionary HT]\n[Expires HT]\n", "txt");
}

void htstats_key(Context& ctx) {
  const Found found = look_up(ctx, 2);
  if (!found) return;
  if (std::string_view(storage::value_ops(found->kind()).encoding) != "hashtable") {
    return ctx.reply.error(
        "ERR The value stored at the specified key is not represented using an hash table");
  }
  ctx.reply.verbatim("Hash table 0 stats (main hash table):\n", "txt");
}

void sleep(Context& ctx) {
  const double seconds = std::strtod(std::string(ctx.arg(2)).c_str(), nullptr);
  if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  ctx.reply.ok();
}

// Tests the report of a crash.
void segfault(Context&) { std::raise(SIGSEGV); }

void set_active_expire(Context& ctx) {
  ctx.server.active_expire = std::atoi(std::string(ctx.arg(2)).c_str()) != 0;
  ctx.reply.ok();
}

// There are no quicklists; the value is only checked.
void packed_threshold(Context& ctx) {
  constexpr uint64_t kMost = uint64_t{4} << 30;
  const auto bytes = directives::parse_memory(ctx.arg(2));
  if (!bytes || *bytes > kMost) {
    return ctx.reply.error("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
  }
  ctx.reply.ok();
}

void pause_cron(Context& ctx) {
  ctx.server.cron_paused = std::atoi(std::string(ctx.arg(2)).c_str()) != 0;
  ctx.reply.ok();
}

void rewrite_whole_config(Context& ctx) {
  if (const auto failure = ctx.server.config->rewrite(true)) return ctx.reply.error(*failure);
  ctx.reply.ok();
}

void reply_buffer(Context& ctx) {
  if (!equals_nocase(ctx.arg(2), "peak-reset-time") && !equals_nocase(ctx.arg(2), "resizing")) {
    return reply_subcommand_syntax(ctx);
  }
  ctx.reply.ok();
}

void ok(Context& ctx) { ctx.reply.ok(); }
void error(Context& ctx) { ctx.reply.error(ctx.arg(2)); }

void log_line(Context& ctx) {
  log(LogLevel::kWarning, fmt::format("DEBUG LOG: {}", ctx.arg(2)));
  ctx.reply.ok();
}

void refuse_reload(Context& ctx) {
  ctx.reply.error("ERR There is nothing to load from: persistence is not supported yet by Cloakroom");
}

void map_of_three(Context& ctx) {
  ctx.reply.map(3);
  for (int i = 0; i < 3; ++i) {
    ctx.reply.integer(i);
    ctx.reply.boolean(i == 1);
  }
}

void attribute(Context& ctx) {
  if (ctx.reply.attribute(1)) {
    ctx.reply.bulk("key-popularity");
    ctx.reply.array(2);
    ctx.reply.bulk("key:123");
    ctx.reply.integer(90);
  }
  ctx.reply.bulk("Some real reply following the attribute");
}

void push(Context& ctx) {
  if (!ctx.reply.resp3()) return ctx.reply.error("ERR RESP2 is not supported by this command");
  ctx.reply.push(2);
  ctx.reply.bulk("server-cpu-usage");
  ctx.reply.integer(42);
  ctx.reply.bulk("Some real reply following the push reply");
}

// A sample of each type of reply, the same as Redis': clients test themselves with it.
void protocol(Context& ctx) {
  const std::string_view type = ctx.arg(2);
  const auto is = [&](std::string_view name) { return equals_nocase(type, name); };
  if (is("string")) return ctx.reply.bulk("Hello World");
  if (is("integer")) return ctx.reply.integer(12345);
  if (is("double")) return ctx.reply.double_value(3.141);
  if (is("null")) return ctx.reply.null();
  if (is("bignum")) return ctx.reply.big_number("1234567999999999999999999999999999999");
  if (is("map")) return map_of_three(ctx);
  if (is("attrib")) return attribute(ctx);
  if (is("push")) return push(ctx);
  if (is("true")) return ctx.reply.boolean(true);
  if (is("false")) return ctx.reply.boolean(false);
  if (is("verbatim")) return ctx.reply.verbatim("This is a verbatim\nstring", "txt");
  if (!is("array") && !is("set")) {
    return ctx.reply.error(
        "ERR Wrong protocol type name. Please use one of the following: "
        "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
  }
  is("array") ? ctx.reply.array(3) : ctx.reply.set(3);
  for (int i = 0; i < 3; ++i) ctx.reply.integer(i);
}

void help(Context& ctx) {
  reply_help(ctx, "DEBUG",
             {"CHANGE-REPL-ID",
              "    Accepted; there are no replicas.",  //
              "CONFIG-REWRITE-FORCE-ALL",
              "    As CONFIG REWRITE, with the defaults.",  //
              "DIGEST",
              "    A fingerprint of all that is stored.",  //
              "DIGEST-VALUE <key> [<key> ...]",
              "    Fingerprints of values.",  //
              "ERROR <string>",
              "    Answers that error.",  //
              "HTSTATS <dbid>",
              "    Minimal: tables here are not Redis' tables.",  //
              "HTSTATS-KEY <key>",
              "    Minimal, as above.",  //
              "LOG <message>",
              "    Writes a line to the log.",  //
              "OBJECT <key>",
              "    Describes how a value is kept.",  //
              "PAUSE-CRON (0|1)",
              "    Whether what is done ten times a second is left out.",  //
              "POPULATE <count> [<prefix>] [<size>]",
              "    Stores keys <prefix>:0 and on that are not there yet.",  //
              "PROTOCOL <type>",
              "    Answers a sample of that type of reply.",  //
              "QUICKLIST-PACKED-THRESHOLD <size>",
              "    Accepted without effect.",  //
              "REPLYBUFFER (PEAK-RESET-TIME|RESIZING) <value>",
              "    Accepted without effect: a client has no reply buffer of its own.",  //
              "SDSLEN <key>",
              "    Sizes of a key and its string.",  //
              "SEGFAULT",
              "    Ends the server by that signal.",  //
              "SET-ACTIVE-EXPIRE (0|1)",
              "    Whether expired keys leave before they are touched.",  //
              "SET-DISABLE-DENY-SCRIPTS (0|1)",
              "    Accepted without effect.",  //
              "SLEEP <seconds>",
              "    Stops this connection's thread for a time."});
}

struct Subcommand {
  std::string_view name;
  size_t argc;  // 0: any
  Handler handler;
};

constexpr Subcommand kSubcommands[] = {
    {"help", 2, help},
    {"object", 3, object},
    {"sdslen", 3, sdslen},
    {"htstats", 3, htstats},
    {"htstats-key", 3, htstats_key},
    {"sleep", 3, sleep},
    {"set-active-expire", 3, set_active_expire},
    {"quicklist-packed-threshold", 3, packed_threshold},
    {"protocol", 3, protocol},
    {"error", 3, error},
    {"log", 3, log_line},
    {"change-repl-id", 2, ok},
    {"set-disable-deny-scripts", 3, ok},
    {"digest", 2, debug_digest},
    {"digest-value", 0, debug_digest_value},
    {"populate", 0, debug_populate},
    {"segfault", 2, segfault},
    {"pause-cron", 3, pause_cron},
    {"config-rewrite-force-all", 2, rewrite_whole_config},
    {"replybuffer", 4, reply_buffer},
    {"reload", 0, refuse_reload},
    {"loadaof", 2, refuse_reload},
};

}  // namespace

void debug_command(Context& ctx) {
  for (const Subcommand& subcommand : kSubcommands) {
    if (!equals_nocase(ctx.arg(1), subcommand.name)) continue;
    if (subcommand.argc != 0 && subcommand.argc != ctx.argc()) break;
    return subcommand.handler(ctx);
  }
  reply_subcommand_syntax(ctx);
}

}  // namespace cloakroom::server
