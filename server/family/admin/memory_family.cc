#include <fmt/format.h>
#include <malloc.h>

#include "server/dispatch/arguments.h"
#include "server/dispatch/context.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/info.h"
#include "server/family/families.h"
#include "server/family/help.h"
#include "storage/base/nocase.h"
#include "storage/keyspace/kind.h"

namespace cloakroom::server {
namespace {

constexpr size_t kSlotBytes = sizeof(storage::Bucket) / storage::kSlots;  // of the table, for one key

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
  const size_t bytes =
      storage::Arena::block_bytes(found->total_bytes()) + kSlotBytes + ops.outside_bytes(found->value());
  ctx.reply.integer(static_cast<int64_t>(bytes));
}

// A reply of names and figures whose number is not known before.
class FigureMap {
 public:
  explicit FigureMap(protocol::ReplyWriter& reply) : reply_(reply), begun_(reply.begin_deferred()) {}
  void end() { reply_.end_map(begun_, count_); }

  void name(std::string_view text) {
    reply_.bulk(text);
    ++count_;
  }
  void bytes(std::string_view text, size_t value) {
    name(text);
    reply_.integer(static_cast<int64_t>(value));
  }
  void share(std::string_view text, double value) {
    name(text);
    reply_.double_value(value);
  }
  // Both parts of "a is so much more than b".
  void excess(const std::string& text, const char* ratio_suffix, size_t a, size_t b) {
    share(text + ratio_suffix, ratio(a, b));
    name(text + ".bytes");
    reply_.integer(static_cast<int64_t>(a) - static_cast<int64_t>(b));
  }
  static double ratio(size_t a, size_t b) {
    return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
  }

 private:
  protocol::ReplyWriter& reply_;
  protocol::ReplyWriter::Deferred begun_;
  size_t count_ = 0;
};

// Deadlines are part of the entries: the second hash table Redis keeps for them takes nothing here.
void database_stats(Context& ctx, FigureMap& out) {
  for (uint32_t db = 0; db < ctx.access.keyspace().databases(); ++db) {
    const size_t keys = database_figures(ctx, db).keys;
    if (keys == 0) continue;
    out.name(fmt::format("db.{}", db));
    ctx.reply.map(3);
    ctx.reply.bulk("overhead.hashtable.main");
    ctx.reply.integer(static_cast<int64_t>(keys * kSlotBytes));
    ctx.reply.bulk("overhead.hashtable.expires");
    ctx.reply.integer(0);
    ctx.reply.bulk("overhead.hashtable.slot-to-keys");
    ctx.reply.integer(0);
  }
}

void memory_stats(Context& ctx) {
  const MemoryFigures m = memory_figures(ctx.server);
  const size_t keys = ctx.server.keys_count(ctx.access);
  const size_t beyond_startup = m.used > m.startup ? m.used - m.startup : 0;
  FigureMap out(ctx.reply);
  out.bytes("peak.allocated", m.peak);
  out.bytes("total.allocated", m.used);
  out.bytes("startup.allocated", m.startup);
  out.bytes("replication.backlog", 0);
  out.bytes("clients.slaves", 0);
  out.bytes("clients.normal", ctx.server.client_bytes());
  for (const char* unused : {"cluster.links", "aof.buffer", "lua.caches", "functions.caches"})
    out.bytes(unused, 0);
  database_stats(ctx, out);
  out.bytes("overhead.total", m.overhead);
  out.bytes("keys.count", keys);
  out.bytes("keys.bytes-per-key", keys == 0 ? 0 : beyond_startup / keys);
  out.bytes("dataset.bytes", m.dataset());
  out.share("dataset.percentage", 100 * FigureMap::ratio(m.dataset(), beyond_startup));
  out.share("peak.percentage", 100 * FigureMap::ratio(m.used, m.peak));
  out.bytes("allocator.allocated", m.used);
  out.bytes("allocator.active", m.resident);
  out.bytes("allocator.resident", m.resident);
  out.excess("allocator-fragmentation", ".ratio", m.resident, m.used);
  out.excess("allocator-rss", ".ratio", m.resident, m.resident);
  out.excess("rss-overhead", ".ratio", m.resident, m.resident);
  out.excess("fragmentation", "", m.resident, m.used);
  out.end();
}

void memory_doctor(Context& ctx) {
  const MemoryFigures m = memory_figures(ctx.server);
  std::string text = fmt::format("{} in use, {} at the peak, {} resident.\n", human_bytes(m.used),
                                 human_bytes(m.peak), human_bytes(m.resident));
  const uint64_t limit = ctx.worker.config().maxmemory;
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
       "A container for memory diagnostics.", "", kNoTrait, nullptr},
      {"memory|doctor", 2, "", "", "@slow",
       "nondeterministic_output request_policy:all_shards response_policy:special", "server", "4.0.0", "O(1)",
       "Explains the use of memory.", "", kNoTrait, memory_doctor},
      {"memory|help", 2, "loading stale", "", "@slow", "", "server", "4.0.0", "O(1)",
       "Lists the subcommands.", "", kNoTrait, memory_help},
      {"memory|malloc-stats", 2, "", "", "@slow",
       "nondeterministic_output request_policy:all_shards response_policy:special", "server", "4.0.0",
       "O(N) where N is the memory in use", "Answers the allocator's statistics.", "", kNoTrait,
       memory_malloc_stats},
      {"memory|purge", 2, "", "", "@slow", "request_policy:all_shards response_policy:all_succeeded",
       "server", "4.0.0", "O(N) where N is the memory in use", "Asks the allocator to give memory back.", "",
       kNoTrait, memory_purge},
      {"memory|stats", 2, "", "", "@slow",
       "nondeterministic_output request_policy:all_shards response_policy:special", "server", "4.0.0", "O(1)",
       "Answers figures of memory use.", "", kOwnGuards, memory_stats},
      {"memory|usage", -3, "readonly", "RO @2 range 0 1 0", "@read @slow", "", "server", "4.0.0",
       "O(N) where N is the number of samples.", "Estimates the memory of a key.", "key [SAMPLES count]",
       kNoTrait, memory_usage},
      {"module", -2, "", "", "@slow", "", "server", "4.0.0", "As the subcommand",
       "A container for module commands.", "", kNoTrait, nullptr},
      {"module|help", 2, "loading stale", "", "@slow", "", "server", "5.0.0", "O(1)",
       "Lists the subcommands.", "", kNoTrait, module_help},
      {"module|list", 2, "admin noscript", "", "@admin @slow @dangerous", "nondeterministic_output_order",
       "server", "4.0.0", "O(N) where N is the number of loaded modules.", "Lists the loaded modules.", "",
       kNoTrait, module_list},
      {"module|load", -3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "4.0.0", "O(1)", "Loads a module.", "path [arg...]", kNoTrait, refuse_module},
      {"module|loadex", -3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "7.0.0", "O(1)", "Loads a module with configuration.",
       "path [CONFIG+ configs(name value)...] [ARGS args(arg)...]", kNoTrait, refuse_module},
      {"module|unload", 3, "admin noscript no_async_loading", "", "@admin @slow @dangerous", "", "server",
       "4.0.0", "O(1)", "Unloads a module.", "name", kNoTrait, refuse_module},
  };
  return kRows;
}

}  // namespace cloakroom::server
