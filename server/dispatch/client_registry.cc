#include "server/dispatch/client_registry.h"

#include <thread>

#include "server/dispatch/client.h"
#include "storage/base/assert.h"

namespace cloakroom::server {

class CLOAKROOM_THREAD_SAFETY(scoped_lockable) ClientRegistry::Passing {
 public:
  explicit Passing(ClientRegistry& registry) CLOAKROOM_THREAD_SAFETY(acquire_capability(registry.mutex_))
      : registry_(registry) {
    registry_.passing_.fetch_add(1, std::memory_order_relaxed);
    registry_.mutex_.lock();
  }
  ~Passing() CLOAKROOM_THREAD_SAFETY(release_capability()) {
    registry_.mutex_.unlock();
    registry_.passing_.fetch_sub(1, std::memory_order_relaxed);
  }
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;

 private:
  ClientRegistry& registry_;
};

void ClientRegistry::let_pass() const {
  while (passing_.load(std::memory_order_relaxed) != 0) std::this_thread::yield();
}

void ClientRegistry::add(Client& client) {
  CLOAKROOM_ASSERT(!client.registered);
  client.registered = true;
  const Passing lock(*this);
  clients_.emplace(client.id, &client);
  size_.store(clients_.size(), std::memory_order_relaxed);
}

void ClientRegistry::remove(Client& client) {
  CLOAKROOM_ASSERT(client.registered);
  client.registered = false;
  const Passing lock(*this);
  clients_.erase(client.id);
  size_.store(clients_.size(), std::memory_order_relaxed);
}

void ClientRegistry::for_each(const std::function<void(Client&)>& fn) {
  const uint64_t end = next_id_.load(std::memory_order_relaxed);
  uint64_t next = 0;
  while (next < end) {
    let_pass();
    const storage::Locked lock(mutex_);
    auto at = clients_.lower_bound(next);
    for (int i = 0; i < kClientsPerHold && at != clients_.end() && at->first < end; ++i, ++at)
      fn(*at->second);
    next = at == clients_.end() ? end : at->first;
  }
}

void ClientRegistry::visit(uint64_t id, const std::function<void(Client&)>& fn) {
  const storage::Locked lock(mutex_);
  if (const auto at = clients_.find(id); at != clients_.end()) fn(*at->second);
}

}  // namespace cloakroom::server
