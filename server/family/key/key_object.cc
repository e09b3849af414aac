#include <cstring>

#include "server/dispatch/errors.h"
#include "server/dispatch/worker.h"
#include "server/family/key/key_handlers.h"
#include "storage/keyspace/access_clock.h"

namespace cloakroom::server {
namespace {

using storage::EvictionPolicy;
using storage::Found;
using storage::Kind;

constexpr std::string_view kNoIdleTime =
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between "
    "policies at "
    "runtime LRU and LFU data will take some time to adjust.";
constexpr std::string_view kNoFrequency =
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
    "switching between "
    "policies at runtime LRU and LFU data will take some time to adjust.";

// What Redis answers for the small integers that it keeps once for all keys.
constexpr int64_t kSharedReferences = 2147483647;
constexpr int64_t kSharedIntegers = 10000;

// As look_at(), without the "keymiss" event.
Found inspect(Context& ctx) {
  const Found found = ctx.access.peek(ctx.key(2));
  (found ? ctx.access.counters().hits : ctx.access.counters().misses).add();
  if (!found) ctx.reply.null();
  return found;
}

EvictionPolicy policy(Context& ctx) {
  return ctx.access.keyspace().settings().policy.load(std::memory_order_relaxed);
}

bool integers_are_shared(Context& ctx) {
  const EvictionPolicy p = policy(ctx);
  const bool tracks_each = is_lfu(p) || p == EvictionPolicy::kAllKeysLru || p == EvictionPolicy::kVolatileLru;
  return ctx.worker.config().maxmemory == 0 || !tracks_each;
}

}  // namespace

void object_encoding_command(Context& ctx) {
  if (const Found found = inspect(ctx)) ctx.reply.bulk(storage::value_ops(found->kind()).encoding);
}

void object_refcount_command(Context& ctx) {
  const Found found = inspect(ctx);
  if (!found) return;
  int64_t references = 1;
  if (found->kind() == Kind::kStringInt && integers_are_shared(ctx)) {
    int64_t value = 0;
    std::memcpy(&value, found->value(), sizeof value);
    if (value >= 0 && value < kSharedIntegers) references = kSharedReferences;
  }
  ctx.reply.integer(references);
}

void object_idletime_command(Context& ctx) {
  const Found found = inspect(ctx);
  if (!found) return;
  if (is_lfu(policy(ctx))) {
    ctx.reply.error(kNoIdleTime);
    return;
  }
  ctx.reply.integer(storage::idle_ms(found->access(), ctx.access.steady_ms()) / 1000);
}

void object_freq_command(Context& ctx) {
  const Found found = inspect(ctx);
  if (!found) return;
  if (!is_lfu(policy(ctx))) {
    ctx.reply.error(kNoFrequency);
    return;
  }
  const uint32_t decay = ctx.access.keyspace().settings().lfu_decay_minutes.load(std::memory_order_relaxed);
  ctx.reply.integer(storage::lfu_decay(found->access(), ctx.access.steady_ms(), decay));
}

void object_help_command(Context& ctx) {
  static constexpr std::string_view kLines[] = {
      "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>. The returned integer is",
      "    proportional to the logarithm of the recent access frequency of the key.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>, that is the approximated number of",
      "    seconds elapsed since the last access to the key.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
      "HELP",
      "    Prints this help.",
  };
  ctx.reply.array(std::size(kLines));
  for (const std::string_view line : kLines) ctx.reply.simple(line);
}

}  // namespace cloakroom::server
