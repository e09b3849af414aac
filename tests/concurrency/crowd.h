#pragma once

#include <atomic>
#include <barrier>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "storage/base/clock.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/expiry.h"
#include "storage/keyspace/keyspace_walk.h"
#include "tests/storage/commands.h"

namespace cloakroom::storage::test {

// Time that any thread may move on.
class SharedClock final : public Clock {
 public:
  int64_t wall_ms() const override { return now_ms_.load(); }
  int64_t wall_us() const override { return wall_ms() * 1000; }
  int64_t monotonic_us() const override { return wall_us(); }
  void advance(int64_t ms) { now_ms_ += ms; }

 private:
  std::atomic<int64_t> now_ms_{1'700'000'000'000};
};

// A keyspace of few shards, so that threads collide. doctest's assertions are for one thread: workers count
// what they find wrong, the test checks the count.
struct Crowd {
  explicit Crowd(uint32_t shards) : keyspace(options(shards), clock) {}
  ~Crowd() {
    Access access(keyspace);
    access.guard().take_all();
    flush_all(access);
    access.finish();
    reclaim_flushed(access);
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  static KeyspaceOptions options(uint32_t shards) {
    KeyspaceOptions options;
    options.shards = shards;
    return options;
  }

  // Runs all workers at once, each with an access of its own, until all have returned.
  using Worker = std::function<void(Commands&)>;
  void run(const std::vector<Worker>& workers) {
    std::barrier start(static_cast<std::ptrdiff_t>(workers.size()));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < workers.size(); ++i) {
      threads.emplace_back([this, i, &workers, &start] {
        Access access(keyspace);
        access.seed(i + 1);
        access.read_clock();
        Commands commands(access);
        start.arrive_and_wait();
        workers[i](commands);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  // The turn of every shard, as a thread of the server does it.
  void expire(Commands& cmd, uint32_t budget) {
    for (Shard* shard : keyspace.shards()) expiry_turn(cmd.access, *shard, budget);
    cmd.access.select(0);
  }
  void note(bool fine) { wrong += fine ? 0 : 1; }

  SharedClock clock;
  Keyspace keyspace;
  std::atomic<int> wrong{0};
};

// More under full tests.
inline int scaled(int n) { return std::getenv("CLOAKROOM_TEST_FULL") != nullptr ? n * 50 : n; }

}  // namespace cloakroom::storage::test
