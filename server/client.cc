#include "server/client.h"

#include <mutex>

namespace cloakroom::server {

Client::Texts Client::texts() const {
  const std::lock_guard lock(text_lock_);
  return texts_;
}

}  // namespace cloakroom::server
