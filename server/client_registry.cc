#include "server/client_registry.h"

#include "server/client.h"
#include "storage/assert.h"

namespace cloakroom::server {

void ClientRegistry::add(Client& client) {
  CLOAKROOM_ASSERT(!client.registered);
  client.registered = true;
  const std::lock_guard lock(mutex_);
  clients_.emplace(client.id, &client);
  size_.store(clients_.size(), std::memory_order_relaxed);
}

void ClientRegistry::remove(Client& client) {
  CLOAKROOM_ASSERT(client.registered);
  client.registered = false;
  const std::lock_guard lock(mutex_);
  clients_.erase(client.id);
  size_.store(clients_.size(), std::memory_order_relaxed);
}

void ClientRegistry::for_each(const std::function<void(Client&)>& fn) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, client] : clients_) fn(*client);
}

}  // namespace cloakroom::server
