// What clients and tools ask of scripts and functions, of a server that has none: there is nothing of the kind.
#include <fmt/format.h>

#include "server/dispatch/context.h"
#include "server/family/families.h"
#include "server/family/help.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

bool is_flush_mode(std::string_view word) {
  return equals_nocase(word, "sync") || equals_nocase(word, "async");
}

void script_exists(Context& ctx) {
  ctx.reply.array(ctx.argc() - 2);
  for (size_t i = 2; i < ctx.argc(); ++i) ctx.reply.integer(0);
}

void script_flush(Context& ctx) {
  if (ctx.argc() > 3 || (ctx.argc() == 3 && !is_flush_mode(ctx.arg(2)))) {
    return ctx.reply.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  }
  ctx.reply.ok();
}

void script_help(Context& ctx) {
  reply_help(ctx, "SCRIPT",
             {"EXISTS <sha1> [<sha1> ...]", "    Whether scripts are known; none is.", "FLUSH [ASYNC|SYNC]",
              "    Accepted: there are no scripts."});
}

void function_flush(Context& ctx) {
  if (ctx.argc() > 3 || (ctx.argc() == 3 && !is_flush_mode(ctx.arg(2)))) {
    return ctx.reply.error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  }
  ctx.reply.ok();
}

void function_list(Context& ctx) {
  for (size_t i = 2; i < ctx.argc(); ++i) {
    if (equals_nocase(ctx.arg(i), "withcode")) continue;
    if (!equals_nocase(ctx.arg(i), "libraryname")) {
      return ctx.reply.error(fmt::format("ERR Unknown argument {}", ctx.arg(i)));
    }
    if (++i == ctx.argc()) return ctx.reply.error("ERR library name argument was not given");
  }
  ctx.reply.array(0);
}

void function_stats(Context& ctx) {
  ctx.reply.map(2);
  ctx.reply.bulk("running_script");
  ctx.reply.null();
  ctx.reply.bulk("engines");
  ctx.reply.map(0);
}

void function_help(Context& ctx) {
  reply_help(ctx, "FUNCTION",
             {"FLUSH [ASYNC|SYNC]", "    Accepted: there are no functions.",
              "LIST [LIBRARYNAME <pattern>] [WITHCODE]", "    Libraries of functions: none.", "STATS",
              "    What runs, and the engines there are: none."});
}

constexpr const char* kGroup = "scripting";
constexpr const char* kSlow = "@slow @scripting";
constexpr const char* kMode = "[async<ASYNC | SYNC>]";

// clang-format off
constexpr CommandRow kRows[] = {
    {"function", -2, "", "", "@slow", "", kGroup, "7.0.0", "Depends on subcommand.", "A container for functions.", "",
     kNoTrait, nullptr},
    {"function|flush", -2, "write noscript", "", "@write @slow @scripting",
     "request_policy:all_shards response_policy:all_succeeded", kGroup, "7.0.0",
     "O(N) where N is the number of functions deleted", "Removes all functions.", kMode, kNoTrait, function_flush},
    {"function|help", 2, "loading stale", "", kSlow, "", kGroup, "7.0.0", "O(1)", "Lists the subcommands.", "", kNoTrait,
     function_help},
    {"function|list", -2, "noscript", "", kSlow, "nondeterministic_output_order", kGroup, "7.0.0",
     "O(N) where N is the number of functions", "Lists the functions.",
     "[LIBRARYNAME library-name-pattern{string}] [WITHCODE]", kNoTrait, function_list},
    {"function|stats", 2, "noscript allow_busy", "", kSlow,
     "nondeterministic_output request_policy:all_shards response_policy:special", kGroup, "7.0.0", "O(1)",
     "Tells which function runs.", "", kNoTrait, function_stats},
    {"script", -2, "", "", "@slow", "", kGroup, "2.6.0", "Depends on subcommand.", "A container for scripts.", "", kNoTrait,
     nullptr},
    {"script|exists", -3, "noscript", "", kSlow, "request_policy:all_shards response_policy:agg_logical_and", kGroup,
     "2.6.0", "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
     "Tells which scripts are known.", "sha1{string}...", kNoTrait, script_exists},
    {"script|flush", -2, "noscript", "", kSlow, "request_policy:all_nodes response_policy:all_succeeded", kGroup, "2.6.0",
     "O(N) with N being the number of scripts in cache", "Forgets all scripts.", "[async<ASYNC | SYNC>{since=6.2.0}]",
     kNoTrait, script_flush},
    {"script|help", 2, "loading stale", "", kSlow, "", kGroup, "5.0.0", "O(1)", "Lists the subcommands.", "", kNoTrait,
     script_help},
};
// clang-format on

}  // namespace

CommandRows script_commands() { return kRows; }

}  // namespace cloakroom::server
