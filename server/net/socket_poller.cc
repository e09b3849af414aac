#include "server/net/socket_poller.h"

#include <stdexcept>

namespace cloakroom::server {

SocketPoller::SocketPoller(boost::asio::io_context& context) : set_(context.get_executor()) {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::runtime_error("epoll_create1 failed");
  set_.assign(fd);
}

SocketPoller::~SocketPoller() = default;

bool SocketPoller::add(int fd, Connection& connection) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &connection;
  return epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void SocketPoller::watch(std::function<void()> on_ready) {
  set_.async_wait(set_.wait_read, [ready = std::move(on_ready)](const boost::system::error_code& error) {
    if (!error) ready();
  });
}

void SocketPoller::cancel() {
  boost::system::error_code ignored;
  set_.cancel(ignored);
}

std::span<const epoll_event> SocketPoller::poll() {
  const int n = epoll_wait(set_.native_handle(), events_.data(), static_cast<int>(kEvents), 0);
  return {events_.data(), n > 0 ? static_cast<size_t>(n) : 0};
}

}  // namespace cloakroom::server
