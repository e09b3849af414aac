#include "server/persist/log_thread.h"

#include <pthread.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/stats/log.h"

namespace cloakroom::server {

using storage::LogSync;
using storage::LogWriter;

LogThread::LogThread(ServerState& server, storage::LogFiles& files)
    : server_(server),
      files_(files),
      writer_(server.append_log.ring, files, server.append_log.state, server.clock) {
  server_.append_log.wake_thread = [this] { wake(); };
  thread_ = std::thread([this] { run(); });
}

LogThread::~LogThread() { stop(); }

void LogThread::wake() {
  const std::lock_guard lock(mutex_);
  awake_ = true;
  woken_.notify_one();
}

void LogThread::flush(std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    flush_to_ = server_.append_log.ring.head();
    flushed_ = std::move(done);
    writer_.hurry(true);
  }
  wake();
}

void LogThread::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    writer_.hurry(true);
  }
  wake();
  thread_.join();
  if (files_.file() != nullptr) files_.file()->sync();  // also with appendfsync no
}

void LogThread::run() {
  pthread_setname_np(pthread_self(), "log");
  for (;;) {
    const LogWriter::Next next = writer_.step();
    look_around();
    if (next.at_us == 0) continue;
    finish_flush();
    const bool at_rest = server_.append_log.state.durable.load() == server_.append_log.ring.head();
    const bool failed = server_.append_log.state.write_error.load() != 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ && (at_rest || failed)) return;
    }
    wait(next);
  }
}

void LogThread::wait(const LogWriter::Next& next) {
  const int64_t now_us = server_.clock.monotonic_us();
  const auto until = [&](int64_t us) {
    return std::chrono::steady_clock::now() + std::chrono::microseconds(us - now_us);
  };
  const bool always = server_.append_log.state.sync.load(std::memory_order_relaxed) == LogSync::kAlways;
  std::unique_lock lock(mutex_);
  const auto urgent = [&] { return stopping_ || flushed_ != nullptr; };
  // Short groups are taken together: nobody waits for them.
  if (next.gathers && !always) woken_.wait_until(lock, until(now_us + LogWriter::kGatherUs), urgent);
  if (urgent()) {
    if (!next.gathers) woken_.wait_until(lock, until(now_us + LogWriter::kGatherUs));
    return;
  }
  awake_ = false;
  server_.append_log.sleeps = true;
  const bool news = next.gathers && server_.append_log.ring.head() != server_.append_log.state.written.load();
  if (!news) {
    if (next.at_us == INT64_MAX) {
      woken_.wait(lock, [&] { return awake_; });
    } else {
      woken_.wait_until(lock, until(next.at_us), [&] { return awake_; });
    }
  }
  server_.append_log.sleeps = false;
}

// What has come about in the last step, for others and for the log.
void LogThread::look_around() {
  const storage::LogState& state = server_.append_log.state;
  const int error = state.write_error.load();
  if (error != told_error_) {
    const bool always = state.sync.load() == LogSync::kAlways;
    if (error != 0)
      log(LogLevel::kWarning, std::string("Error writing to the AOF file: ") + std::strerror(error));
    if (error != 0 && always) {
      log(LogLevel::kWarning,
          "Can't recover from an AOF write error when the AOF fsync policy is 'always'. Exiting...");
      std::_Exit(1);
    }
    if (error == 0) log(LogLevel::kWarning, "AOF write error looks solved. The server can write again.");
    server_.keyspace->forbid_ending(storage::Keyspace::kLogForbids, error != 0);
    told_error_ = error;
  }
  if (state.durable.load(std::memory_order_relaxed) == told_durable_ && error == 0) return;
  told_durable_ = state.durable.load();
  tell_waiters();
}

void LogThread::tell_waiters() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (Worker* worker : server_.workers) {
    if (worker->log_waiters.waits.load()) worker->post([worker] { worker->log_waiters.release(); });
  }
}

void LogThread::finish_flush() {
  std::function<void()> done;
  {
    const std::lock_guard lock(mutex_);
    const bool reached = server_.append_log.state.durable.load() >= flush_to_;
    if (flushed_ == nullptr || (!reached && server_.append_log.state.write_error.load() == 0)) return;
    done = std::exchange(flushed_, nullptr);
    if (!stopping_) writer_.hurry(false);
  }
  tell_waiters();
  done();
}

}  // namespace cloakroom::server
