#pragma once

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "protocol/output_buffer.h"
#include "protocol/request_parser.h"
#include "server/config.h"
#include "server/dispatcher.h"
#include "server/memory_limit.h"
#include "server/socket_poller.h"
#include "server/stats.h"
#include "server/transaction.h"
#include "storage/access.h"
#include "storage/eviction.h"
#include "storage/lock.h"

namespace cloakroom::server {

class Connection;
class Server;

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
  // Runs `task` on this thread; tasks of one sender run in order. Under guards use append_task and note the
  // thread in the sender's to_wake: waking is a system call.
  void post(std::function<void()> task);
  void append_task(std::function<void()> task);
  void wake();
  void wake_others();  // those in to_wake; own thread, no guards held
  void stop();

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
  Slot spare_slot;             // for what does not come from the poller
  protocol::OutputBuffer out;  // replies of the batch being run
  size_t flush_bytes = 0;      // of them, sent before the next command
  Counter client_total_bytes;  // of this thread's clients (client_memory.h)
  Counter client_own_bytes;
  Dispatcher dispatcher;
  TransactionPool spare_transactions;
  ExecScratch exec_scratch;
  SocketPoller sockets{context};
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections;
  std::vector<std::unique_ptr<Connection>> closed;  // freed when nothing can refer to them any more
  std::atomic<uint32_t> connection_count{0};        // as seen by the acceptor
  std::vector<IoThread*> to_wake;                   // after the guards are released

 private:
  void close_all();
  void drain_tasks();
  void watch_sockets();
  void serve_sockets();
  void serve_group(std::span<const epoll_event> events);
  void serve_expiry();
  void arm_expiry(int64_t delay_ms);
  void every_100ms();

  std::shared_ptr<const Config> config_;
  uint64_t config_generation_ = 0;
  boost::asio::steady_timer expiry_timer_{context};
  boost::asio::steady_timer cron_timer_{context};
  storage::Lock tasks_lock_;
  std::vector<std::function<void()>> tasks_;
  uint32_t expiry_position_ = 0;
  uint32_t cron_turns_ = 0;
};

}  // namespace cloakroom::server
