#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

// What a lock protects is declared, and clang checks it (-Wthread-safety, by clang-tidy): members guarded by a
// lock are touched only while it is held. Guards of shards are sets known at run time: they are asserted.
#if defined(__clang__)
#define CLOAKROOM_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define CLOAKROOM_THREAD_SAFETY(attribute)
#endif
#define CLOAKROOM_GUARDED_BY(lock) CLOAKROOM_THREAD_SAFETY(guarded_by(lock))
#define CLOAKROOM_NO_THREAD_SAFETY CLOAKROOM_THREAD_SAFETY(no_thread_safety_analysis)

namespace cloakroom::storage {

// A 4-byte mutex: spins briefly (guards are held for ~50 ns), then sleeps in the kernel so that a preempted
// holder is not spun on. Uncontended cost: one atomic exchange.
// States: 0 free, 1 held, 2 held with possible sleepers.
class CLOAKROOM_THREAD_SAFETY(capability("mutex")) Lock {
 public:
  void lock() CLOAKROOM_THREAD_SAFETY(acquire_capability()) {
    uint32_t expected = 0;
    if (!state_.compare_exchange_strong(expected, 1, std::memory_order_acquire)) lock_slow();
  }
  bool try_lock() CLOAKROOM_THREAD_SAFETY(try_acquire_capability(true)) {
    uint32_t expected = 0;
    return state_.compare_exchange_strong(expected, 1, std::memory_order_acquire);
  }
  void unlock() CLOAKROOM_THREAD_SAFETY(release_capability()) {
    if (state_.exchange(0, std::memory_order_release) == 2) state_.notify_one();
  }

 private:
  CLOAKROOM_NO_THREAD_SAFETY void lock_slow() {
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

// std::mutex, for what is held longer than a guard.
class CLOAKROOM_THREAD_SAFETY(capability("mutex")) Mutex {
 public:
  void lock() CLOAKROOM_THREAD_SAFETY(acquire_capability()) { mutex_.lock(); }
  void unlock() CLOAKROOM_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds a Lock or a Mutex while it lives.
template <class Mutual>
class CLOAKROOM_THREAD_SAFETY(scoped_lockable) Locked {
 public:
  explicit Locked(Mutual& mutex) CLOAKROOM_THREAD_SAFETY(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~Locked() CLOAKROOM_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  Mutual& mutex_;
};

}  // namespace cloakroom::storage
