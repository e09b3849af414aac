#include "server/net/threads.h"

#include <algorithm>
#include <thread>

#include "server/dispatch/server_state.h"

namespace cloakroom::server {

Threads::Threads(ServerState& server, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    threads_.push_back(std::make_unique<IoThread>(server, i));
    server.workers.push_back(threads_.back().get());
  }
}

IoThread& Threads::least_loaded() {
  const auto less = [](const auto& a, const auto& b) { return a->connection_count < b->connection_count; };
  return **std::min_element(threads_.begin(), threads_.end(), less);
}

size_t Threads::connection_count() const {
  size_t sum = 0;
  for (const auto& thread : threads_) sum += thread->connection_count.load(std::memory_order_relaxed);
  return sum;
}

void Threads::run() {
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads_.size(); ++i) others.emplace_back([this, i] { threads_[i]->run(); });
  first().run();
  for (std::thread& other : others) other.join();
}

void Threads::stop() {
  for (const auto& thread : threads_) thread->stop();
}

}  // namespace cloakroom::server
