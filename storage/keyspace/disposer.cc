#include "storage/keyspace/disposer.h"

#include <utility>

namespace cloakroom::storage {

Disposer::~Disposer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  more_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Disposer::take(Garbage& garbage, size_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_bytes_ != 0 && waiting_bytes_ + bytes > kMostBytes) return;
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    waiting_bytes_ += bytes;
    loads_.push_back({std::exchange(garbage, {}), bytes});
  }
  more_.notify_one();
}

void Disposer::run() {
  for (;;) {
    std::vector<Load> loads;
    {
      std::unique_lock lock(mutex_);
      more_.wait(lock, [this] { return stop_ || !loads_.empty(); });
      if (loads_.empty()) return;
      loads.swap(loads_);
    }
    for (Load& load : loads) {
      load.garbage.clear();
      const std::lock_guard lock(mutex_);
      waiting_bytes_ -= load.bytes;
    }
  }
}

}  // namespace cloakroom::storage
