#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

namespace cloakroom::server {

struct ServerState;
class Threads;

// The listening sockets, all on thread 0; every accepted connection goes to the least loaded thread and stays
// there.
class Listeners {
 public:
  // Throws std::runtime_error with Redis' words when nothing can be bound.
  Listeners(ServerState& server, Threads& threads);
  ~Listeners();
  void start();
  void close();  // on thread 0

 private:
  template <class Acceptor>
  void accept_next(std::shared_ptr<Acceptor> acceptor);
  template <class Acceptor>
  void accept_waiting(Acceptor& acceptor);
  void admit(int fd, bool unix_socket);
  bool refused(int fd, bool unix_socket);
  bool turn_away(int listening);
  void listen_tcp(const std::string& name, bool optional,
                  std::vector<boost::asio::ip::tcp::endpoint>& further);
  void listen_further(const boost::asio::ip::tcp::endpoint& endpoint);
  void listen_at(const boost::asio::ip::tcp::endpoint& endpoint, boost::system::error_code& error);
  void listen_unix(const std::string& path, int mode);

  ServerState& server_;
  Threads& threads_;
  std::vector<std::shared_ptr<boost::asio::ip::tcp::acceptor>> tcp_;
  std::vector<std::shared_ptr<boost::asio::local::stream_protocol::acceptor>> local_;
  std::string socket_path_;
  int spare_descriptor_ = -1;  // closed for a moment when there is no other
};

}  // namespace cloakroom::server
