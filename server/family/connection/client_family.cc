#include <fmt/format.h>

#include <algorithm>

#include "server/dispatch/arguments.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/family/connection/client_handlers.h"
#include "server/family/families.h"
#include "server/family/help.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

bool valid_attribute(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '!' && c <= '~'; });
}

void id(Context& ctx) { ctx.reply.integer(static_cast<int64_t>(ctx.client.id)); }

void getname(Context& ctx) {
  const std::string name = ctx.client.texts().name;
  name.empty() ? ctx.reply.null() : ctx.reply.bulk(name);
}

void setname(Context& ctx) {
  if (!valid_attribute(ctx.arg(2))) {
    return ctx.reply.error("ERR Client names cannot contain spaces, newlines or special characters.");
  }
  ctx.client.change_texts([&](Client::Texts& texts) { texts.name = ctx.arg(2); });
  ctx.reply.ok();
}

void setinfo(Context& ctx) {
  const std::string_view attribute = ctx.arg(2);
  const bool name = equals_nocase(attribute, "lib-name");
  if (!name && !equals_nocase(attribute, "lib-ver")) {
    return ctx.reply.error(fmt::format("ERR Unrecognized option '{}'", attribute));
  }
  if (!valid_attribute(ctx.arg(3))) {
    return ctx.reply.error(
        fmt::format("ERR {} cannot contain spaces, newlines or special characters.", attribute));
  }
  ctx.client.change_texts(
      [&](Client::Texts& texts) { (name ? texts.lib_name : texts.lib_version) = ctx.arg(3); });
  ctx.reply.ok();
}

void switch_flag(Context& ctx, Client::Flag flag) {
  const bool on = equals_nocase(ctx.arg(2), "on");
  if (!on && !equals_nocase(ctx.arg(2), "off")) return ctx.reply.error(errors::kSyntax);
  ctx.client.set(flag, on);
  ctx.reply.ok();
}

void no_evict(Context& ctx) { switch_flag(ctx, Client::kNoEvict); }
void no_touch(Context& ctx) { switch_flag(ctx, Client::kNoTouch); }

void reply(Context& ctx) {
  Client& client = ctx.client;
  const std::string_view mode = ctx.arg(2);
  if (equals_nocase(mode, "on")) {
    client.set(Client::kReplyOff, false);
    client.set(Client::kReplySkip, false);
    ctx.reply.mute(false);
  } else if (equals_nocase(mode, "off")) {
    client.set(Client::kReplyOff, true);
    ctx.reply.mute(true);
  } else if (equals_nocase(mode, "skip")) {
    if (!client.is(Client::kReplyOff)) client.set(Client::kReplySkipNext, true);
    ctx.reply.mute(true);
  } else {
    return ctx.reply.error(errors::kSyntax);
  }
  ctx.reply.ok();
}

// Nobody blocks yet.
void unblock(Context& ctx) {
  if (ctx.argc() > 4) return reply_subcommand_syntax(ctx);
  if (ctx.argc() == 4 && !equals_nocase(ctx.arg(3), "timeout") && !equals_nocase(ctx.arg(3), "error")) {
    return ctx.reply.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  }
  int64_t client_id = 0;
  if (!parse_integer_arg(ctx, 2, client_id)) return;
  ctx.reply.integer(0);
}

void caching(Context& ctx) {
  ctx.reply.error(
      "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode "
      "enabled");
}

void getredir(Context& ctx) { ctx.reply.integer(-1); }

void trackinginfo(Context& ctx) {
  ctx.reply.map(3);
  ctx.reply.bulk("flags");
  ctx.reply.set(1);
  ctx.reply.bulk("off");
  ctx.reply.bulk("redirect");
  ctx.reply.integer(-1);
  ctx.reply.bulk("prefixes");
  ctx.reply.array(0);
}

void help(Context& ctx) {
  reply_help(ctx, "CLIENT",
             {"CACHING (YES|NO)",
              "    Says whether the keys of the next command are tracked.",  //
              "GETNAME",
              "    Answers this connection's name.",  //
              "GETREDIR",
              "    Answers where invalidations are redirected to.",  //
              "ID",
              "    Answers this connection's id.",  //
              "INFO",
              "    Describes this connection.",  //
              "KILL <ip:port>",
              "    Closes the connection from that address.",  //
              "KILL <option> <value> [<option> <value> [...]]",
              "    Closes all connections that match: ADDR, LADDR, TYPE, USER, ID, SKIPME.",  //
              "LIST [TYPE <type> | ID <id> [...]]",
              "    Describes connections, one a line.",  //
              "NO-EVICT (ON|OFF)",
              "    Keeps this connection when memory is short.",  //
              "NO-TOUCH (ON|OFF)",
              "    Reads of this connection do not count as use of keys.",  //
              "PAUSE <timeout> [WRITE|ALL]",
              "    Holds clients back for so many milliseconds.",  //
              "REPLY (ON|OFF|SKIP)",
              "    Whether this connection gets replies.",  //
              "SETINFO (LIB-NAME|LIB-VER) <text>",
              "    Notes the client library.",  //
              "SETNAME <name>",
              "    Names this connection.",  //
              "TRACKING (ON|OFF) [option ...]",
              "    Client-side caching.",  //
              "TRACKINGINFO",
              "    Describes this connection's tracking.",  //
              "UNBLOCK <clientid> [TIMEOUT|ERROR]",
              "    Wakes a client that waits.",  //
              "UNPAUSE",
              "    Ends a pause."});
}

constexpr const char* kPlainFlags = "noscript loading stale";
constexpr const char* kAdminFlags = "admin noscript loading stale";
constexpr const char* kPlainAcl = "@slow @connection";
constexpr const char* kAdminAcl = "@admin @slow @dangerous @connection";
constexpr const char* kAnyOrder = "nondeterministic_output";
constexpr const char* kPerClient = "O(N) where N is the number of client connections";

constexpr const char* kGroup = "connection";

constexpr CommandRow kRows[] = {
    {"client", -2, "", "", "@slow", "", kGroup, "2.4.0", "Depends on subcommand.",
     "Commands about connections.", "", kNoTrait, nullptr},
    {"client|caching", 3, kPlainFlags, "", kPlainAcl, "", kGroup, "6.0.0", "O(1)",
     "Says whether the keys of the next command are tracked.", "mode<YES | NO>", kNoTrait, caching},
    {"client|getname", 2, kPlainFlags, "", kPlainAcl, "", kGroup, "2.6.9", "O(1)",
     "Answers the connection's name.", "", kNoTrait, getname},
    {"client|getredir", 2, kPlainFlags, "", kPlainAcl, "", kGroup, "6.0.0", "O(1)",
     "Answers where invalidations are redirected to.", "", kNoTrait, getredir},
    {"client|help", 2, "loading stale", "", kPlainAcl, "", kGroup, "5.0.0", "O(1)", "Lists the subcommands.",
     "", kNoTrait, help},
    {"client|id", 2, kPlainFlags, "", kPlainAcl, "", kGroup, "5.0.0", "O(1)", "Answers the connection's id.",
     "", kNoTrait, id},
    {"client|info", 2, kPlainFlags, "", kPlainAcl, kAnyOrder, kGroup, "6.2.0", "O(1)",
     "Describes the connection.", "", kNoTrait, client_info_command},
    {"client|kill", -3, kAdminFlags, "", kAdminAcl, "", kGroup, "2.4.0", kPerClient, "Closes connections.",
     "filter<ip:port{until=2.8.12} | new-format<[ID client-id{since=2.8.12}] | [TYPE "
     "normal_master_slave_pubsub<NORMAL | MASTER{since=3.2.0} | SLAVE | REPLICA{since=5.0.0} | "
     "PUBSUB>{since=2.8.12}] | [USER username] | [ADDR ip:port] | [LADDR ip:port{since=6.2.0}] | [SKIPME "
     "yes/no]>...>",
     kNoTrait, client_kill_command},
    {"client|list", -2, kAdminFlags, "", kAdminAcl, kAnyOrder, kGroup, "2.4.0", kPerClient,
     "Describes open connections.",
     "[TYPE normal_master_replica_pubsub<NORMAL | MASTER | REPLICA | PUBSUB>{since=5.0.0}] [ID "
     "id(client-id...){since=6.2.0}]",
     kNoTrait, client_list_command},
    {"client|no-evict", 3, kAdminFlags, "", kAdminAcl, "", kGroup, "7.0.0", "O(1)",
     "Keeps the connection when memory is short.", "enabled<ON | OFF>", kNoTrait, no_evict},
    {"client|no-touch", 3, kPlainFlags, "", kPlainAcl, "", kGroup, "7.2.0", "O(1)",
     "Lets reads of the connection not count as use of keys.", "enabled<ON | OFF>", kNoTrait, no_touch},
    {"client|pause", -3, kAdminFlags, "", kAdminAcl, "", kGroup, "2.9.50", "O(1)",
     "Holds the commands of all clients back for a time.", "timeout [mode<WRITE | ALL>{since=6.2.0}]",
     kAllGuards, client_pause_command},
    {"client|reply", 3, kPlainFlags, "", kPlainAcl, "", kGroup, "3.2.0", "O(1)",
     "Says whether the connection gets replies.", "on_off_skip<ON | OFF | SKIP>", kNoTrait, reply},
    {"client|setinfo", 4, kPlainFlags, "", kPlainAcl,
     "request_policy:all_nodes response_policy:all_succeeded", kGroup, "7.2.0", "O(1)",
     "Notes what library the client is.", "attr<LIB-NAME libname | LIB-VER libver>", kNoTrait, setinfo},
    {"client|setname", 3, kPlainFlags, "", kPlainAcl, "", kGroup, "2.6.9", "O(1)", "Names the connection.",
     "connection-name", kNoTrait, setname},
    {"client|tracking", -3, kPlainFlags, "", kPlainAcl, "", kGroup, "6.0.0",
     "O(1). Some options may introduce additional complexity.", "Switches client-side caching.",
     "status<ON | OFF> [REDIRECT client-id] [PREFIX+ prefix...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]", kNoTrait,
     client_tracking_command},
    {"client|trackinginfo", 2, kPlainFlags, "", kPlainAcl, "", kGroup, "6.2.0", "O(1)",
     "Describes the connection's client-side caching.", "", kNoTrait, trackinginfo},
    {"client|unblock", -3, kAdminFlags, "", kAdminAcl, "", kGroup, "5.0.0",
     "O(log N) where N is the number of client connections",
     "Wakes a client that waits in a blocking command.", "client-id [timeout_error<TIMEOUT | ERROR>]",
     kNoTrait, unblock},
    {"client|unpause", 2, kAdminFlags, "", kAdminAcl, "", kGroup, "6.2.0",
     "O(N) Where N is the number of paused clients", "Ends CLIENT PAUSE.", "", kNoTrait,
     client_unpause_command},
};

}  // namespace

CommandRows client_commands() { return kRows; }

}  // namespace cloakroom::server
