#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "server/config/version.h"
#include "server/dispatch/admission.h"
#include "server/dispatch/arguments.h"
#include "server/dispatch/client.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/transaction.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/server_handlers.h"
#include "server/family/families.h"
#include "server/family/help.h"
#include "server/stats/log.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

constexpr std::string_view kNoCluster = "ERR This instance has cluster support disabled";

void time(Context& ctx) {
  const int64_t now_us = ctx.server.clock.wall_us();
  ctx.reply.array(2);
  ctx.reply.bulk_integer(now_us / 1'000'000);
  ctx.reply.bulk_integer(now_us % 1'000'000);
}

void role(Context& ctx) {
  ctx.reply.array(3);
  ctx.reply.bulk("master");
  ctx.reply.integer(0);
  ctx.reply.array(0);
}

void monitor(Context& ctx) {
  if (ctx.in_exec()) return ctx.reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  if (ctx.client.is(Client::kMonitor)) return;  // Redis says nothing either
  ctx.worker.set_monitor(ctx.client, true);
  ctx.reply.ok();
}

void shutdown(Context& ctx) {
  bool nosave = false;
  bool save = false;
  bool hurry = false;
  bool abort = false;
  bool force = false;
  for (size_t i = 1; i < ctx.argc(); ++i) {
    const std::string_view option = ctx.arg(i);
    bool* const flag = equals_nocase(option, "nosave")  ? &nosave
                       : equals_nocase(option, "save")  ? &save
                       : equals_nocase(option, "now")   ? &hurry
                       : equals_nocase(option, "force") ? &force
                       : equals_nocase(option, "abort") ? &abort
                                                        : nullptr;
    if (flag == nullptr) return ctx.reply.error(errors::kSyntax);
    *flag = true;
  }
  if ((abort && (nosave || save || hurry || force)) || (nosave && save))
    return ctx.reply.error(errors::kSyntax);
  if (abort) {
    if (!ctx.server.abort_shutdown()) return ctx.reply.error("ERR No shutdown in progress.");
    log(LogLevel::kWarning, "Shutdown manually aborted.");
    return ctx.reply.ok();
  }
  if (save && !force) {
    log(LogLevel::kWarning, "SHUTDOWN SAVE was refused: there is nothing to save to yet");
    return ctx.reply.error("ERR Errors trying to SHUTDOWN. Check logs.");
  }
  log(LogLevel::kWarning, "User requested shutdown...");
  ctx.client.set(Client::kCloseAfterReply, true);  // the end of the connection is the reply
  ctx.server.shutdown();
}

void lolwut(Context& ctx) {
  int64_t version = 0;
  if (ctx.argc() >= 3 && equals_nocase(ctx.arg(1), "version") && !parse_integer_arg(ctx, 2, version)) return;
  ctx.reply.verbatim(fmt::format("   _____________\n"
                                 "  /_/_/_/_/_/_/_/|    your coat is\n"
                                 "  | 1 2 3 4 5 6 7 |    on hook {}\n"
                                 "  |_Y_Y_Y_Y_Y_Y_Y_|\n\n"
                                 "Redis ver. {}\n",
                                 ctx.server.random_seed() % 7 + 1, kRedisVersion),
                     "txt");
}

void no_cluster(Context& ctx) { ctx.reply.error(kNoCluster); }

void replicaof(Context& ctx) {
  if (equals_nocase(ctx.arg(1), "no") && equals_nocase(ctx.arg(2), "one")) return ctx.reply.ok();
  constexpr std::string_view kBadPort = "ERR Invalid master port";
  int64_t port = 0;
  if (!parse_integer_arg(ctx, 2, port, kBadPort)) return;
  if (port < 0 || port > 65535) return ctx.reply.error(kBadPort);
  ctx.reply.error("ERR Replication is not supported yet by Cloakroom");
}

constexpr const char* kAdminAcl = "@admin @slow @dangerous";
constexpr const char* kLoadAdmin = "admin noscript loading stale";

constexpr CommandRow kRows[] = {
    {"time", 1, "loading stale fast", "", "@fast", "nondeterministic_output", "server", "2.6.0", "O(1)",
     "Answers the server's clock: seconds and microseconds.", "", kNoTrait, time},
    {"role", 1, "noscript loading stale fast", "", "@admin @fast @dangerous", "", "server", "2.8.12", "O(1)",
     "Answers the server's part in replication.", "", kNoTrait, role},
    {"monitor", 1, kLoadAdmin, "", kAdminAcl, "", "server", "1.0.0", "", "Shows every command as it is run.",
     "", kNoTrait, monitor},
    {"shutdown", -1, "admin noscript loading stale no_multi allow_busy", "", kAdminAcl, "", "server", "1.0.0",
     "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise "
     "O(1)",
     "Ends the server.",
     "[nosave_save<NOSAVE | SAVE>] [NOW{since=7.0.0}] [FORCE{since=7.0.0}] [ABORT{since=7.0.0}]", kNoTrait,
     shutdown},
    {"debug", -2, kLoadAdmin, "", kAdminAcl, "", "server", "1.0.0", "Depends on subcommand.", "For testing.",
     "", kOwnGuards | kDebugs, debug_command},
    {"lolwut", -1, "readonly fast", "", "@read @fast", "", "server", "5.0.0", "",
     "Answers a picture and the version.", "[VERSION version]", kNoTrait, lolwut},
    {"readonly", 1, "loading stale fast", "", "@fast @connection", "", "cluster", "3.0.0", "O(1)",
     "Allows reads from a cluster's replica.", "", kNoTrait, no_cluster},
    {"asking", 1, "fast", "", "@fast @connection", "", "cluster", "3.0.0", "O(1)",
     "Lets the next command use a slot that is being moved here.", "", kNoTrait, no_cluster},
    {"readwrite", 1, "loading stale fast", "", "@fast @connection", "", "cluster", "3.0.0", "O(1)",
     "Ends READONLY.", "", kNoTrait, no_cluster},
    {"replicaof", 3, "admin noscript stale no_async_loading", "", kAdminAcl, "", "server", "5.0.0", "O(1)",
     "Makes the server a replica, or a master again.", "args<host-port(host port) | no-one(NO ONE)>",
     kNoTrait, replicaof},
    {"slaveof", 3, "admin noscript stale no_async_loading", "", kAdminAcl, "", "server", "1.0.0", "O(1)",
     "The old name of REPLICAOF.", "args<host-port(host port) | no-one(NO ONE)>", kNoTrait, replicaof},
    {"cluster", -2, "", "", "@slow", "", "cluster", "3.0.0", "Depends on subcommand.",
     "Commands about the cluster.", "", kNoTrait, nullptr},
};

}  // namespace

CommandRows server_commands() {
  static const std::vector<CommandRow> rows = [] {
    std::vector<CommandRow> all(std::begin(kRows), std::end(kRows));
    for (const CommandRows more : {cluster_rows(), acl_rows(), persistence_commands()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

}  // namespace cloakroom::server
