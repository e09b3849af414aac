#pragma once

#include <atomic>
#include <cstdint>

namespace cloakroom::storage {

// A 4-byte mutex: spins briefly (guards are held for ~50 ns), then sleeps in the kernel so that a preempted
// holder is not spun on. Uncontended cost: one atomic exchange.
// States: 0 free, 1 held, 2 held with possible sleepers.
class Lock {
 public:
  void lock() {
    uint32_t expected = 0;
    if (!state_.compare_exchange_strong(expected, 1, std::memory_order_acquire)) lock_slow();
  }
  bool try_lock() {
    uint32_t expected = 0;
    return state_.compare_exchange_strong(expected, 1, std::memory_order_acquire);
  }
  void unlock() {
    if (state_.exchange(0, std::memory_order_release) == 2) state_.notify_one();
  }

 private:
  void lock_slow() {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (state_.load(std::memory_order_relaxed) == 0 && try_lock()) return;
      spin_wait();
    }
    while (state_.exchange(2, std::memory_order_acquire) != 0) state_.wait(2, std::memory_order_relaxed);
  }

  // Lets the other hyperthread run.
  static void spin_wait() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
  }

  static constexpr int kSpins = 100;
  std::atomic<uint32_t> state_{0};
};

}  // namespace cloakroom::storage
