#include <fmt/format.h>
#include <malloc.h>

#include "server/arguments.h"
#include "server/context.h"
#include "server/errors.h"
#include "server/help.h"
#include "server/info.h"
#include "server/server.h"
#include "storage/value.h"

namespace cloakroom::server {
namespace {

void memory_usage(Context& ctx) {
  for (size_t i = 3; i < ctx.argc(); i += 2) {
    int64_t samples = 0;
    if (!equals_nocase(ctx.arg(i), "SAMPLES") || i + 1 == ctx.argc()) return ctx.reply.error(errors::kSyntax);
    if (!parse_integer_arg(ctx, i + 1, samples)) return;
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

// Modules are never loaded, whatever enable-module-command says.
void refuse_module(Context& ctx) {
  ctx.reply.error(
      "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run "
      "it from a "
      "local connection, otherwise you need to set this option in the configuration file, and then restart "
      "the "
      "server.");
}

void module_help(Context& ctx) {
  reply_help(ctx, "MODULE", {"LIST", "    The loaded modules: always none here."});
}

}  // namespace

CommandRows memory_commands() {
  static constexpr CommandRow kRows[] = {
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
       "4.0.0", "O(1)", "Loads a module.", "path [arg...]", kOwnGuards, refuse_module},
      {"module|loadex", -3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "7.0.0", "O(1)", "Loads a module with configuration.",
       "path [CONFIG+ configs(name value)...] [ARGS args(arg)...]", kOwnGuards, refuse_module},
      {"module|unload", 3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "4.0.0", "O(1)", "Unloads a module.", "name", kOwnGuards, refuse_module},
  };
  return kRows;
}

}  // namespace cloakroom::server
