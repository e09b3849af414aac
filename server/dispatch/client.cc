#include "server/dispatch/client.h"

#include "storage/base/assert.h"

namespace cloakroom::server {

Client::~Client() {
  CLOAKROOM_ASSERT(!registered);
  CLOAKROOM_ASSERT(!is(kMonitor));
  CLOAKROOM_ASSERT(subscriptions == nullptr);
  CLOAKROOM_ASSERT(transaction == nullptr || transaction->watched.empty());
}

Client::Texts Client::texts() const {
  const storage::Locked lock(text_lock_);
  return texts_;
}

bool Client::is_local() const {
  if (is(kUnixSocket)) return true;
  const std::string address = texts().address;
  return address.starts_with("127.0.0.1:") || address.starts_with("[::1]:");
}

}  // namespace cloakroom::server
