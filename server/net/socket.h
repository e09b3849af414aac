#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <span>

namespace cloakroom::server {

// A connected socket: what a connection asks of the kernel. No call waits. Errors are answered as -errno,
// with -EAGAIN alone for "later". One thread's own.
class Socket {
 public:
  virtual ~Socket() = default;  // closes
  // Bytes read; 0 at the end of the stream.
  virtual ssize_t receive(std::span<char> room) = 0;
  // Bytes taken, possibly not all.
  virtual ssize_t send(std::span<const iovec> pieces) = 0;
  // As CLIENT LIST shows it.
  virtual int descriptor() const = 0;
};

// Of the kernel. Takes over the descriptor, which is non-blocking.
class KernelSocket final : public Socket {
 public:
  explicit KernelSocket(int fd) : fd_(fd) {}
  ~KernelSocket() override;
  KernelSocket(const KernelSocket&) = delete;
  KernelSocket& operator=(const KernelSocket&) = delete;

  ssize_t receive(std::span<char> room) override;
  ssize_t send(std::span<const iovec> pieces) override;
  int descriptor() const override { return fd_; }

 private:
  int fd_;
};

}  // namespace cloakroom::server
