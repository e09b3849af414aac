#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "storage/log/log_ring.h"
#include "storage/log/log_writer.h"

namespace cloakroom::server {

class Client;
struct ServerState;
struct Worker;

// What running commands have to do with the append-only file; persist/ runs it. Any thread.
struct LogLink {
  // Whether what depends on everything before this position may not leave yet (appendfsync always).
  bool withholds(uint64_t position) const {
    return position != 0 && state.sync.load(std::memory_order_relaxed) == storage::LogSync::kAlways &&
           position > state.durable.load(std::memory_order_acquire);
  }
  // The position behind everything there is now, if anything may have to be withheld; else 0.
  uint64_t position() const {
    const bool always = state.sync.load(std::memory_order_relaxed) == storage::LogSync::kAlways;
    return always && on.load(std::memory_order_relaxed) ? ring.head() : 0;
  }
  // Whether there is room, and the disk keeps up with what it is asked for.
  bool takes_writes(int64_t now_us) const;
  // What lies before this position may be there for the log's thread to take. Not under a guard.
  void wake(uint64_t position) {
    if (position <= state.written.load(std::memory_order_relaxed)) return;
    std::atomic_thread_fence(
        std::memory_order_seq_cst);  // it says that it sleeps, then looks at the ring again
    if (sleeps.load(std::memory_order_relaxed)) wake_thread();
  }
  void wake_thread();

  std::atomic<bool> on{false};  // changes go to the ring
  storage::LogRing ring;
  storage::LogState state;
  std::atomic<bool> sleeps{false};  // its thread, until there is something to write
  std::mutex mutex;                 // of what its thread waits for
  std::condition_variable woken;
  bool awake = false;
  std::atomic<uint64_t> delayed_syncs{0};  // how often who writes had to wait for a sync
};

// What of one thread waits for the log: connections with replies that may not leave, clients whose next command may not
// begin, and those that asked for a sync. Own thread but for `waits`.
class LogWaiters {
 public:
  explicit LogWaiters(Worker& worker) : worker_(worker) {}

  // The client is parked (Outcome::kParked), and goes on once the log takes writes.
  void wait_for_room(Client& client);
  // release() calls the client's link back (ClientLink::log_is_durable) once this position is durable.
  void wait_for_position(Client& client, uint64_t position);
  // Whether everything there was when it was called first is durable as appendfsync promises; false also when that
  // promises nothing. `may_wait`: until then, or for so long (0: without end), the client is parked: throws Parked, and is
  // called again with the command.
  bool wait_for_sync(Client& client, bool may_wait, int64_t timeout_ms);
  // It is gone.
  void forget(const Client& client);

  // Tells those who need not wait any more.
  void release();
  std::atomic<bool> waits{false};

 private:
  struct Waiter {
    uint64_t client_id;
    uint64_t position;
  };

  struct SyncWaiter {
    uint64_t client_id;
    uint64_t position;
    int64_t until_ms;  // monotonic
    bool goes_on;
  };

  void note();
  void go_on(uint64_t client_id);
  void release_syncs();
  void watch_deadlines();

  Worker& worker_;
  std::deque<Waiter> for_position_;
  std::deque<uint64_t> for_room_;
  std::vector<SyncWaiter> for_sync_;
  bool watching_ = false;
};

}  // namespace cloakroom::server
