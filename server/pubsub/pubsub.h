#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/pubsub/channel.h"
#include "storage/base/hash.h"
#include "storage/base/lock.h"

namespace cloakroom::server {

// Channels, patterns and shard channels, and who is subscribed to them. Thread-safe.
//
//   publish    lock of the channel's stripe, [patterns, shared], lock of each inbox: one letter a thread
//   deliver    a thread empties its inbox and appends each letter to the output of its own subscribers
//   subscribe  lock of the stripe, or of the patterns: delivers the own inbox, then joins or leaves
//
// One lock a channel, held while the inboxes are appended to: all subscribers see its messages in one order.
// Who joins or leaves has its thread's inbox delivered first, under that lock: a client gets just those
// messages that counted it. The locks are innermost: guards of shards may be held.
class PubSub {
 public:
  enum class Kind : uint8_t { kChannel, kPattern, kShardChannel };
  static constexpr size_t kKinds = 3;

  explicit PubSub(ServerState& server);
  ~PubSub();  // all clients are gone
  PubSub(const PubSub&) = delete;
  PubSub& operator=(const PubSub&) = delete;

  // Once, when all workers are there: their mail comes from here.
  void serve_workers();

  // Both on the client's own thread. False when nothing changed.
  bool subscribe(Client& client, Kind kind, std::string_view name);
  bool unsubscribe(Client& client, Kind kind, std::string_view name);
  // What the client is subscribed to, in the order of bytes.
  static std::vector<std::string> names_of(const Client& client, Kind kind);

  // Returns the number of receivers at this instant. On the thread of `from`: other threads are woken by its
  // next wake_others(), its own clients get theirs by its next deliver_mail().
  size_t publish(Worker& from, Kind kind, std::string_view channel, std::string_view payload);
  // Whether there is anybody who could get a message.
  bool anybody() const { return subscriptions_.load(std::memory_order_relaxed) != 0; }

  // How many have subscribers.
  size_t count(Kind kind) const { return counts_[static_cast<size_t>(kind)].load(std::memory_order_relaxed); }
  // Their names; of those that match `glob`, if it is given.
  std::vector<std::string> names(Kind kind, const std::string_view* glob) const;
  size_t subscribers(Kind kind, std::string_view name) const;

 private:
  class Subscribed;

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return storage::hash_bytes(key, name, 0); }
    storage::HashKey key;
  };
  using Channels = std::unordered_map<std::string, Channel, Hash, std::equal_to<>>;
  struct Stripe {
    explicit Stripe(const Hash& hash) : channels(0, hash) {}
    storage::Lock lock;
    Channels channels CLOAKROOM_GUARDED_BY(lock);
  };
  using Stripes = std::vector<std::unique_ptr<Stripe>>;
  static constexpr size_t kStripes = 64;

  void leave(Subscribed& subscribed, Kind kind, std::string_view name);
  Stripe& stripe(Kind kind, std::string_view name) const;
  template <class Fn>
  auto locked(Kind kind, std::string_view name, Fn&& fn) const;

  ServerState& server_;
  const Hash hash_;
  std::vector<std::unique_ptr<Inbox>> inboxes_;  // by thread
  Stripes channels_;
  Stripes shard_channels_;
  mutable std::shared_mutex patterns_mutex_;
  mutable Channels patterns_;
  std::array<std::atomic<size_t>, kKinds> counts_{};
  std::atomic<size_t> subscriptions_{0};
};

}  // namespace cloakroom::server
