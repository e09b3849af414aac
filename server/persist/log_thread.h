// The thread that brings the log to disk (storage/log/log_writer.h), and tells those who wait for it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "storage/log/log_files.h"
#include "storage/log/log_writer.h"

namespace cloakroom::server {

struct ServerState;

class LogThread {
 public:
  // The files are open; changes may go to the ring from here on.
  LogThread(ServerState& server, storage::LogFiles& files);
  ~LogThread();  // stop()
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  // Calls `done`, on this thread, once everything in the ring now is durable, or the disk says that it cannot be.
  void flush(std::function<void()> done);
  // Brings what is left to disk, as far as it goes, and ends the thread. Nothing is added any more.
  void stop();
  storage::LogWriter& writer() { return writer_; }
  void wake();

 private:
  void run();
  void wait(const storage::LogWriter::Next& next);
  void look_around();
  void tell_waiters();
  void finish_flush();

  ServerState& server_;
  storage::LogFiles& files_;
  storage::LogWriter writer_;
  uint64_t told_durable_ = 0;
  int told_error_ = 0;
  bool stalled_ = false;
  std::mutex mutex_;  // of what follows
  std::condition_variable woken_;
  bool awake_ = false;
  bool stopping_ = false;
  uint64_t flush_to_ = 0;
  std::function<void()> flushed_;
  std::thread thread_;
};

}  // namespace cloakroom::server
