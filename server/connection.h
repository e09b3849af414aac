// One client's connection: a state machine on one I/O thread that reads, runs batches and writes.
//
// System calls of a request: epoll_wait (shared by all ready sockets), recv, sendmsg. Asio's own reads would add a
// speculative recv that fails (its reactor attempts every read at initiation), or with async_wait an epoll_ctl. So two
// waits for readability are kept queued on the socket: a wait queued behind another costs nothing, an event takes
// one of them (the reactor stops at a wait), and the handler queues the next before it reads by itself. Events are
// edge-triggered: after an event the socket is read until a read comes back short.
// An idle connection holds no buffer: bytes are read into the thread's scratch and parked only when a request is partial.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/output_buffer.h"
#include "protocol/request_parser.h"
#include "server/client.h"

namespace cloakroom::server {

struct IoThread;

// All members belong to the connection's own thread.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                  boost::asio::io_context::executor_type>;

  Connection(IoThread& thread, Socket socket, Client::Texts texts);
  ~Connection();

  void start();
  Client& client() { return client_; }
  void close();  // drops what is not yet sent
  // Appends out-of-band bytes (MONITOR lines, pushes) and sends what the socket takes.
  void push(std::string_view bytes);
  bool needs_tick() const;
  void tick(int64_t now_ms);  // once a second: idle timeout, output limits
  void pause_ended();

 private:
  enum class State : uint8_t {
    kReading,
    kDraining,  // the client must take its replies before more is read
    kPaused,    // CLIENT PAUSE holds back held_
    kClosing,   // closes once the replies are out
  };

  void wait_readable();
  void on_readable();
  void read_and_run();
  State run_batches();
  State run_batch();
  State run_held();
  State after_request();
  State settle(State state);
  void resume();
  void send(protocol::OutputBuffer& out);
  void send_own();
  void write_when_ready();
  void over_limit(bool output);
  void check_output_limit();
  void publish_sizes();

  IoThread& thread_;
  Socket socket_;
  protocol::RequestParser parser_;
  Client client_;
  protocol::OutputBuffer own_;     // what the socket did not take yet
  std::vector<std::string> held_;  // a request that CLIENT PAUSE holds back
  State state_ = State::kReading;
  bool writing_ = false;  // own_ waits for the socket
  bool closed_ = false;
};

}  // namespace cloakroom::server
