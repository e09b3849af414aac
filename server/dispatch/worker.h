#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/config/config.h"
#include "server/dispatch/client.h"
#include "server/dispatch/dispatcher.h"
#include "server/dispatch/log_link.h"
#include "server/dispatch/memory_limit.h"
#include "server/dispatch/transaction.h"
#include "server/stats/stats.h"
#include "storage/base/lock.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/eviction.h"

namespace cloakroom::server {

struct ServerState;

// What others have put by for a thread's clients (pubsub/).
class Mail {
 public:
  // On that thread: appends it to their output.
  virtual void deliver() = 0;

 protected:
  ~Mail() = default;
};

// What one thread needs to run commands: its window on the keyspace, its statistics, its mailbox. The loop
// that runs it, and whatever waits in it, are the heir's. Everything here is the thread's own except what
// says otherwise.
struct Worker {
  Worker(ServerState& server, uint32_t index);
  virtual ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // --- the loop
  // Runs `fn` on this thread, behind what is ready there. From any thread.
  virtual void run_soon(std::function<void()> fn) = 0;
  virtual void run_after(int64_t delay_ms, std::function<void()> fn) = 0;
  virtual Client* find_client(uint64_t id) = 0;  // of this thread; null when it is gone
  virtual void for_each_client(const std::function<void(Client&)>& fn) = 0;  // none may come or go

  // --- callable from any thread
  // Runs `task` on this thread; tasks of one sender run in order. Under guards use append_task and, on the
  // sender, wake_later: waking is a system call.
  void post(std::function<void()> task);
  void append_task(std::function<void()> task);
  // Lines for this thread's monitors, in their order with the tasks; those that follow each other are sent in
  // one piece.
  void append_monitor_line(std::string_view line);
  bool monitored() const { return monitored_.load(std::memory_order_relaxed); }

  // --- own thread
  void wake_later(Worker& other);
  // Those to be woken later, and delivers what is for this thread's own clients. No guards are held.
  void wake_others();
  // The log's position behind all that commands of this thread have seen or changed since the last call.
  uint64_t take_log_position() {
    note_log_position(access.guard().take_log_position());
    return std::exchange(log_position_, 0);
  }
  void note_log_position(uint64_t position) {
    log_position_ = std::max(log_position_, position);
    log_to_take_ = std::max(log_to_take_, position);
  }
  // Wakes the log's thread, if it has not taken what was noted: once all who were ready have been served, so that one sync
  // is for all of them.
  void wake_log() {
    if (__builtin_expect(log_to_take_ != 0, 0)) wake_log_thread();
  }
  void deliver_mail() {
    has_mail = false;
    if (mail != nullptr) mail->deliver();
  }

  // Closes a client of any thread, which does it soon; nobody sees the client from now on.
  void kill(Client& client);
  // Of its own clients, unless it is gone.
  void close_client(uint64_t id);
  void close_slow_client(uint64_t id);  // soon: it has not taken what is for it
  void set_monitor(Client& client, bool on);
  // Has the client, which is parked, go on behind what is ready now.
  void resume_next_turn(Client& client);
  // Forgets what a client that goes away has in shared places: watched keys, MONITOR. No guards are held.
  void forget(Client& client);

  // The current configuration, refreshed between batches.
  const Config& config() const { return *config_; }
  void refresh_config();
  // Keys may not end by themselves while the log takes nothing. Called often: it also mends what two threads that look
  // at once leave behind.
  void look_at_log();
  int64_t steady_ms() const;  // monotonic time

  ServerState& server;
  const uint32_t index;
  storage::Access access;
  storage::Evictor evictor;
  MemoryLimit memory_limit;
  LogWaiters log_waiters;
  ThreadStats stats;
  Counter client_total_bytes;  // of this thread's clients (client_memory.h)
  Counter client_own_bytes;
  Mail* mail = nullptr;
  bool has_mail = false;         // put there by this thread itself
  bool nobody_to_evict = false;  // of the clients, as of the last look (client_memory.h)
  Dispatcher dispatcher;
  TransactionPool spare_transactions;
  ExecScratch exec_scratch;

 private:
  // A task, or lines for monitors.
  struct Task {
    std::function<void()> run;
    std::string monitor_lines;
  };

  void wake();
  void wake_log_thread();
  void drain_tasks();
  void push_to_monitors(std::string_view lines);

  std::shared_ptr<const Config> config_;
  uint64_t config_generation_ = 0;
  storage::Lock tasks_lock_;
  std::vector<Task> tasks_ CLOAKROOM_GUARDED_BY(tasks_lock_);
  std::atomic<bool> woken_{false};  // drain_tasks() is to run
  std::vector<Worker*> to_wake_;    // after the guards are released; each once
  uint64_t log_position_ = 0;
  uint64_t log_to_take_ = 0;
  std::vector<uint64_t> monitors_;  // ids of the clients with kMonitor
  std::atomic<bool> monitored_{false};
};

}  // namespace cloakroom::server
