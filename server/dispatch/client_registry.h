#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>

#include "storage/base/lock.h"

namespace cloakroom::server {

class Client;

// All connected clients by id. Thread-safe; locked only when a client comes or goes and by CLIENT LIST and
// KILL, which let those who come and go in between a few clients each.
class ClientRegistry {
 public:
  uint64_t next_id() { return next_id_.fetch_add(1, std::memory_order_relaxed); }
  // Both on the client's own thread.
  void add(Client& client);
  void remove(Client& client);
  size_t size() const { return size_.load(std::memory_order_relaxed); }
  // Visits clients in order of their ids: those that are there from now to the end of the walk. `fn` must not
  // come back here nor keep the client, and may only read what Client lets other threads read, or post to its
  // thread.
  void for_each(const std::function<void(Client&)>& fn);
  // The same with the client of that id, if it is there.
  void visit(uint64_t id, const std::function<void(Client&)>& fn);

 private:
  static constexpr int kClientsPerHold = 64;

  // Keeps long walks from taking the lock again ahead of those who come or go.
  class Passing;
  void let_pass() const;

  storage::Mutex mutex_;
  std::atomic<uint32_t> passing_{0};  // wait for the lock, or have it, to come or go
  std::map<uint64_t, Client*> clients_ CLOAKROOM_GUARDED_BY(mutex_);
  std::atomic<uint64_t> next_id_{1};
  std::atomic<size_t> size_{0};
};

}  // namespace cloakroom::server
