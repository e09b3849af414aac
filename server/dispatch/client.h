#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/output_limits.h"
#include "protocol/request_parser.h"
#include "server/command/command.h"
#include "server/dispatch/transaction.h"
#include "storage/base/lock.h"

namespace cloakroom::server {

class ClientLink;
struct Worker;

// What a client has in a place shared with others; it is taken back from there when this goes.
class Registration {
 public:
  virtual ~Registration() = default;
};

// What a client is and has said, without any I/O. Its own thread changes it; what CLIENT LIST of another
// thread reads is atomic or behind `text_lock`.
class Client {
 public:
  enum Flag : uint32_t {
    kMonitor = 1 << 0,
    kInMulti = 1 << 1,
    kCloseAfterReply = 1 << 2,
    kCloseNow = 1 << 3,
    kUnixSocket = 1 << 4,
    kNoEvict = 1 << 5,
    kNoTouch = 1 << 6,
    kReplyOff = 1 << 7,
    kReplySkipNext = 1 << 8,  // CLIENT REPLY SKIP: the next command's reply
    kReplySkip = 1 << 9,      // ... is now being skipped
    kAuthenticated = 1 << 10,
    kDirtyExec = 1 << 11,  // a command failed while queueing
    kParked = 1 << 12,     // waits for the end of CLIENT PAUSE, for memory, or for what is due
    kWaitsForRoom = 1 << 13,
    kWaitsForTurn = 1 << 14,  // more was due than may be ended in one (park_for_a_turn())
    kSubscriber = 1 << 15,    // to any channel, pattern or shard channel
  };

  // What other threads may read, but as one consistent set of strings.
  struct Texts {
    std::string name;
    std::string lib_name;
    std::string lib_version;
    std::string address;  // peer, "ip:port" or "/path:0"
    std::string local_address;
  };

  Client(uint64_t client_id, Worker& own_worker, ClientLink& own_link, Texts texts, int64_t now_ms)
      : id(client_id),
        worker(own_worker),
        link(own_link),
        created_ms(now_ms),
        last_interaction_ms(now_ms),
        texts_(std::move(texts)) {}
  // Nothing of it may be left where others find it (Worker::forget, ClientRegistry::remove).
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is(Flag flag) const { return (flags.load(std::memory_order_relaxed) & flag) != 0; }
  void set(Flag flag, bool on) {
    const uint32_t now = flags.load(std::memory_order_relaxed);
    flags.store(on ? now | flag : now & ~static_cast<uint32_t>(flag), std::memory_order_relaxed);
  }
  Texts texts() const;  // a copy, from any thread
  template <class Change>
  void change_texts(Change&& change) {
    const storage::Locked lock(text_lock_);
    change(texts_);
  }

  // Killed, though its thread has not closed it yet: nobody sees it any more.
  bool is_leaving() const { return is(kCloseNow); }

  // Over a unix socket or a loopback address, as Redis tells them: 127.0.0.1 and ::1, not 127.0.0.2.
  bool is_local() const;

  const uint64_t id;
  Worker& worker;
  ClientLink& link;
  const int64_t created_ms;
  std::atomic<int64_t> last_interaction_ms;
  std::atomic<uint32_t> flags{0};
  std::atomic<uint32_t> db{0};
  std::atomic<uint8_t> resp{2};
  std::atomic<const CommandRow*> last_command{nullptr};
  // As of the last batch, for CLIENT LIST.
  std::atomic<uint64_t> query_bytes{0};
  std::atomic<uint64_t> query_memory{0};
  std::atomic<uint64_t> parked_bytes{0};  // of a request that waits
  std::atomic<uint64_t> multi_bytes{0};   // of queued commands and watched keys
  std::atomic<uint64_t> output_bytes{0};  // shared values included
  std::atomic<uint64_t> subscription_bytes{0};
  std::array<std::atomic<uint32_t>, 3> subscription_counts{};  // channels, patterns, shard channels
  std::atomic<uint32_t> multi_count{0};                        // queued commands
  std::atomic<uint32_t> watch_count{0};
  int fd = -1;

  // Own thread only.
  bool registered = false;                      // in the registry
  std::unique_ptr<Transaction> transaction;     // from MULTI or WATCH on
  std::unique_ptr<Registration> subscriptions;  // from the first on (pubsub/)
  protocol::OutputLimitState output_limit;

 private:
  mutable storage::Lock text_lock_;
  Texts texts_ CLOAKROOM_GUARDED_BY(text_lock_);
};

}  // namespace cloakroom::server
