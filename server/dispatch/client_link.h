#pragma once

#include <cstddef>
#include <string_view>

namespace cloakroom::server {

// What others may do to a client's connection, on its own thread; nobody but net/ knows more of it.
class ClientLink {
 public:
  // Sends bytes behind what was answered before. May close it.
  virtual void push(std::string_view bytes) = 0;
  // Goes on with the request that is parked, if one is (Outcome::kParked). May close it.
  virtual void resume() = 0;
  // At once: what was not sent is dropped.
  virtual void close() = 0;
  // Of a connection that holds nothing. Any thread.
  virtual size_t base_bytes() const = 0;

 protected:
  ~ClientLink() = default;
};

}  // namespace cloakroom::server
