#include "server/persist/rewriting.h"

#include <algorithm>

#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/stats/log.h"
#include "storage/base/assert.h"

namespace cloakroom::server {
namespace {

constexpr size_t kMostAhead = 8 << 20;  // bytes in the ring: then the disk is to catch up first
constexpr int64_t kCatchUpMs = 2;
constexpr int64_t kSecondUs = 1'000'000;

}  // namespace

Rewriting::Rewriting(ServerState& server)
    : server_(server),
      rewriter_(*server.keyspace, server.append_log.ring),
      next_shards_(server.workers.size()) {}

void Rewriting::attach(storage::LogWriter& writer) {
  const storage::Locked lock(lock_);
  writer_ = &writer;
  base_bytes_ = server_.append_log.state.file_bytes + server_.append_log.state.other_bytes;
}

bool Rewriting::schedule() {
  Stage idle = Stage::kIdle;
  if (!stage_.compare_exchange_strong(idle, Stage::kScheduled)) return false;
  server_.workers[0]->post([this] {
    storage::Access& access = server_.workers[0]->access;
    access.read_clock();
    access.guard().take_all();
    begin(true);
    access.finish();
    if (running()) start_turns();
  });
  return true;
}

void Rewriting::begin(bool rotate) {
  const storage::Locked lock(lock_);
  stage_ = writer_ == nullptr ? Stage::kIdle : Stage::kRestating;
  if (writer_ == nullptr) return;
  if (rotate) writer_->rotate_at(server_.append_log.ring.head());
  rewriter_.begin();
}

void Rewriting::start_turns() {
  log(LogLevel::kNotice, "Rewriting the append-only file begins");
  begun_us_ = server_.clock.monotonic_us();
  ++rewrites_;
  workers_left_ = static_cast<uint32_t>(server_.workers.size());
  for (Worker* worker : server_.workers) {
    next_shards_[worker->index] = worker->index;
    worker->post([this, worker] { turn(*worker); });
  }
  server_.append_log.wake_thread();
}

void Rewriting::end() {
  const storage::Locked lock(lock_);
  writer_ = nullptr;
  rewriter_.end();
  if (stage_.load() == Stage::kDropping) stage_ = Stage::kIdle;
}

// All is marked: once that is durable, what is older goes.
void Rewriting::all_restated() {
  const storage::Locked lock(lock_);
  if (writer_ != nullptr) writer_->drop_old_at(server_.append_log.ring.head());
  stage_ = writer_ == nullptr ? Stage::kIdle : Stage::kDropping;
}

bool Rewriting::may_go_on() const {
  const LogLink& log = server_.append_log;
  return log.ring.waiting_bytes() < kMostAhead && log.takes_writes(server_.clock.monotonic_us());
}

// Restates this thread's share of the shards, a bounded time; then clients are served before it goes on.
void Rewriting::turn(Worker& worker) {
  if (server_.stopping()) return;
  const uint64_t end = cycle_count() + server_.cycles_per_100us * 5 / 2;
  const auto step = static_cast<uint32_t>(server_.workers.size());
  uint32_t& next = next_shards_[worker.index];
  bool goes_on = may_go_on();
  const bool waits = !goes_on;
  while (goes_on && next < server_.keyspace->shard_count() && cycle_count() < end) {
    const auto turn = rewriter_.turn(worker.access, server_.keyspace->shard(next));
    if (turn == storage::Rewriter::Turn::kDone) next += step;
    goes_on = turn != storage::Rewriter::Turn::kBusy && may_go_on();
  }
  server_.append_log.wake(server_.append_log.ring.head());
  if (next >= server_.keyspace->shard_count()) {
    if (--workers_left_ != 0) return;
    all_restated();
    return server_.append_log.wake_thread();
  }
  const auto again = [this, &worker] { turn(worker); };
  waits ? worker.run_after(kCatchUpMs, again) : worker.run_soon(again);
}

bool Rewriting::is_due() const {
  const auto config = server_.config->snapshot();
  const auto percentage = static_cast<uint64_t>(config->auto_aof_rewrite_percentage);
  if (percentage == 0) return false;
  const storage::LogState& state = server_.append_log.state;
  const uint64_t now = state.file_bytes.load() + state.other_bytes.load();
  const uint64_t base = std::max<uint64_t>(base_bytes_, 1);
  return now > static_cast<uint64_t>(config->auto_aof_rewrite_min_size) &&
         now * 100 / base >= 100 + percentage;
}

void Rewriting::look() {
  bool finished = false;
  {
    const storage::Locked lock(lock_);
    if (writer_ == nullptr) return;
    finished = stage_.load() == Stage::kDropping && !writer_->drops();
    if (finished) {
      base_bytes_ = server_.append_log.state.file_bytes + server_.append_log.state.other_bytes;
      last_s_ = (server_.clock.monotonic_us() - begun_us_) / kSecondUs;
      stage_ = Stage::kIdle;
    }
  }
  if (finished) log(LogLevel::kNotice, "Rewriting the append-only file has finished");
  if (stage_.load() == Stage::kIdle && is_due()) schedule();
}

Rewriting::Status Rewriting::status() const {
  Status out;
  const Stage stage = stage_.load();
  out.in_progress = stage != Stage::kIdle;
  out.last_s = last_s_;
  if (out.in_progress && stage != Stage::kScheduled)
    out.current_s = (server_.clock.monotonic_us() - begun_us_) / kSecondUs;
  out.ok = server_.append_log.state.drop_error.load() == 0;
  out.rewrites = rewrites_;
  out.base_bytes = base_bytes_;
  return out;
}

}  // namespace cloakroom::server
