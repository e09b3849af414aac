#pragma once

#include <cstddef>
#include <string_view>

#include "protocol/byte_block.h"

namespace cloakroom::server {

// Bytes for one client that no request of its own asked for. `owner`: of the memory of `body`, which may then
// be shared instead of copied; it needs a tail.
struct Push {
  std::string_view head;
  std::string_view body = {};
  const protocol::SharedBytes* owner = nullptr;
  std::string_view tail = {};
};

// What others may do to a client's connection, on its own thread; nobody but net/ knows more of it.
class ClientLink {
 public:
  // Appends bytes behind what was answered before; they go out when the thread has served whoever is ready. A
  // client that lets too many wait is closed then.
  virtual void push(const Push& bytes) = 0;
  // Goes on with the request that is parked, if one is (Outcome::kParked). May close it.
  virtual void resume() = 0;
  // What was withheld because of the log may be sent, as far as it allows.
  virtual void log_is_durable() = 0;
  // At once: what was not sent is dropped.
  virtual void close() = 0;
  // Of a connection that holds nothing. Any thread.
  virtual size_t base_bytes() const = 0;

 protected:
  ~ClientLink() = default;
};

}  // namespace cloakroom::server
