// The thread that brings the log to disk (storage/log/log_writer.h), and tells those who wait for it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "storage/log/log_files.h"
#include "storage/log/log_writer.h"

namespace cloakroom::server {

struct LogLink;
struct ServerState;

class LogThread {
 public:
  // The files are open; changes may go to the ring from here on. `hidden`: see LogWriter. `after_step` is called on this
  // thread.
  LogThread(ServerState& server, storage::LogFiles& files, bool hidden, std::function<void()> after_step);
  ~LogThread();  // stop()
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  void start();
  // Calls `done`, on this thread, once everything in the ring now is durable, or the disk says that it cannot be.
  void flush(std::function<void()> done);
  // Brings what is left to disk, as far as it goes, and ends the thread. Nothing is added any more.
  void stop();
  storage::LogWriter& writer() { return writer_; }

 private:
  void run();
  void wait(const storage::LogWriter::Next& next);
  void look_around();
  void tell_waiters();
  void finish_flush();

  ServerState& server_;
  LogLink& link_;
  storage::LogFiles& files_;
  storage::LogWriter writer_;
  std::function<void()> after_step_;
  uint64_t told_durable_ = 0;
  int told_error_ = 0;
  // Under the link's mutex.
  bool stopping_ = false;
  uint64_t flush_to_ = 0;
  std::function<void()> flushed_;
  std::thread thread_;
};

}  // namespace cloakroom::server
