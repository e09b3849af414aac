#include "storage/keyspace/disposer.h"

#include <utility>

namespace cloakroom::storage {

Disposer::~Disposer() {
  {
    const Locked lock(mutex_);
    stop_ = true;
  }
  more_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Disposer::take(Garbage& garbage, size_t bytes) {
  {
    const Locked lock(mutex_);
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
      const Locked lock(mutex_);
      while (!stop_ && loads_.empty()) more_.wait(mutex_);
      if (loads_.empty()) return;
      loads.swap(loads_);
    }
    for (Load& load : loads) {
      load.garbage.clear();
      const Locked lock(mutex_);
      waiting_bytes_ -= load.bytes;
    }
  }
}

}  // namespace cloakroom::storage
