#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/output_buffer.h"
#include "protocol/request_parser.h"
#include "server/config/config.h"
#include "server/dispatch/dispatcher.h"
#include "server/dispatch/memory_limit.h"
#include "server/dispatch/transaction.h"
#include "server/net/socket_poller.h"
#include "server/stats/stats.h"
#include "storage/base/lock.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/eviction.h"

namespace cloakroom::server {

class Connection;
class Server;

// How long one connection is served before others are: so much time, or so many commands.
class Slice {
 public:
  void begin(uint64_t cycles) {
    end_ = cycle_count() + cycles;
    commands_left_ = kCommands;
  }
  bool over(uint64_t now) const { return commands_left_ == 0 || now >= end_; }
  bool over_after_command(uint64_t now) {
    --commands_left_;
    return over(now);
  }

 private:
  static constexpr uint32_t kCommands = 1024;

  uint64_t end_ = 0;
  uint32_t commands_left_ = 0;
};

// One thread's world: its event loop, its connections, its window on the keyspace, its statistics. Everything
// here is its own except what says otherwise.
struct IoThread {
  // Requests of as many ready connections are prefetched together.
  static constexpr size_t kGroup = 16;
  static constexpr size_t kScratchBytes = 32 * 1024;

  // One connection's turn: what was read from it, while the others of its group are read too.
  struct Slot {
    Connection* connection = nullptr;
    PreparedBatch batch;
    protocol::RequestParser::Status status{};  // of the batch: what follows it
    bool prefetched = false;                   // the first window of the batch
    std::unique_ptr<char[]> scratch = std::make_unique_for_overwrite<char[]>(kScratchBytes);
  };

  IoThread(Server& server, uint32_t index);
  ~IoThread();

  void run();  // until stop(); names the thread, starts its timers

  // --- callable from any thread
  // Runs `task` on this thread; tasks of one sender run in order. Under guards use append_task and, on the
  // sender, wake_later: waking is a system call.
  void post(std::function<void()> task);
  void append_task(std::function<void()> task);
  // Lines for this thread's monitors, in their order with the tasks; those that follow each other are sent in
  // one piece.
  void append_monitor_line(std::string_view line);
  bool monitored() const { return monitored_.load(std::memory_order_relaxed); }
  void wake();
  void stop();

  // --- own thread
  void wake_later(IoThread& other);
  void wake_others();  // those to be woken later; no guards held
  void set_monitor(const Client& client, bool on);

  // Has the connection served, behind those that wait already; once until Connection::fetch(). Who `goes_on`
  // with what its last turn left waits for those who come anew, but for one group a turn of the loop: a short
  // request does not wait for all the long pipelines.
  void queue_turn(Connection& connection, bool goes_on);

  // Has the connection, which is paused, go on behind what is ready now. Own thread.
  void resume_next_turn(uint64_t client_id);

  // The current configuration, refreshed between batches.
  const Config& config() const { return *config_; }
  void refresh_config();
  int64_t steady_ms() const;  // monotonic time

  Server& server;
  const uint32_t index;
  boost::asio::io_context context{1};
  storage::Access access;
  storage::Evictor evictor;
  MemoryLimit memory_limit;
  ThreadStats stats;
  std::array<Slot, kGroup> slots;
  Slice slice;                 // of the connection being served
  protocol::OutputBuffer out;  // replies of the batch being run
  size_t flush_bytes = 0;      // of them, sent before the next command
  Counter client_total_bytes;  // of this thread's clients (client_memory.h)
  Counter client_own_bytes;
  bool nobody_to_evict = false;  // of the clients, as of the last look (client_memory.h)
  Dispatcher dispatcher;
  TransactionPool spare_transactions;
  ExecScratch exec_scratch;
  SocketPoller sockets{context};
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections;
  std::vector<std::unique_ptr<Connection>> closed;  // freed when nothing can refer to them any more
  std::atomic<uint32_t> connection_count{0};        // as seen by the acceptor

 private:
  // A task, or lines for monitors.
  struct Task {
    std::function<void()> run;
    std::string monitor_lines;
  };

  void close_all();
  void drain_tasks();
  void push_to_monitors(std::string_view lines);
  void watch_sockets();
  void post_serving();
  void serve_sockets();
  bool take_events();
  using Turns = std::deque<Connection*>;
  bool serve_group(Turns& turns, uint64_t end_cycles);
  void free_closed();
  void serve_expiry();
  void arm_expiry(int64_t delay_ms);
  void every_100ms();

  std::shared_ptr<const Config> config_;
  uint64_t config_generation_ = 0;
  boost::asio::steady_timer expiry_timer_{context};
  boost::asio::steady_timer cron_timer_{context};
  storage::Lock tasks_lock_;
  std::vector<Task> tasks_;
  std::atomic<bool> woken_{false};  // drain_tasks() is posted
  std::vector<IoThread*> to_wake_;  // after the guards are released; each once
  std::vector<uint64_t> monitors_;  // ids of the clients with kMonitor
  std::atomic<bool> monitored_{false};
  // Connections that have something to be served, in their order; each in one of them.
  Turns new_turns_;
  Turns further_turns_;
  bool watching_ = false;  // a readiness of the sockets is awaited
  bool serving_ = false;   // serve_sockets() runs or is posted
  uint32_t expiry_position_ = 0;
  uint32_t cron_turns_ = 0;
};

}  // namespace cloakroom::server
