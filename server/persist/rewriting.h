// Rewriting the log while the server runs (storage/log/rewriter.h): the turns of the I/O threads, when one begins, and
// what INFO tells of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "storage/base/lock.h"
#include "storage/log/log_writer.h"
#include "storage/log/rewriter.h"

namespace cloakroom::server {

struct ServerState;
struct Worker;

class Rewriting {
 public:
  explicit Rewriting(ServerState& server);

  // From any thread. False: one is under way.
  bool schedule();
  // There is a log, which `writer` writes. No guards are held.
  void attach(storage::LogWriter& writer);
  // All guards are held, and none is under way: begins, from the ring's head on. `rotate`: in a new increment. Then
  // start_turns().
  void begin(bool rotate);
  void start_turns();
  // On the log's thread, after each of its steps: whether it is over, or another is due because the log has grown.
  void look();
  bool running() const { return stage_.load() != Stage::kIdle; }
  // All guards are held, and the log ends. One that is under way goes on until running() is false, but writes nothing.
  void end();

  struct Status {
    bool in_progress = false;
    int64_t last_s = -1;     // how long the last one took
    int64_t current_s = -1;  // since when this one runs
    bool ok = true;
    uint64_t rewrites = 0;
    uint64_t base_bytes = 0;  // what the log held when the last one was over
  };
  Status status() const;

 private:
  enum class Stage : uint8_t { kIdle, kScheduled, kRestating, kDropping };

  void turn(Worker& worker);
  void all_restated();
  bool may_go_on() const;
  bool is_due() const;

  ServerState& server_;
  storage::Rewriter rewriter_;
  storage::Lock lock_;
  storage::LogWriter* writer_ CLOAKROOM_GUARDED_BY(lock_) = nullptr;  // null: there is no log
  std::atomic<Stage> stage_{Stage::kIdle};
  std::vector<uint32_t> next_shards_;  // by worker, its own
  std::atomic<uint32_t> workers_left_{0};
  std::atomic<int64_t> begun_us_{0};
  std::atomic<int64_t> last_s_{-1};
  std::atomic<uint64_t> rewrites_{0};
  std::atomic<uint64_t> base_bytes_{0};
};

}  // namespace cloakroom::server
