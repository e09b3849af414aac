// Takes groups from the ring and brings them to disk: a state machine whose step() makes at most one call of the disk
// that may take long. A thread drives it (server/persist), or a simulation.
//
//   kRunning  -- an append or sync fails -->  kFailed: nothing more is appended, the ring keeps what was not synced
//      ^                                         |  once a second
//      |                                         v
//      +--- all synced, then listed ------  kRepairing: the old file is cut to its last synced group, what was not
//                                           synced goes to a new increment that nobody lists yet
//
// A descriptor whose sync failed is never synced again. What is durable never becomes less; while the log is being
// repaired it becomes no more either, until the manifest lists the new increment.
//
// Invariants: a group lies in one file. Every file begins with SELECT. A file is synced only when it ends with a whole
// group.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.h"
#include "storage/log/log_files.h"
#include "storage/log/log_ring.h"

namespace cloakroom::storage {

enum class LogSync : uint8_t { kAlways, kEverySecond, kNever };

// What others may set and see at any time, from any thread.
struct LogState {
  std::atomic<LogSync> sync{LogSync::kEverySecond};
  std::atomic<bool> timestamps{false};

  std::atomic<uint64_t> durable{0};          // position: what lies before is safe, as far as `sync` promises
  std::atomic<uint64_t> written{0};          // position: what lies before was given to the kernel
  std::atomic<int64_t> oldest_us{0};         // monotonic: since when something is not durable; 0: nothing is
  std::atomic<int> write_error{0};           // errno while the log takes nothing
  std::atomic<int64_t> syncing_since_us{0};  // monotonic: a sync runs since then; 0: none
  std::atomic<uint64_t> file_bytes{0};       // of the file appended to
  std::atomic<uint64_t> other_bytes{0};      // of the others listed
  std::atomic<int> drop_error{0};            // errno of the last attempt to drop old files
  std::atomic<uint64_t> syncs{0};
};

class LogWriter {
 public:
  static constexpr int64_t kSyncAfterUs = 500'000;  // everysec: a sync starts this long after the oldest byte
  static constexpr int64_t kStallAfterUs =
      1'000'000;                               // everysec: and nobody writes on when it is as old as that
  static constexpr int64_t kGatherUs = 5'000;  // unless `always`: that long groups are waited for

  // The files are open. Nothing of the ring was taken yet. `hidden`: the increment is not listed, and those that follow
  // it are not either, until older files were dropped (drop_old_at): before that they are not all there is.
  LogWriter(LogRing& ring, LogFiles& files, LogState& state, const Clock& clock, bool hidden = false);

  // When step() has something to do again: now, at a time, or once there is a new group.
  struct Next {
    int64_t at_us = 0;     // monotonic; 0: now, INT64_MAX: not by itself
    bool gathers = false;  // also when a new group comes
  };
  Next step();

  // From the group at this position on (the ring's head under all guards) a new increment is written.
  void rotate_at(uint64_t position) { rotate_at_.store(position, std::memory_order_release); }
  // Once this position is durable, increments before the one the last rotation began are dropped.
  void drop_old_at(uint64_t position) { drop_at_.store(position, std::memory_order_release); }
  bool rotates() const { return rotate_at_.load(std::memory_order_acquire) != kNone; }
  bool drops() const { return drop_at_.load(std::memory_order_acquire) != kNone; }
  // Everything in the ring is to be durable soon, whatever `sync` says: until it is.
  void hurry(bool on) { hurry_.store(on, std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;
  static constexpr size_t kBufferBytes = 256 * 1024;
  static constexpr uint64_t kMostUnsynced = 4 << 20;  // everysec: then it is synced earlier
  static constexpr int64_t kRetryUs = 1'000'000;
  static constexpr int64_t kLongestWaitUs = 60'000'000;

  enum class Mode : uint8_t { kRunning, kFailed, kRepairing };
  struct Mark {
    uint64_t position;  // what was reserved from here on ...
    int64_t us;         // ... was so after this
  };

  LogSync policy() const {
    return hurry_.load(std::memory_order_relaxed) ? LogSync::kAlways
                                                  : state_.sync.load(std::memory_order_relaxed);
  }
  void note_age(int64_t now_us);
  void fill(int64_t now_us);
  void take(const LogRing::Group& group);
  void add_preamble(uint32_t db);
  void write();
  void consume(size_t bytes);
  bool sync_is_due(int64_t now_us) const;
  void sync();
  void publish_durable(uint64_t position);
  void rotate();
  void begin_file();
  void drop_old();
  bool drop_is_due(int64_t now_us) const;
  void fail(int error);
  void fail_unlisted(int error);
  void repair();
  void repair_listing();
  void finish_repair();
  void resume();
  Next next_step(int64_t now_us) const;
  bool pending() const { return piece_ < pieces_.size(); }

  LogRing& ring_;
  LogFiles& files_;
  LogState& state_;
  const Clock& clock_;
  Mode mode_ = Mode::kRunning;
  bool hidden_;
  bool unlisted_ = false;  // the file is whole; the manifest has to list it before anything else
  int64_t retry_us_ = 0;
  int64_t drop_wait_us_ = 0;  // between attempts
  int64_t drop_after_us_ = 0;
  std::atomic<uint64_t> rotate_at_{kNone};
  std::atomic<uint64_t> drop_at_{kNone};
  std::atomic<bool> hurry_{false};
  uint64_t keep_from_ = 0;  // number of the increment the last rotation began
  uint64_t taken_ = 0;      // position behind the groups in pieces_ or on disk
  uint64_t synced_ = 0;     // position; what is durable unless it is being repaired
  uint64_t file_bytes_ = 0;
  uint64_t synced_bytes_ = 0;  // of the file; the end of a group
  uint32_t db_ = UINT32_MAX;   // as of the last group in the file
  int64_t stamped_s_ = 0;      // the last #TS
  std::string buffer_;
  std::vector<std::string_view> pieces_;  // to be appended, from piece_ on
  size_t piece_ = 0;
  std::deque<Mark> marks_;
};

}  // namespace cloakroom::storage
