#pragma once

#include <atomic>
#include <cstdint>
#include <deque>

#include "storage/base/clock.h"
#include "storage/keyspace/eviction.h"

namespace cloakroom::server {

class Client;
struct Worker;

// For how long memory has been over maxmemory, for INFO. Any thread.
class MemoryExcess {
 public:
  void note(bool over, const storage::Clock& clock);
  int64_t current_us(const storage::Clock& clock) const;
  int64_t total_us(const storage::Clock& clock) const;  // the current one included
  void reset() { total_us_ = 0; }

 private:
  std::atomic<int64_t> since_us_{0};  // 0: it is not
  std::atomic<int64_t> total_us_{0};
};

// One thread's part in keeping memory at maxmemory. Own thread only.
//
// Before each command keys are evicted for a bounded time (maxmemory-eviction-tenacity: 500 us). What is over
// the limit then is evicted between commands, in turns behind the sockets that are ready, until the limit
// holds. Meanwhile commands run, as in Redis, but for those that may take memory: they run only as long as
// this thread's commands have not added more than its evictions gave back. Others wait for their room, with
// their connection, in order. So what is over the limit only shrinks, but for a command a thread.
class MemoryLimit {
 public:
  enum class Verdict : uint8_t {
    kRun,
    kWait,    // run it later: see wait()
    kRefuse,  // nothing can be evicted
  };

  explicit MemoryLimit(Worker& worker) : worker_(worker) {}

  // Before a command, of which `argument_bytes` are not yet counted anywhere. `grows`: it may take memory.
  Verdict admit(bool grows, size_t argument_bytes);
  // The client is parked (Outcome::kParked) and goes on once there is room.
  void wait(Client& client);
  // Begins to evict between commands if memory is over the limit.
  void look();

 private:
  static constexpr int64_t kSlackBytes = 64 * 1024;

  storage::Room make_room(size_t argument_bytes);
  bool suspended() const;
  bool may_grow();
  void go_on();
  void turn();
  void resume_first();

  Worker& worker_;
  std::deque<uint64_t> waiting_;  // ids of clients
  bool going_on_ = false;         // a turn is under way
  // While over the limit: the least that the keyspace had grown under this thread's hands.
  bool over_ = false;
  int64_t least_growth_ = 0;
};

}  // namespace cloakroom::server
