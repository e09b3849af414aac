// One I/O thread's loop. What it does, in this order, again and again:
//
//   Asio has something ready: new connections, timers (expiry, ten times a second), tasks of other threads,
//   or the epoll set of the clients' sockets  ->  serve_sockets():
//     take_events()   every ready socket is written to, and its connection asks for a turn
//     serve_group()   up to 16 connections: requests of each are read, parsed, and the buckets of their keys
//                     asked for from memory; then the entries of all; then each runs its requests
//   until nobody has anything or a slice of time is over: then Asio has its turn.
//
// Fairness: who asks anew is served before who goes on with what its last turn left, but for one group a round;
// a connection's turn ends with its slice. Expiry, eviction and freed clients are turns of their own, bounded
// too. No call in the loop waits but for guards, and those are held for as long as one command runs.
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
#include "server/dispatch/worker.h"
#include "server/net/socket_poller.h"

namespace cloakroom::server {

class Connection;

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

// One thread: a worker, the event loop that runs it and the connections it serves. Everything here is its own
// except what says otherwise.
struct IoThread final : Worker {
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

  IoThread(ServerState& server, uint32_t index);
  ~IoThread() override;

  void run();   // until stop(); names the thread, starts its timers
  void stop();  // from any thread

  void run_soon(std::function<void()> fn) override;
  void run_after(int64_t delay_ms, std::function<void()> fn) override;
  Client* find_client(uint64_t id) override;
  void for_each_client(const std::function<void(Client&)>& fn) override;

  // --- own thread
  // Has the connection served, behind those that wait already; once until Connection::fetch(). Who `goes_on`
  // with what its last turn left waits for those who come anew, but for one group a turn of the loop: a short
  // request does not wait for all the long pipelines.
  void queue_turn(Connection& connection, bool goes_on);
  // Has what was pushed to it sent, once who is ready was served.
  void flush_later(Connection& connection);

  boost::asio::io_context context{1};
  std::array<Slot, kGroup> slots;
  Connection* serving = nullptr;                      // `out` is its
  Slice slice;                                        // of the connection being served
  protocol::OutputBuffer out;                         // replies of the batch being run
  size_t flush_bytes = 0;                             // of them, sent before the next command
  std::vector<protocol::OutputBuffer> spare_buffers;  // empty, with a little memory
  SocketPoller sockets{context};
  std::unordered_map<uint64_t, std::unique_ptr<Connection>> connections;
  std::vector<std::unique_ptr<Connection>> closed;  // freed when nothing can refer to them any more
  std::atomic<uint32_t> connection_count{0};        // as seen by the acceptor

 private:
  void close_all();
  void watch_sockets();
  void post_serving();
  void serve_sockets();
  bool take_events();
  using Turns = std::deque<Connection*>;
  bool serve_group(Turns& turns, uint64_t end_cycles);
  void free_closed();
  void flush();
  void serve_expiry();
  void arm_expiry(int64_t delay_ms);
  void every_100ms();
  void run_cron();

  boost::asio::steady_timer expiry_timer_{context};
  boost::asio::steady_timer cron_timer_{context};
  // Connections that have something to be served, in their order; each in one of them.
  Turns new_turns_;
  Turns further_turns_;
  std::vector<Connection*> to_flush_;
  bool watching_ = false;  // a readiness of the sockets is awaited
  bool serving_ = false;   // serve_sockets() runs or is posted
  uint32_t expiry_position_ = 0;
  uint32_t cron_turns_ = 0;
};

}  // namespace cloakroom::server
