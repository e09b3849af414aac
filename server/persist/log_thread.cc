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

LogThread::LogThread(ServerState& server, storage::LogFiles& files, bool hidden,
                     std::function<void()> after_step)
    : server_(server),
      link_(server.append_log),
      files_(files),
      writer_(server.append_log.ring, files, server.append_log.state, server.clock, hidden),
      after_step_(std::move(after_step)) {}

LogThread::~LogThread() { stop(); }

void LogThread::start() {
  thread_ = std::thread([this] { run(); });
}

void LogThread::flush(std::function<void()> done) {
  {
    const std::lock_guard lock(link_.mutex);
    flush_to_ = link_.ring.head();
    flushed_ = std::move(done);
    writer_.hurry(true);
  }
  link_.wake_thread();
}

void LogThread::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(link_.mutex);
    stopping_ = true;
    writer_.hurry(true);
  }
  link_.wake_thread();
  thread_.join();
  if (files_.file() != nullptr) files_.file()->sync();  // also with appendfsync no
}

void LogThread::run() {
  pthread_setname_np(pthread_self(), "log");
  for (;;) {
    const LogWriter::Next next = writer_.step();
    look_around();
    after_step_();
    if (next.at_us == 0) continue;
    finish_flush();
    const bool at_rest = link_.state.durable.load() == link_.ring.head();
    const bool failed = link_.state.write_error.load() != 0;
    {
      const std::lock_guard lock(link_.mutex);
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
  const bool always = link_.state.sync.load(std::memory_order_relaxed) == LogSync::kAlways;
  std::unique_lock lock(link_.mutex);
  const auto urgent = [&] { return stopping_ || flushed_ != nullptr; };
  // Short groups are taken together: nobody waits for them.
  if (next.gathers && !always) link_.woken.wait_until(lock, until(now_us + LogWriter::kGatherUs), urgent);
  if (urgent()) {
    if (!next.gathers) link_.woken.wait_until(lock, until(now_us + LogWriter::kGatherUs));
    return;
  }
  link_.awake = false;
  link_.sleeps = true;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool news = next.gathers && link_.ring.head() != link_.state.written.load();
  if (!news) {
    if (next.at_us == INT64_MAX) {
      link_.woken.wait(lock, [&] { return link_.awake; });
    } else {
      link_.woken.wait_until(lock, until(next.at_us), [&] { return link_.awake; });
    }
  }
  link_.sleeps = false;
}

// What has come about in the last step, for others and for the log.
void LogThread::look_around() {
  const storage::LogState& state = link_.state;
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
  if (link_.takes_writes(server_.clock.monotonic_us())) {
    server_.keyspace->forbid_ending(storage::Keyspace::kLogForbids, false);
  }
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
    const std::lock_guard lock(link_.mutex);
    const bool reached = link_.state.durable.load() >= flush_to_;
    if (flushed_ == nullptr || (!reached && link_.state.write_error.load() == 0)) return;
    done = std::exchange(flushed_, nullptr);
    if (!stopping_) writer_.hurry(false);
  }
  tell_waiters();
  done();
}

}  // namespace cloakroom::server
