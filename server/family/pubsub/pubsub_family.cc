#include "server/dispatch/client.h"
#include "server/dispatch/context.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/families.h"
#include "server/family/help.h"
#include "server/pubsub/pubsub.h"

namespace cloakroom::server {
namespace {

using Kind = PubSub::Kind;

// Confirmations are no replies: CLIENT REPLY OFF does not silence them.
class Aloud {
 public:
  explicit Aloud(protocol::ReplyWriter& reply) : reply_(reply), muted_(reply.muted()) { reply_.mute(false); }
  ~Aloud() { reply_.mute(muted_); }
  Aloud(const Aloud&) = delete;
  Aloud& operator=(const Aloud&) = delete;

 private:
  protocol::ReplyWriter& reply_;
  bool muted_;
};

// What the client is now subscribed to: shard channels are counted by themselves.
int64_t subscriptions_of(const Client& client, Kind kind) {
  const auto count = [&](Kind of) { return client.subscription_counts[static_cast<size_t>(of)].load(); };
  return kind == Kind::kShardChannel ? count(kind) : count(Kind::kChannel) + count(Kind::kPattern);
}

void confirm(Context& ctx, std::string_view word, Kind kind, const std::string_view* name) {
  ctx.reply.push(3);
  ctx.reply.bulk(word);
  name == nullptr ? ctx.reply.null() : ctx.reply.bulk(*name);
  ctx.reply.integer(subscriptions_of(ctx.client, kind));
}

template <Kind kKind>
void subscribe(Context& ctx) {
  constexpr std::string_view kWords[] = {"subscribe", "psubscribe", "ssubscribe"};
  if (kKind == Kind::kShardChannel && ctx.in_exec()) {
    return ctx.reply.error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
  }
  const Aloud aloud(ctx.reply);
  for (const std::string_view name : ctx.args.subspan(1)) {
    ctx.server.pubsub->subscribe(ctx.client, kKind, name);
    confirm(ctx, kWords[static_cast<size_t>(kKind)], kKind, &name);
  }
}

template <Kind kKind>
void unsubscribe(Context& ctx) {
  constexpr std::string_view kWords[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};
  constexpr std::string_view kWord = kWords[static_cast<size_t>(kKind)];
  const Aloud aloud(ctx.reply);
  const auto leave = [&](std::string_view name) {
    ctx.server.pubsub->unsubscribe(ctx.client, kKind, name);
    confirm(ctx, kWord, kKind, &name);
  };
  for (const std::string_view name : ctx.args.subspan(1)) leave(name);
  if (ctx.argc() > 1) return;
  const std::vector<std::string> all = PubSub::names_of(ctx.client, kKind);
  for (const std::string& name : all) leave(name);
  if (all.empty()) confirm(ctx, kWord, kKind, nullptr);
}

// The client's own message stands before the reply.
template <Kind kKind>
void publish(Context& ctx) {
  const size_t receivers = ctx.server.pubsub->publish(ctx.worker, kKind, ctx.arg(1), ctx.arg(2));
  if (ctx.worker.has_mail) ctx.worker.deliver_mail();
  ctx.reply.integer(static_cast<int64_t>(receivers));
}

template <Kind kKind>
void list_channels(Context& ctx) {
  if (ctx.argc() > 3) return reply_subcommand_syntax(ctx);
  const std::string_view glob = ctx.argc() == 3 ? ctx.arg(2) : "";
  const std::vector<std::string> names = ctx.server.pubsub->names(kKind, ctx.argc() == 3 ? &glob : nullptr);
  ctx.reply.array(names.size());
  for (const std::string& name : names) ctx.reply.bulk(name);
}

template <Kind kKind>
void count_subscribers(Context& ctx) {
  ctx.reply.array(2 * (ctx.argc() - 2));
  for (const std::string_view name : ctx.args.subspan(2)) {
    ctx.reply.bulk(name);
    ctx.reply.integer(static_cast<int64_t>(ctx.server.pubsub->subscribers(kKind, name)));
  }
}

void count_patterns(Context& ctx) {
  ctx.reply.integer(static_cast<int64_t>(ctx.server.pubsub->count(Kind::kPattern)));
}

void help(Context& ctx) {
  reply_help(ctx, "PUBSUB",
             {"CHANNELS [<pattern>]", "    Channels with subscribers, of those that match the pattern.",
              "NUMPAT", "    How many patterns somebody is subscribed to.", "NUMSUB [<channel> ...]",
              "    Subscribers of each channel, those of patterns not counted.", "SHARDCHANNELS [<pattern>]",
              "    Shard channels with subscribers.", "SHARDNUMSUB [<shardchannel> ...]",
              "    Subscribers of each shard channel."});
}

constexpr const char* kGroup = "pubsub";
constexpr const char* kListens = "pubsub noscript loading stale";
constexpr const char* kAsks = "pubsub loading stale";
constexpr const char* kSlow = "@pubsub @slow";
constexpr const char* kShardChannels = "NOT_KEY @1 range -1 1 0";

// clang-format off
constexpr CommandRow kRows[] = {
    {"subscribe", -2, kListens, "", kSlow, "", kGroup, "2.0.0",
     "O(N) where N is the number of channels to subscribe to.", "Subscribes to channels.", "channel{string}...",
     kWhileSubscribed, subscribe<Kind::kChannel>},
    {"unsubscribe", -1, kListens, "", kSlow, "", kGroup, "2.0.0",
     "O(N) where N is the number of clients already subscribed to a channel.", "Leaves channels.",
     "[channel{string}...]", kWhileSubscribed, unsubscribe<Kind::kChannel>},
    {"psubscribe", -2, kListens, "", kSlow, "", kGroup, "2.0.0",
     "O(N) where N is the number of patterns the client is already subscribed to.",
     "Subscribes to all channels that match patterns.", "pattern(pattern{pattern})...", kWhileSubscribed,
     subscribe<Kind::kPattern>},
    {"punsubscribe", -1, kListens, "", kSlow, "", kGroup, "2.0.0",
     "O(N+M) where N is the number of patterns the client is already subscribed and M is the number of total patterns subscribed in the system (by any client).",
     "Leaves patterns.", "[pattern{pattern}...]", kWhileSubscribed, unsubscribe<Kind::kPattern>},
    {"ssubscribe", -2, kListens, kShardChannels, kSlow, "", kGroup, "7.0.0",
     "O(N) where N is the number of shard channels to subscribe to.", "Subscribes to shard channels.",
     "shardchannel{string}...", kWhileSubscribed, subscribe<Kind::kShardChannel>},
    {"sunsubscribe", -1, kListens, kShardChannels, kSlow, "", kGroup, "7.0.0",
     "O(N) where N is the number of clients already subscribed to a shard channel.", "Leaves shard channels.",
     "[shardchannel{string}...]", kWhileSubscribed, unsubscribe<Kind::kShardChannel>},
    {"publish", 3, "pubsub loading stale fast", "", "@pubsub @fast", "", kGroup, "2.0.0",
     "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
     "Sends a message to all who are subscribed to the channel.", "channel{string} message{string}", kMayReplicate,
     publish<Kind::kChannel>},
    {"spublish", 3, "pubsub loading stale fast", "NOT_KEY @1 range 0 1 0", "@pubsub @fast", "", kGroup, "7.0.0",
     "O(N) where N is the number of clients subscribed to the receiving shard channel.",
     "Sends a message to all who are subscribed to the shard channel.", "shardchannel{string} message{string}",
     kMayReplicate, publish<Kind::kShardChannel>},
    {"pubsub", -2, "", "", "@slow", "", kGroup, "2.8.0", "Depends on subcommand.",
     "A container for questions about subscriptions.", "", kNoTrait, nullptr},
    {"pubsub|channels", -2, kAsks, "", kSlow, "", kGroup, "2.8.0",
     "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
     "Lists channels that somebody is subscribed to.", "[pattern{pattern}]", kNoTrait, list_channels<Kind::kChannel>},
    {"pubsub|help", 2, "loading stale", "", "@slow", "", kGroup, "6.2.0", "O(1)", "Lists the subcommands.", "", kNoTrait,
     help},
    {"pubsub|numpat", 2, kAsks, "", kSlow, "", kGroup, "2.8.0", "O(1)",
     "Counts the patterns that somebody is subscribed to.", "", kNoTrait, count_patterns},
    {"pubsub|numsub", -2, kAsks, "", kSlow, "", kGroup, "2.8.0",
     "O(N) for the NUMSUB subcommand, where N is the number of requested channels", "Counts the subscribers of channels.",
     "[channel{string}...]", kNoTrait, count_subscribers<Kind::kChannel>},
    {"pubsub|shardchannels", -2, kAsks, "", kSlow, "", kGroup, "7.0.0",
     "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).",
     "Lists shard channels that somebody is subscribed to.", "[pattern{pattern}]", kNoTrait,
     list_channels<Kind::kShardChannel>},
    {"pubsub|shardnumsub", -2, kAsks, "", kSlow, "", kGroup, "7.0.0",
     "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
     "Counts the subscribers of shard channels.", "[shardchannel{string}...]", kNoTrait,
     count_subscribers<Kind::kShardChannel>},
};
// clang-format on

}  // namespace

CommandRows pubsub_commands() { return kRows; }

}  // namespace cloakroom::server
