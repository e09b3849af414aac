#include "server/pubsub/pubsub.h"

#include <map>
#include <mutex>
#include <utility>

#include "server/dispatch/client.h"
#include "server/dispatch/server_state.h"
#include "storage/base/assert.h"
#include "storage/base/glob.h"

namespace cloakroom::server {
namespace {

constexpr std::array<std::string_view, PubSub::kKinds> kWords = {"message", "pmessage", "smessage"};

size_t index_of(PubSub::Kind kind) { return static_cast<size_t>(kind); }

}  // namespace

// What one client is subscribed to; leaves all of it when it goes.
class PubSub::Subscribed final : public Registration {
 public:
  // By the names, which are the channels' own.
  using Names = std::map<std::string_view, std::unique_ptr<Subscription>>;

  Subscribed(PubSub& pubsub, Client& client) : pubsub_(pubsub), client_(client) {}
  ~Subscribed() override {
    for (size_t i = 0; i < kKinds; ++i) {
      while (!names_[i].empty()) {
        const std::string name(names_[i].begin()->first);
        pubsub_.leave(*this, static_cast<Kind>(i), name);
      }
    }
  }
  Subscribed(const Subscribed&) = delete;
  Subscribed& operator=(const Subscribed&) = delete;

  static Subscribed* of(const Client& client) { return static_cast<Subscribed*>(client.subscriptions.get()); }
  Client& client() { return client_; }
  Names& names(Kind kind) { return names_[index_of(kind)]; }

  // After a name came or went.
  void publish_counts(int64_t added, size_t name_bytes) {
    constexpr int64_t kBytes = 200;  // of a subscription and its share of the channel, about
    bytes_ += added * (kBytes + static_cast<int64_t>(name_bytes));
    client_.subscription_bytes.store(static_cast<uint64_t>(bytes_), std::memory_order_relaxed);
    size_t all = 0;
    for (size_t i = 0; i < kKinds; ++i) {
      client_.subscription_counts[i].store(static_cast<uint32_t>(names_[i].size()),
                                           std::memory_order_relaxed);
      all += names_[i].size();
    }
    client_.set(Client::kSubscriber, all != 0);
  }

 private:
  PubSub& pubsub_;
  Client& client_;
  std::array<Names, kKinds> names_;
  int64_t bytes_ = 0;
};

PubSub::PubSub(ServerState& server)
    : server_(server), hash_{server.keyspace->schema().hash_key()}, patterns_(0, hash_) {
  for (size_t i = 0; i < kStripes; ++i) {
    channels_.push_back(std::make_unique<Stripe>(hash_));
    shard_channels_.push_back(std::make_unique<Stripe>(hash_));
  }
}

void PubSub::serve_workers() {
  CLOAKROOM_ASSERT(inboxes_.empty());
  for (Worker* worker : server_.workers) {
    inboxes_.push_back(std::make_unique<Inbox>(*worker));
    worker->mail = inboxes_.back().get();
  }
}

PubSub::~PubSub() { CLOAKROOM_ASSERT(!anybody()); }

PubSub::Stripe& PubSub::stripe(Kind kind, std::string_view name) const {
  CLOAKROOM_ASSERT(kind != Kind::kPattern);
  return *(kind == Kind::kChannel ? channels_ : shard_channels_)[hash_(name) >> 32 & (kStripes - 1)];
}

// Calls fn(channels) with the lock that the name is under.
template <class Fn>
auto PubSub::locked(Kind kind, std::string_view name, Fn&& fn) const {
  if (kind == Kind::kPattern) {
    const std::scoped_lock lock(patterns_mutex_);
    return fn(patterns_);
  }
  Stripe& s = stripe(kind, name);
  const storage::Locked lock(s.lock);
  return fn(s.channels);
}

bool PubSub::subscribe(Client& client, Kind kind, std::string_view name) {
  if (client.subscriptions == nullptr) client.subscriptions = std::make_unique<Subscribed>(*this, client);
  Subscribed& subscribed = *Subscribed::of(client);
  if (subscribed.names(kind).contains(name)) return false;
  client.worker.deliver_mail();  // most of it, without the lock
  locked(kind, name, [&](Channels& channels) {
    client.worker.deliver_mail();
    auto at = channels.find(name);
    if (at == channels.end()) {
      std::string text(name);
      const std::string* pattern = kind == Kind::kPattern ? &text : nullptr;
      at = channels
               .emplace(std::piecewise_construct, std::forward_as_tuple(name),
                        std::forward_as_tuple(kWords[index_of(kind)], pattern))
               .first;
      counts_[index_of(kind)].fetch_add(1, std::memory_order_relaxed);
    }
    subscribed.names(kind).emplace(at->first, at->second.join(client));
  });
  subscriptions_.fetch_add(1, std::memory_order_relaxed);
  subscribed.publish_counts(1, name.size());
  return true;
}

bool PubSub::unsubscribe(Client& client, Kind kind, std::string_view name) {
  Subscribed* subscribed = Subscribed::of(client);
  if (subscribed == nullptr || !subscribed->names(kind).contains(name)) return false;
  leave(*subscribed, kind, name);
  return true;
}

void PubSub::leave(Subscribed& subscribed, Kind kind, std::string_view name) {
  Worker& worker = subscribed.client().worker;
  worker.deliver_mail();
  locked(kind, name, [&](Channels& channels) {
    worker.deliver_mail();
    const auto mine = subscribed.names(kind).find(name);
    const auto at = channels.find(name);
    CLOAKROOM_ASSERT(at != channels.end());
    at->second.leave(*mine->second);
    subscribed.names(kind).erase(mine);
    if (at->second.size() != 0) return;
    channels.erase(at);
    counts_[index_of(kind)].fetch_sub(1, std::memory_order_relaxed);
  });
  subscriptions_.fetch_sub(1, std::memory_order_relaxed);
  subscribed.publish_counts(-1, name.size());
}

std::vector<std::string> PubSub::names_of(const Client& client, Kind kind) {
  std::vector<std::string> found;
  if (Subscribed* subscribed = Subscribed::of(client)) {
    for (const auto& [name, subscription] : subscribed->names(kind)) found.emplace_back(name);
  }
  return found;
}

size_t PubSub::publish(Worker& from, Kind kind, std::string_view channel, std::string_view payload) {
  if (!anybody()) return 0;
  Message message(server_, channel, payload);
  const auto inbox_of = [&](Worker& worker) -> Inbox& {
    if (&worker == &from) {
      from.has_mail = true;
    } else {
      from.wake_later(worker);
    }
    return *inboxes_[worker.index];
  };
  Stripe& s = stripe(kind, channel);
  const storage::Locked lock(s.lock);
  const auto at = s.channels.find(channel);
  size_t receivers = at == s.channels.end() ? 0 : at->second.post(message, inbox_of);
  if (kind != Kind::kChannel || count(Kind::kPattern) == 0) return receivers;
  const std::shared_lock patterns_lock(patterns_mutex_);
  for (const auto& [name, pattern] : patterns_) {
    if (storage::glob_match(name, channel)) receivers += pattern.post(message, inbox_of);
  }
  return receivers;
}

std::vector<std::string> PubSub::names(Kind kind, const std::string_view* glob) const {
  CLOAKROOM_ASSERT(kind != Kind::kPattern);
  std::vector<std::string> found;
  for (const auto& s : kind == Kind::kChannel ? channels_ : shard_channels_) {
    const storage::Locked lock(s->lock);
    for (const auto& [name, channel] : s->channels) {
      if (glob == nullptr || storage::glob_match(*glob, name)) found.push_back(name);
    }
  }
  return found;
}

size_t PubSub::subscribers(Kind kind, std::string_view name) const {
  return locked(kind, name, [&](const Channels& channels) {
    const auto at = channels.find(name);
    return at == channels.end() ? size_t{0} : at->second.size();
  });
}

}  // namespace cloakroom::server
