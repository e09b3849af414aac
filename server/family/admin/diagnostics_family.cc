#include <fmt/format.h>

#include <algorithm>

#include "server/dispatch/arguments.h"
#include "server/dispatch/context.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/info.h"
#include "server/family/families.h"
#include "server/family/help.h"

namespace cloakroom::server {
namespace {

constexpr int64_t kSlowlogShown = 10;

void slowlog_get(Context& ctx) {
  int64_t count = kSlowlogShown;
  if (ctx.argc() > 3) return reply_subcommand_syntax(ctx);
  if (ctx.argc() == 3) {
    constexpr std::string_view kError = "ERR count should be greater than or equal to -1";
    if (!parse_integer_arg(ctx, 2, count, kError)) return;
    if (count < -1) return ctx.reply.error(kError);
  }
  const auto entries = ctx.server.slowlog.newest(count < 0 ? SIZE_MAX : static_cast<size_t>(count));
  ctx.reply.array(entries.size());
  for (const Slowlog::Entry& entry : entries) {
    ctx.reply.array(6);
    ctx.reply.integer(entry.id);
    ctx.reply.integer(entry.unix_s);
    ctx.reply.integer(entry.duration_us);
    ctx.reply.array(entry.args.size());
    for (const std::string& arg : entry.args) ctx.reply.bulk(arg);
    ctx.reply.bulk(entry.client_address);
    ctx.reply.bulk(entry.client_name);
  }
}

void slowlog_len(Context& ctx) { ctx.reply.integer(static_cast<int64_t>(ctx.server.slowlog.size())); }

void slowlog_reset(Context& ctx) {
  ctx.server.slowlog.reset();
  ctx.reply.ok();
}

void slowlog_help(Context& ctx) {
  reply_help(
      ctx, "SLOWLOG",
      {"GET [<count>]", "    The newest entries (10, or -1 for all): id, time, microseconds, arguments,",
       "    client's address, client's name.", "LEN", "    How many entries there are.", "RESET",
       "    Empties the log."});
}

void latency_latest(Context& ctx) {
  const auto events = ctx.server.latency.snapshot();
  ctx.reply.array(events.size());
  for (const auto& [name, event] : events) {
    ctx.reply.array(4);
    ctx.reply.bulk(name);
    ctx.reply.integer(event.samples.back().unix_s);
    ctx.reply.integer(event.samples.back().latency_ms);
    ctx.reply.integer(event.max_ms);
  }
}

void latency_history(Context& ctx) {
  const auto events = ctx.server.latency.snapshot();
  const auto at = events.find(std::string(ctx.arg(2)));
  if (at == events.end()) return ctx.reply.array(0);
  ctx.reply.array(at->second.samples.size());
  for (const auto& sample : at->second.samples) {
    ctx.reply.array(2);
    ctx.reply.integer(sample.unix_s);
    ctx.reply.integer(sample.latency_ms);
  }
}

void latency_reset(Context& ctx) {
  if (ctx.argc() == 2) return ctx.reply.integer(static_cast<int64_t>(ctx.server.latency.reset_all()));
  int64_t count = 0;
  for (const std::string_view event : ctx.args.subspan(2)) count += ctx.server.latency.reset(event) ? 1 : 0;
  ctx.reply.integer(count);
}

void latency_graph(Context& ctx) {
  const auto events = ctx.server.latency.snapshot();
  const auto at = events.find(std::string(ctx.arg(2)));
  if (at == events.end()) {
    return ctx.reply.error(fmt::format("ERR No samples available for event '{}'", ctx.arg(2)));
  }
  std::string text =
      fmt::format("{} - high {} ms (all time high {} ms)\n", at->first,
                  std::max_element(at->second.samples.begin(), at->second.samples.end(),
                                   [](const auto& a, const auto& b) { return a.latency_ms < b.latency_ms; })
                      ->latency_ms,
                  at->second.max_ms);
  for (const auto& sample : at->second.samples) {
    text +=
        fmt::format("{} {} {} ms\n", sample.unix_s,
                    std::string(static_cast<size_t>(std::min<int64_t>(60, sample.latency_ms / 2 + 1)), '#'),
                    sample.latency_ms);
  }
  ctx.reply.verbatim(text, "txt");
}

void latency_doctor(Context& ctx) {
  const auto events = ctx.server.latency.snapshot();
  std::string text;
  if (ctx.worker.config().latency_monitor_threshold == 0 && events.empty()) {
    text =
        "Latency monitoring is off. Switch it on with CONFIG SET latency-monitor-threshold <milliseconds>.\n";
  } else if (events.empty()) {
    text = "No latency spike was observed since the server started.\n";
  }
  for (const auto& [name, event] : events) {
    text += fmt::format("{}: {} spikes, the worst of {} ms\n", name, event.samples.size(), event.max_ms);
  }
  ctx.reply.verbatim(text, "txt");
}

// Appends a command and its subcommands, those that were called; answers how many.
size_t reply_histograms(Context& ctx, const Command& command) {
  size_t shown = 0;
  const LatencyDistribution latency = latency_of(ctx.server, command);
  if (latency.total() > 0) {
    const auto bounds = latency.cumulative();
    ctx.reply.bulk(command.full_name);
    ctx.reply.map(2);
    ctx.reply.bulk("calls");
    ctx.reply.integer(static_cast<int64_t>(latency.total()));
    ctx.reply.bulk("histogram_usec");
    ctx.reply.map(bounds.size());
    for (const auto& [bound_us, calls] : bounds) {
      ctx.reply.integer(bound_us);
      ctx.reply.integer(static_cast<int64_t>(calls));
    }
    ++shown;
  }
  for (const Command* sub : command.subcommands) shown += reply_histograms(ctx, *sub);
  return shown;
}

void latency_histogram(Context& ctx) {
  const auto begun = ctx.reply.begin_deferred();
  size_t shown = 0;
  for (size_t i = 2; i < ctx.argc() && ctx.reply.wants_more(); ++i) {
    if (const Command* command = ctx.server.commands.find_full(ctx.arg(i)))
      shown += reply_histograms(ctx, *command);
  }
  if (ctx.argc() == 2) {
    for (const auto& command : ctx.server.commands.all()) {
      if (command->parent == nullptr) shown += reply_histograms(ctx, *command);
    }
  }
  ctx.reply.end_map(begun, shown);
}

void latency_help(Context& ctx) {
  reply_help(
      ctx, "LATENCY",
      {"DOCTOR", "    A report for people.", "GRAPH <event>", "    A drawing of an event's spikes.",
       "HISTOGRAM [COMMAND ...]", "    Distributions of latencies by command.", "HISTORY <event>",
       "    An event's spikes: time and milliseconds.", "LATEST", "    The latest spike of every event.",
       "RESET [<event> ...]", "    Forgets spikes, of all events by default."});
}

}  // namespace

CommandRows diagnostics_commands() {
  static constexpr CommandRow kRows[] = {
      {"slowlog", -2, "", "", "@slow", "", "server", "2.2.12", "As the subcommand",
       "A container for slow log commands.", "", kNoTrait, nullptr},
      {"slowlog|get", -2, "admin loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes nondeterministic_output", "server", "2.2.12",
       "O(N) where N is the number of entries returned", "Answers the slowest recent commands.", "[count]",
       kNoTrait, slowlog_get},
      {"slowlog|help", 2, "loading stale", "", "@slow", "", "server", "6.2.0", "O(1)",
       "Lists the subcommands.", "", kNoTrait, slowlog_help},
      {"slowlog|len", 2, "admin loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes response_policy:agg_sum nondeterministic_output", "server", "2.2.12", "O(1)",
       "Counts the entries of the slow log.", "", kNoTrait, slowlog_len},
      {"slowlog|reset", 2, "admin loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes response_policy:all_succeeded", "server", "2.2.12",
       "O(N) where N is the number of entries in the slowlog", "Empties the slow log.", "", kNoTrait,
       slowlog_reset},
      {"latency", -2, "", "", "@slow", "", "server", "2.8.13", "As the subcommand",
       "A container for latency diagnostics.", "", kNoTrait, nullptr},
      {"latency|doctor", 2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Explains the latency spikes seen.", "", kNoTrait, latency_doctor},
      {"latency|graph", 3, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Draws the spikes of an event.", "event", kNoTrait, latency_graph},
      {"latency|help", 2, "loading stale", "", "@slow", "", "server", "2.8.13", "O(1)",
       "Lists the subcommands.", "", kNoTrait, latency_help},
      {"latency|histogram", -2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "7.0.0",
       "O(N) where N is the number of commands with latency information being retrieved.",
       "Answers the distribution of the latencies of commands.", "[command...]", kNoTrait, latency_histogram},
      {"latency|history", 3, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Answers the spikes of an event.", "event", kNoTrait, latency_history},
      {"latency|latest", 2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Answers the latest spike of every event.", "", kNoTrait, latency_latest},
      {"latency|reset", -2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes response_policy:all_succeeded", "server", "2.8.13", "O(1)",
       "Forgets spikes.", "[event...]", kNoTrait, latency_reset},
  };
  return kRows;
}

}  // namespace cloakroom::server
