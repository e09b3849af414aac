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
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  if (pieces.size() == 1) {  // most often; the kernel has less to copy and to check
    return outcome([&] { return ::send(fd_, pieces[0].iov_base, pieces[0].iov_len, kFlags); });
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg(2) only reads them
  message.msg_iovlen = pieces.size();
  return outcome([&] { return ::sendmsg(fd_, &message, kFlags); });
}

}  // namespace cloakroom::server
