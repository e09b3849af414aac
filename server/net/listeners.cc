#include "server/net/listeners.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <stdexcept>

#include "server/dispatch/server_state.h"
#include "server/net/connection.h"
#include "server/net/socket.h"
#include "server/net/threads.h"
#include "server/stats/log.h"

namespace cloakroom::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;
using boost::system::error_code;

constexpr int kAcceptsPerTurn = 64;
constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";
constexpr std::string_view kProtected =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for "
    "the "
    "default user. In this mode connections are only accepted from the loopback interface. If you want to "
    "connect "
    "from external computers to Redis you may adopt one of the following solutions: 1) Just disable "
    "protected mode "
    "sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis "
    "from the "
    "same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if "
    "you do so. "
    "Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected "
    "mode by "
    "editing the Redis configuration file, and setting the protected mode option to 'no', and then "
    "restarting the "
    "server. 3) If you started the server manually just for testing, restart it with the '--protected-mode "
    "no' "
    "option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of "
    "the above "
    "things in order for the server to start accepting connections from the outside.\r\n";

void set_keepalive(int fd, int seconds) {
  const int on = 1;
  const int interval = std::max(1, seconds / 3);
  const int probes = 3;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

int open_spare() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

tcp::endpoint peer_of(int fd, bool local) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if ((local ? getsockname(fd, address, &size) : getpeername(fd, address, &size)) != 0) return {};
  tcp::endpoint endpoint;
  if (size > endpoint.capacity()) return {};
  std::memcpy(endpoint.data(), &storage, size);
  endpoint.resize(size);
  return endpoint;
}

}  // namespace

Listeners::Listeners(ServerState& server, Threads& threads) : server_(server), threads_(threads) {
  const auto config = server.config->snapshot();
  const storage::Locked lock(mutex_);
  tcp_ = open_ports(threads.first().context, bind_addresses(*config), *config, {});
  if (!config->unixsocket.empty()) listen_unix(config->unixsocket, static_cast<int>(config->unixsocketperm));
  if (tcp_.empty() && local_.empty()) throw std::runtime_error("Configured to not listen anywhere, exiting.");
  server.config->on_change({"port", "bind"},
                           [this](const Config& before, const Config& after) { return move(before, after); });
}

Listeners::~Listeners() {
  if (spare_descriptor_ >= 0) ::close(spare_descriptor_);
}

// Where nothing is listened on any more stops at once; its acceptor, which thread 0 may be using, closes there.
// On one port what goes stops first, as `*` and an address of this machine exclude each other; should the new
// addresses fail it is resumed.
std::optional<std::string> Listeners::move(const Config& before, const Config& after) {
  const bool same_port = before.port == after.port;
  const auto wanted = bind_addresses(after);
  const storage::Locked lock(mutex_);
  if (closed_) return std::nullopt;
  std::vector<std::shared_ptr<TcpAcceptor>> leaving;
  for (const auto& [endpoint, acceptor] : tcp_) {
    if (!names_endpoint(wanted, endpoint)) leaving.push_back(acceptor);
  }
  const auto stop = [&] {
    for (const auto& acceptor : leaving) ::shutdown(acceptor->native_handle(), SHUT_RDWR);
  };
  if (same_port) stop();
  TcpPorts opened;
  try {
    opened = open_ports(threads_.first().context, wanted, after, tcp_);
  } catch (const std::runtime_error&) {
    if (!same_port) return "Unable to listen on this port. Check server logs.";
    for (const auto& acceptor : leaving) {
      ::listen(acceptor->native_handle(), static_cast<int>(before.tcp_backlog));
    }
    return "Failed to bind to specified addresses.";
  }
  stop();
  for (const auto& acceptor : leaving) {
    asio::post(threads_.first().context, [acceptor] {
      error_code ignored;
      acceptor->close(ignored);
    });
  }
  for (const auto& [endpoint, acceptor] : opened) {
    if (!tcp_.contains(endpoint)) {
      asio::post(threads_.first().context, [this, acceptor = acceptor] { accept_next(acceptor); });
    }
  }
  tcp_ = std::move(opened);
  return std::nullopt;
}

void Listeners::listen_unix(const std::string& path, int mode) {
  ::unlink(path.c_str());
  auto acceptor = std::make_shared<stream_protocol::acceptor>(threads_.first().context);
  error_code error;
  acceptor->open(stream_protocol(), error);
  if (!error) acceptor->bind(stream_protocol::endpoint(path), error);
  if (!error && mode != 0) ::chmod(path.c_str(), static_cast<mode_t>(mode));
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor->non_blocking(true, error);
  if (error) throw std::runtime_error("Failed opening Unix socket: bind: " + error.message());
  socket_path_ = path;
  local_.push_back(std::move(acceptor));
}

void Listeners::start() {
  spare_descriptor_ = open_spare();
  const storage::Locked lock(mutex_);
  for (const auto& [endpoint, acceptor] : tcp_) accept_next(acceptor);
  for (const auto& acceptor : local_) accept_next(acceptor);
}

void Listeners::close() {
  error_code ignored;
  const storage::Locked lock(mutex_);
  closed_ = true;
  for (const auto& [endpoint, acceptor] : tcp_) acceptor->close(ignored);
  for (const auto& acceptor : local_) acceptor->close(ignored);
  if (!socket_path_.empty()) ::unlink(socket_path_.c_str());
}

template <class Acceptor>
constexpr bool kUnix = std::is_same_v<Acceptor, stream_protocol::acceptor>;

// Those that have come meanwhile: a crowd must not need a turn of the loop each.
template <class Acceptor>
void Listeners::accept_waiting(Acceptor& acceptor) {
  for (int i = 1; i < kAcceptsPerTurn; ++i) {
    error_code error;
    typename Acceptor::protocol_type::socket socket(acceptor.get_executor());
    acceptor.accept(socket, error);
    if (error) return;
    admit(socket.release(), kUnix<Acceptor>);
  }
}

template <class Acceptor>
void Listeners::accept_next(std::shared_ptr<Acceptor> acceptor) {
  acceptor->async_accept(
      [this, acceptor](const error_code& error, typename Acceptor::protocol_type::socket socket) {
        if (!acceptor->is_open()) return;
        if (!error) {
          admit(socket.release(), kUnix<Acceptor>);
          accept_waiting(*acceptor);
        } else if (error.value() == EMFILE || error.value() == ENFILE) {
          // Not even the spare one: instead of spinning on the ready socket.
          if (!turn_away(acceptor->native_handle())) return accept_later(acceptor);
        } else if (error.value() == EINVAL) {  // stopped: it will close, or be resumed
          return accept_later(acceptor);
        }
        accept_next(acceptor);
      });
}

template <class Acceptor>
void Listeners::accept_later(std::shared_ptr<Acceptor> acceptor) {
  constexpr std::chrono::milliseconds kLater(20);
  auto timer = std::make_shared<asio::steady_timer>(threads_.first().context, kLater);
  timer->async_wait([this, acceptor, timer](const error_code&) {
    if (acceptor->is_open()) accept_next(acceptor);
  });
}

// No descriptor is free for whoever waits to come in: the spare one lets it be told so. False: nothing done.
bool Listeners::turn_away(int listening) {
  if (spare_descriptor_ < 0) spare_descriptor_ = open_spare();
  if (spare_descriptor_ < 0) return false;
  ::close(spare_descriptor_);
  const int fd = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) {
    [[maybe_unused]] const auto sent =
        ::send(fd, kTooManyClients.data(), kTooManyClients.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(fd);
    server_.rejected_connections.fetch_add(1, std::memory_order_relaxed);
  }
  spare_descriptor_ = open_spare();
  return fd >= 0;
}

// Answers and closes what may not come in.
bool Listeners::refused(int fd, bool unix_socket) {
  const auto& config = threads_.first().config();
  std::string_view answer;
  if (threads_.connection_count() >= static_cast<size_t>(config.maxclients)) {
    answer = kTooManyClients;
    server_.rejected_connections.fetch_add(1, std::memory_order_relaxed);
  } else if (config.protected_mode && config.requirepass.empty() && !unix_socket) {
    if (!peer_of(fd, false).address().is_loopback()) {
      answer = kProtected;
      server_.rejected_connections.fetch_add(1, std::memory_order_relaxed);
    }
  }
  if (answer.empty()) return false;
  [[maybe_unused]] const auto sent = ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::close(fd);
  return true;
}

void Listeners::admit(int fd, bool unix_socket) {
  threads_.first().refresh_config();
  if (refused(fd, unix_socket)) return;
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  Client::Texts texts;
  if (unix_socket) {
    texts.address = texts.local_address = socket_path_ + ":0";
  } else {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto keepalive = static_cast<int>(threads_.first().config().tcp_keepalive_s);
    if (keepalive > 0) set_keepalive(fd, keepalive);
    texts.address = endpoint_text(peer_of(fd, false));
    texts.local_address = endpoint_text(peer_of(fd, true));
  }
  IoThread& thread = threads_.least_loaded();
  thread.connection_count.fetch_add(1, std::memory_order_relaxed);
  auto open = [&thread, fd, unix_socket, texts = std::move(texts)]() mutable {
    auto connection =
        std::make_unique<Connection>(thread, std::make_unique<KernelSocket>(fd), std::move(texts));
    connection->client().set(Client::kUnixSocket, unix_socket);
    Connection& opened = *connection;
    thread.connections.emplace(opened.client().id, std::move(connection));
    thread.stats.connections_accepted.add();
    if (!thread.sockets.add(fd, opened)) opened.close();
  };
  if (&thread == &threads_.first()) {
    open();
  } else {
    asio::post(thread.context, std::move(open));
  }
}

}  // namespace cloakroom::server
