// One client's connection: a coroutine that reads, runs batches and writes, on one I/O thread.
//
// Reading costs one system call a request and no memory while idle: the socket reads straight into the thread's scratch
// buffer, which all its connections share. That is right only because Asio's reactor performs the read and runs its
// completion in one go, with no other read in between; which holds when
//   1. the read is not attempted at initiation (Asio does so after a read that filled its buffer, before the first
//      read, and after the socket was waited on for writing): `settled_` is false then and a read goes into a
//      buffer of its own;
//   2. no other operation waits on the socket: a client that may be sent pushes never reads into the scratch.
// IoThread::scratch_owner proves it at every read: what is found there is asserted to be this connection.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocol/output_buffer.h"
#include "protocol/request_parser.h"
#include "server/client.h"

namespace cloakroom::server {

struct IoThread;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Executor = boost::asio::io_context::executor_type;
  using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, Executor>;

  Connection(IoThread& thread, Socket socket, Client::Texts texts);
  ~Connection();

  void start();
  // --- own thread only
  Client& client() { return client_; }
  void close();  // drops what is not yet sent
  // Appends out-of-band bytes (MONITOR lines, pushes) and sends what the socket takes.
  void push(std::string_view bytes);
  bool needs_tick() const;
  void tick(int64_t now_ms);  // once a second: idle timeout, output limits
  void pause_ended();

 private:
  using Awaitable = boost::asio::awaitable<void, Executor>;
  enum class Next : uint8_t { kRead, kDrain, kPause, kClose };

  Awaitable serve();
  Awaitable read_apart(boost::system::error_code& error);
  Awaitable wait_for_signal();
  Next run_batches();
  Next run_batch();
  Next run_held();
  Next after_request();
  Next after_batches();
  void send(protocol::OutputBuffer& out);
  void send_own();
  void write_when_ready();
  void over_limit(const char* which);
  void check_output_limit();
  void publish_sizes();
  void signal();

  IoThread& thread_;
  Socket socket_;
  protocol::RequestParser parser_;
  Client client_;
  protocol::OutputBuffer own_;  // what the socket did not take yet
  std::unique_ptr<boost::asio::steady_timer> signal_;
  std::vector<std::string> held_;  // a request that CLIENT PAUSE holds back
  bool settled_ = false;  // reads may go into the scratch
  bool writing_ = false;  // own_ is waiting for the socket
  bool closed_ = false;
  bool first_read_ = true;
};

}  // namespace cloakroom::server
