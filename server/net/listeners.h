#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/config/config.h"
#include "server/net/tcp_ports.h"
#include "storage/base/lock.h"

namespace cloakroom::server {

struct ServerState;
class Threads;

// The listening sockets, all served by thread 0; every accepted connection goes to the least loaded thread and
// stays there. CONFIG SET of bind and port moves them, on whichever thread it runs.
class Listeners {
 public:
  // Throws std::runtime_error with Redis' words when nothing can be bound.
  Listeners(ServerState& server, Threads& threads);
  ~Listeners();
  void start();  // before the threads run
  void close();  // on thread 0

 private:
  std::optional<std::string> move(const Config& before, const Config& after);

  template <class Acceptor>
  void accept_next(std::shared_ptr<Acceptor> acceptor);
  template <class Acceptor>
  void accept_later(std::shared_ptr<Acceptor> acceptor);
  template <class Acceptor>
  void accept_waiting(Acceptor& acceptor);
  void admit(int fd, bool unix_socket);
  bool refused(int fd, bool unix_socket);
  bool turn_away(int listening);
  void listen_unix(const std::string& path, int mode);

  ServerState& server_;
  Threads& threads_;
  storage::Mutex mutex_;
  TcpPorts tcp_ CLOAKROOM_GUARDED_BY(mutex_);
  bool closed_ CLOAKROOM_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<boost::asio::local::stream_protocol::acceptor>> local_;
  std::string socket_path_;
  int spare_descriptor_ = -1;  // closed for a moment when there is no other
};

}  // namespace cloakroom::server
