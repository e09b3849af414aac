#include "server/net/socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace cloakroom::server {
namespace {

// The outcome of a call, made again when a signal has interrupted it.
template <class Call>
ssize_t outcome(Call call) {
  for (;;) {
    const ssize_t n = call();
    if (n >= 0) return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return -EAGAIN;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

KernelSocket::~KernelSocket() { ::close(fd_); }

ssize_t KernelSocket::receive(std::span<char> room) {
  return outcome([&] { return ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT); });
}

ssize_t KernelSocket::send(std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg(2) only reads them
  message.msg_iovlen = pieces.size();
  return outcome([&] { return ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
}

}  // namespace cloakroom::server
