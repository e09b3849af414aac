#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "protocol/byte_block.h"
#include "server/dispatch/worker.h"
#include "storage/base/lock.h"

namespace cloakroom::server {

class Channel;
class Client;
struct ServerState;

// What is published: channel and payload as all subscribers get them, in one block that is made when the first
// one needs it and counted in ServerState::message_bytes while it lives.
class Message {
 public:
  Message(ServerState& server, std::string_view channel, std::string_view payload)
      : server_(server), channel_(channel), payload_(payload) {}

  struct Body {
    protocol::SharedBytes owner;
    std::string_view bytes;  // without the last CR LF
  };
  const Body& body();

 private:
  ServerState& server_;
  std::string_view channel_;
  std::string_view payload_;
  Body body_;
};

// One client in one channel.
struct Subscription {
  Client& client;
  Channel& channel;
  size_t place;  // among those of its thread
};

// The subscribers of one thread in one channel. Changed by that thread, under the channel's lock: others read
// it under the lock, and the thread without.
struct Audience {
  Channel& channel;
  Worker& worker;
  std::vector<Subscription*> subscribers;
};

// Messages for the clients of one thread.
class Inbox final : public Mail {
 public:
  explicit Inbox(Worker& worker) : worker_(worker) {}

  // From any thread, with the lock of the audience's channel. Past kMostBytes the thread does not keep up: the
  // message is not kept, and whoever should have got it is closed.
  void append(const Audience& audience, const Message::Body& body);
  // On the own thread: appends all there is to the subscribers' output.
  void deliver() override;

 private:
  static constexpr size_t kMostBytes = 64 << 20;

  struct Letter {
    const Audience* audience;  // stays: who leaves it delivers first
    Message::Body body;
  };

  Worker& worker_;
  storage::Lock lock_;
  std::vector<Letter> letters_ CLOAKROOM_GUARDED_BY(lock_);
  size_t bytes_ CLOAKROOM_GUARDED_BY(lock_) = 0;
  std::unordered_set<uint64_t> missed_ CLOAKROOM_GUARDED_BY(lock_);  // ids of clients
  std::vector<Letter> taken_;                                        // own thread
};

// A channel, a pattern or a shard channel; belongs to its lock (pubsub.h).
class Channel {
 public:
  // The head of its messages, in RESP2 and RESP3. `pattern`: what it is named by, as part of it.
  Channel(std::string_view word, const std::string* pattern);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  std::string_view head(bool resp3) const {
    const std::string_view both = heads_;
    return resp3 ? both.substr(both.size() / 2) : both.substr(0, both.size() / 2);
  }
  size_t size() const { return size_; }
  // Puts the message in the inboxes of all threads with subscribers, and returns how many those are.
  // `inbox_of(worker)` answers a thread's.
  template <class InboxOf>
  size_t post(Message& message, InboxOf&& inbox_of) const {
    for (const auto& audience : audiences_) inbox_of(audience->worker).append(*audience, message.body());
    return size_;
  }

  // On the client's thread, which has had its inbox delivered.
  std::unique_ptr<Subscription> join(Client& client);
  void leave(Subscription& subscription);

 private:
  std::string heads_;                                 // one behind the other: they are of one length
  std::vector<std::unique_ptr<Audience>> audiences_;  // of the threads with subscribers
  size_t size_ = 0;
};

}  // namespace cloakroom::server
