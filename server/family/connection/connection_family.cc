#include <sodium.h>

#include <algorithm>
#include <climits>

#include "server/config/version.h"
#include "server/dispatch/arguments.h"
#include "server/dispatch/client.h"
#include "server/dispatch/context.h"
#include "server/dispatch/dispatcher.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/families.h"
#include "storage/base/nocase.h"
#include "storage/base/number.h"

namespace cloakroom::server {
namespace {

constexpr std::string_view kWrongPass = "WRONGPASS invalid username-password pair or user is disabled.";
constexpr std::string_view kNoPasswordSet =
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
    "configuration is correct?";

void ping(Context& ctx) {
  if (ctx.argc() > 2) return reply_wrong_arity(ctx);
  if (ctx.client.is(Client::kSubscriber) && !ctx.reply.resp3()) {
    ctx.reply.array(2);
    ctx.reply.bulk("pong");
    return ctx.reply.bulk(ctx.argc() == 2 ? ctx.arg(1) : "");
  }
  if (ctx.argc() == 1) return ctx.reply.simple("PONG");
  ctx.reply.bulk(ctx.arg(1));
}

void echo(Context& ctx) { ctx.reply.bulk(ctx.arg(1)); }

// In time that does not depend on where the texts differ.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned char hash_a[crypto_generichash_BYTES];
  unsigned char hash_b[crypto_generichash_BYTES];
  const auto digest = [](std::string_view text, unsigned char* out) {
    crypto_generichash(out, crypto_generichash_BYTES, reinterpret_cast<const unsigned char*>(text.data()),
                       text.size(), nullptr, 0);
  };
  digest(a, hash_a);
  digest(b, hash_b);
  return sodium_memcmp(hash_a, hash_b, sizeof hash_a) == 0;
}

// True when the password opens the default user, the only one there is.
bool authenticate(Context& ctx, std::string_view user, std::string_view password) {
  const std::string& required = ctx.worker.config().requirepass;
  const bool ok = user == "default" && (required.empty() || same_secret(password, required));
  if (ok) ctx.client.set(Client::kAuthenticated, true);
  return ok;
}

void auth(Context& ctx) {
  if (ctx.argc() > 3) return ctx.reply.error(errors::kSyntax);
  if (ctx.argc() == 2 && ctx.worker.config().requirepass.empty()) return ctx.reply.error(kNoPasswordSet);
  const std::string_view user = ctx.argc() == 3 ? ctx.arg(1) : "default";
  if (!authenticate(ctx, user, ctx.arg(ctx.argc() - 1))) return ctx.reply.error(kWrongPass);
  ctx.reply.ok();
}

bool valid_client_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '!' && c <= '~'; });
}

void reply_hello(Context& ctx) {
  ctx.reply.map(7);
  ctx.reply.bulk("server");
  ctx.reply.bulk("redis");
  ctx.reply.bulk("version");
  ctx.reply.bulk(kRedisVersion);
  ctx.reply.bulk("proto");
  ctx.reply.integer(ctx.reply.protocol());
  ctx.reply.bulk("id");
  ctx.reply.integer(static_cast<int64_t>(ctx.client.id));
  ctx.reply.bulk("mode");
  ctx.reply.bulk("standalone");
  ctx.reply.bulk("role");
  ctx.reply.bulk("master");
  ctx.reply.bulk("modules");
  ctx.reply.array(0);
}

void hello(Context& ctx) {
  int version = 0;
  size_t next = 1;
  if (ctx.argc() >= 2) {
    int64_t wanted = 0;
    if (!parse_integer_arg(ctx, 1, wanted, "ERR Protocol version is not an integer or out of range")) return;
    if (wanted < 2 || wanted > 3) return ctx.reply.error("NOPROTO unsupported protocol version");
    version = static_cast<int>(wanted);
    next = 2;
  }
  // Options act as they are read, whatever is wrong with later ones.
  for (; next < ctx.argc(); ++next) {
    const size_t more = ctx.argc() - next - 1;
    if (equals_nocase(ctx.arg(next), "AUTH") && more >= 2) {
      if (!authenticate(ctx, ctx.arg(next + 1), ctx.arg(next + 2))) return ctx.reply.error(kWrongPass);
      next += 2;
    } else if (equals_nocase(ctx.arg(next), "SETNAME") && more >= 1) {
      const std::string_view name = ctx.arg(++next);
      if (!valid_client_name(name)) {
        return ctx.reply.error("ERR Client names cannot contain spaces, newlines or special characters.");
      }
      ctx.client.change_texts([&](Client::Texts& texts) { texts.name = name; });
    } else {
      return ctx.reply.error("ERR Syntax error in HELLO option '" + std::string(ctx.arg(next)) + "'");
    }
  }
  if (!ctx.client.is(Client::kAuthenticated)) {
    return ctx.reply.error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
        "<pass> "
        "option can be used to authenticate the client and select the RESP protocol version at the same "
        "time");
  }
  if (version != 0) {
    ctx.reply.set_protocol(version);
    ctx.client.resp.store(static_cast<uint8_t>(version), std::memory_order_relaxed);
  }
  reply_hello(ctx);
}

void select(Context& ctx) {
  int64_t db = 0;
  if (!parse_ranged_arg(ctx, 1, INT_MIN, INT_MAX, db)) return;
  if (db < 0 || db >= static_cast<int64_t>(ctx.access.keyspace().databases())) {
    return ctx.reply.error(errors::kDbOutOfRange);
  }
  ctx.client.db.store(static_cast<uint32_t>(db), std::memory_order_relaxed);
  ctx.access.select(static_cast<uint32_t>(db));
  ctx.reply.ok();
}

void quit(Context& ctx) {
  ctx.client.set(Client::kCloseAfterReply, true);
  ctx.reply.ok();
}

void reset(Context& ctx) {
  Client& client = ctx.client;
  ctx.worker.set_monitor(client, false);
  client.subscriptions.reset();
  discard_transaction(ctx.access, client);
  client.db.store(0, std::memory_order_relaxed);
  client.resp.store(2, std::memory_order_relaxed);
  client.change_texts([](Client::Texts& texts) { texts.name.clear(); });
  for (const auto flag : {Client::kNoEvict, Client::kNoTouch, Client::kReplyOff, Client::kReplySkip,
                          Client::kReplySkipNext, Client::kAuthenticated}) {
    client.set(flag, false);
  }
  if (ctx.worker.config().requirepass.empty()) client.set(Client::kAuthenticated, true);
  ctx.reply.mute(false);
  ctx.reply.set_protocol(2);
  ctx.reply.simple("RESET");
}

constexpr CommandRow kRows[] = {
    {.name = "ping",
     .arity = -1,
     .flags = "fast",
     .keys = "",
     .categories = "@fast @connection",
     .tips = "request_policy:all_shards response_policy:all_succeeded",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers PONG, or the message given.",
     .syntax = "[message]",
     .traits = kWhileSubscribed | kTellsOfDisk,
     .handler = ping},
    {.name = "echo",
     .arity = 2,
     .flags = "loading stale fast",
     .keys = "",
     .categories = "@fast @connection",
     .tips = "",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers the message given.",
     .syntax = "message",
     .traits = kNoTrait,
     .handler = echo},
    {.name = "auth",
     .arity = -2,
     .flags = "noscript loading stale fast no_auth allow_busy",
     .keys = "",
     .categories = "@fast @connection",
     .tips = "",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .summary = "Authenticates the connection.",
     .syntax = "[username{since=6.0.0}] password",
     .traits = kPassword,
     .handler = auth},
    {.name = "hello",
     .arity = -1,
     .flags = "noscript loading stale fast no_auth allow_busy",
     .keys = "",
     .categories = "@fast @connection",
     .tips = "",
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Agrees on the protocol version, optionally authenticating and naming the connection.",
     .syntax = "[arguments(protover [AUTH username_password(username password)] [SETNAME clientname])]",
     .traits = kPasswordOption,
     .handler = hello},
    {.name = "select",
     .arity = 2,
     .flags = "loading stale fast",
     .keys = "",
     .categories = "@fast @connection",
     .tips = "",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Changes the connection's database.",
     .syntax = "index",
     .traits = kOtherDatabases | kSelects,
     .handler = select},
    {.name = "quit",
     .arity = -1,
     .flags = "noscript loading stale fast no_auth allow_busy",
     .keys = "",
     .categories = "@fast @connection",
     .tips = "",
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Closes the connection.",
     .syntax = "",
     .traits = kLeavesMulti | kWhileSubscribed,
     .handler = quit},
    {.name = "reset",
     .arity = 1,
     .flags = "noscript loading stale fast no_auth allow_busy",
     .keys = "",
     .categories = "@fast @connection",
     .tips = "",
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Brings the connection back to how it began.",
     .syntax = "",
     .traits = kOwnGuards | kLeavesMulti | kWhileSubscribed,
     .handler = reset},
};

}  // namespace

CommandRows connection_commands() { return kRows; }

}  // namespace cloakroom::server
