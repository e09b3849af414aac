#pragma once

#include <condition_variable>
#include <cstddef>
#include <thread>
#include <vector>

#include "storage/base/lock.h"
#include "storage/keyspace/kind.h"

namespace cloakroom::storage {

// Frees on a thread of its own what would keep an I/O thread busy for long: a set of a million members takes
// 300 ms. The thread begins with the first need of it. Thread-safe.
class Disposer {
 public:
  Disposer() = default;
  ~Disposer();  // once everything is freed
  Disposer(const Disposer&) = delete;
  Disposer& operator=(const Disposer&) = delete;

  // Takes the garbage, which holds about `bytes`, and leaves it empty; or leaves it to the caller, when so
  // much waits already that memory could grow faster than it is freed.
  void take(Garbage& garbage, size_t bytes);

 private:
  struct Load {
    Garbage garbage;
    size_t bytes;
  };
  static constexpr size_t kMostBytes = 256 << 20;

  void run();

  Mutex mutex_;
  std::condition_variable_any more_;
  std::vector<Load> loads_ CLOAKROOM_GUARDED_BY(mutex_);
  size_t waiting_bytes_ CLOAKROOM_GUARDED_BY(mutex_) = 0;  // of those, and of those being freed
  bool stop_ CLOAKROOM_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // begun under the lock
};

}  // namespace cloakroom::storage
