#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>

#include "server/arguments.h"
#include "server/context.h"
#include "server/errors.h"
#include "server/help.h"
#include "server/info.h"
#include "server/server.h"
#include "storage/value.h"

namespace cloakroom::server {
namespace {

constexpr int64_t kSlowlogShown = 10;

void slowlog_get(Context& ctx) {
  int64_t count = kSlowlogShown;
  if (ctx.argc() > 3) return reply_subcommand_syntax(ctx);
  if (ctx.argc() == 3) {
    constexpr std::string_view kError = "ERR count should be greater than or equal to -1";
    if (!parse_integer_arg(ctx, 2, count)) return;
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
  if (ctx.thread.config().latency_monitor_threshold == 0 && events.empty()) {
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

// Distributions are not kept: answers for no command, as Redis does with latency-tracking off.
void latency_histogram(Context& ctx) { ctx.reply.map(0); }

void latency_help(Context& ctx) {
  reply_help(
      ctx, "LATENCY",
      {"DOCTOR", "    A report for people.", "GRAPH <event>", "    A drawing of an event's spikes.",
       "HISTOGRAM [COMMAND ...]", "    Distributions of latencies by command.", "HISTORY <event>",
       "    An event's spikes: time and milliseconds.", "LATEST", "    The latest spike of every event.",
       "RESET [<event> ...]", "    Forgets spikes, of all events by default."});
}

void memory_usage(Context& ctx) {
  if (ctx.argc() > 3) {
    int64_t samples = 0;
    if (ctx.argc() != 5 || !equals_nocase(ctx.arg(3), "SAMPLES")) return ctx.reply.error(errors::kSyntax);
    if (!parse_integer_arg(ctx, 4, samples)) return;
    if (samples < 0) return ctx.reply.error(errors::kSyntax);
  }
  const storage::Found found = ctx.access.peek(ctx.key(2));
  if (!found) return ctx.reply.null();
  const storage::ValueOps& ops = storage::value_ops(found->kind());
  constexpr size_t kSlotBytes = sizeof(storage::Bucket) / storage::kSlots;
  const size_t bytes =
      storage::Arena::block_bytes(found->total_bytes()) + kSlotBytes + ops.external_bytes(found->value());
  ctx.reply.integer(static_cast<int64_t>(bytes));
}

void memory_stats(Context& ctx) {
  const MemoryFigures m = memory_figures(ctx.server);
  const std::pair<const char*, size_t> figures[] = {
      {"peak.allocated", m.peak},
      {"total.allocated", m.used},
      {"startup.allocated", m.startup},
      {"replication.backlog", 0},
      {"clients.slaves", 0},
      {"clients.normal", ctx.server.client_bytes.load()},
      {"cluster.links", 0},
      {"aof.buffer", 0},
      {"lua.caches", 0},
      {"functions.caches", 0},
      {"overhead.total", m.overhead},
      {"keys.count", ctx.server.keys_count(ctx.access)},
      {"dataset.bytes", m.dataset()},
      {"allocator.allocated", m.used},
      {"allocator.active", m.resident},
      {"allocator.resident", m.resident},
  };
  ctx.reply.map(std::size(figures) + 2);
  for (const auto& [name, value] : figures) {
    ctx.reply.bulk(name);
    ctx.reply.integer(static_cast<int64_t>(value));
  }
  const auto percent = [](size_t a, size_t b) {
    return b == 0 ? 0.0 : 100.0 * static_cast<double>(a) / static_cast<double>(b);
  };
  ctx.reply.bulk("dataset.percentage");
  ctx.reply.double_value(percent(m.dataset(), m.used));
  ctx.reply.bulk("peak.percentage");
  ctx.reply.double_value(percent(m.used, m.peak));
}

void memory_doctor(Context& ctx) {
  const MemoryFigures m = memory_figures(ctx.server);
  std::string text = fmt::format("{} in use, {} at the peak, {} resident.\n", human_bytes(m.used),
                                 human_bytes(m.peak), human_bytes(m.resident));
  const uint64_t limit = ctx.thread.config().maxmemory;
  if (limit != 0 && m.used > limit / 10 * 9) text += "More than nine tenths of maxmemory are in use.\n";
  ctx.reply.verbatim(text, "txt");
}

void memory_malloc_stats(Context& ctx) {
  const struct mallinfo2 heap = mallinfo2();
  ctx.reply.verbatim(
      fmt::format("keyspace: {} bytes in arenas\nheap: {} bytes in use, {} bytes free, {} bytes mapped\n",
                  ctx.server.keyspace->memory_bytes(), heap.uordblks, heap.fordblks, heap.hblkhd),
      "txt");
}

void memory_purge(Context& ctx) {
  malloc_trim(0);
  ctx.reply.ok();
}

void memory_help(Context& ctx) {
  reply_help(ctx, "MEMORY",
             {"DOCTOR", "    A report for people.", "MALLOC-STATS", "    The allocators' figures.", "PURGE",
              "    Gives free memory back.", "STATS", "    Figures of memory use.",
              "USAGE <key> [SAMPLES <count>]", "    The bytes a key takes, with its value."});
}

void module_list(Context& ctx) { ctx.reply.array(0); }

void refuse_module(Context& ctx) {
  ctx.reply.error("ERR Error loading the extension. Please check the server logs.");
}

void module_unload(Context& ctx) {
  ctx.reply.error("ERR Error unloading module: no such module with that name");
}

void module_help(Context& ctx) {
  reply_help(ctx, "MODULE", {"LIST", "    The loaded modules: always none here."});
}

}  // namespace

CommandRows diagnostics_commands() {
  static constexpr CommandRow kRows[] = {
      {"slowlog", -2, "", "", "@slow", "", "server", "2.2.12", "As the subcommand",
       "A container for slow log commands.", "", kOwnGuards, nullptr},
      {"slowlog|get", -2, "admin loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes nondeterministic_output", "server", "2.2.12",
       "O(N) where N is the number of entries returned", "Answers the slowest recent commands.", "[count]",
       kOwnGuards, slowlog_get},
      {"slowlog|help", 2, "loading stale", "", "@slow", "", "server", "6.2.0", "O(1)",
       "Lists the subcommands.", "", kOwnGuards, slowlog_help},
      {"slowlog|len", 2, "admin loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes response_policy:agg_sum nondeterministic_output", "server", "2.2.12", "O(1)",
       "Counts the entries of the slow log.", "", kOwnGuards, slowlog_len},
      {"slowlog|reset", 2, "admin loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes response_policy:all_succeeded", "server", "2.2.12",
       "O(N) where N is the number of entries in the slowlog", "Empties the slow log.", "", kOwnGuards,
       slowlog_reset},
      {"latency", -2, "", "", "@slow", "", "server", "2.8.13", "As the subcommand",
       "A container for latency diagnostics.", "", kOwnGuards, nullptr},
      {"latency|doctor", 2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Explains the latency spikes seen.", "", kOwnGuards, latency_doctor},
      {"latency|graph", 3, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Draws the spikes of an event.", "event", kOwnGuards, latency_graph},
      {"latency|help", 2, "loading stale", "", "@slow", "", "server", "2.8.13", "O(1)",
       "Lists the subcommands.", "", kOwnGuards, latency_help},
      {"latency|histogram", -2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "7.0.0",
       "O(N) where N is the number of commands with latency information being retrieved.",
       "Answers the distribution of the latencies of commands.", "[command [command ...]]", kOwnGuards,
       latency_histogram},
      {"latency|history", 3, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Answers the spikes of an event.", "event", kOwnGuards, latency_history},
      {"latency|latest", 2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "nondeterministic_output request_policy:all_nodes response_policy:special", "server", "2.8.13", "O(1)",
       "Answers the latest spike of every event.", "", kOwnGuards, latency_latest},
      {"latency|reset", -2, "admin noscript loading stale", "", "@admin @slow @dangerous",
       "request_policy:all_nodes response_policy:all_succeeded", "server", "2.8.13", "O(1)",
       "Forgets spikes.", "[event [event ...]]", kOwnGuards, latency_reset},
      {"memory", -2, "", "", "@slow", "", "server", "4.0.0", "As the subcommand",
       "A container for memory diagnostics.", "", kOwnGuards, nullptr},
      {"memory|doctor", 2, "", "", "@slow",
       "nondeterministic_output request_policy:all_shards response_policy:special", "server", "4.0.0", "O(1)",
       "Explains the use of memory.", "", kOwnGuards, memory_doctor},
      {"memory|help", 2, "loading stale", "", "@slow", "", "server", "4.0.0", "O(1)",
       "Lists the subcommands.", "", kOwnGuards, memory_help},
      {"memory|malloc-stats", 2, "", "", "@slow",
       "nondeterministic_output request_policy:all_shards response_policy:special", "server", "4.0.0",
       "O(N) where N is the memory in use", "Answers the allocator's statistics.", "", kOwnGuards,
       memory_malloc_stats},
      {"memory|purge", 2, "", "", "@slow", "request_policy:all_shards response_policy:all_succeeded",
       "server", "4.0.0", "O(N) where N is the memory in use", "Asks the allocator to give memory back.", "",
       kOwnGuards, memory_purge},
      {"memory|stats", 2, "", "", "@slow",
       "nondeterministic_output request_policy:all_shards response_policy:special", "server", "4.0.0", "O(1)",
       "Answers figures of memory use.", "", kOwnGuards, memory_stats},
      {"memory|usage", -3, "readonly", "RO @2 range 0 1 0", "@read @slow", "", "server", "4.0.0",
       "O(N) where N is the number of samples.", "Estimates the memory of a key.", "key [SAMPLES count]",
       kNoTrait, memory_usage},
      {"module", -2, "", "", "@slow", "", "server", "4.0.0", "As the subcommand",
       "A container for module commands.", "", kOwnGuards, nullptr},
      {"module|help", 2, "loading stale", "", "@slow", "", "server", "5.0.0", "O(1)",
       "Lists the subcommands.", "", kOwnGuards, module_help},
      {"module|list", 2, "admin noscript", "", "@admin @slow @dangerous", "nondeterministic_output_order",
       "server", "4.0.0", "O(N) where N is the number of loaded modules.", "Lists the loaded modules.", "",
       kOwnGuards, module_list},
      {"module|load", -3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "4.0.0", "O(1)", "Loads a module.", "path [arg [arg ...]]", kOwnGuards, refuse_module},
      {"module|loadex", -3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "7.0.0", "O(1)", "Loads a module with configuration.",
       "path [CONFIG name value [CONFIG name value ...]] [ARGS arg [ARGS arg ...]]", kOwnGuards,
       refuse_module},
      {"module|unload", 3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "4.0.0", "O(1)", "Unloads a module.", "name", kOwnGuards, module_unload},
  };
  return kRows;
}

}  // namespace cloakroom::server
