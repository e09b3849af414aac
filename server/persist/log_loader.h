// Runs the commands of a log, at a start: one thread reads and takes apart what is on disk and touches no key; the I/O
// threads run the commands whose keys are theirs, each thread's in order, in bounded turns, so that they answer clients
// meanwhile. A command whose keys belong to several threads waits until all before it have run, and all behind it wait
// for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/command/command_table.h"
#include "storage/log/log_recovery.h"

namespace cloakroom::server {

struct ServerState;
struct Worker;

class LogLoader {
 public:
  // `progress` is called once a second, on the reading thread.
  LogLoader(ServerState& server, storage::LogRecovery& recovery, std::function<void()> progress);
  ~LogLoader();

  // The workers' loops run, or are about to. `done` is called once, on the reading thread: nothing of the log is left to
  // run, or, with a text, why it cannot be loaded.
  void start(std::function<void(std::string refusal)> done);
  // Stops soon; `done` is not called if it was not yet.
  void stop();

  // For INFO. Any thread.
  uint64_t commands() const { return commands_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

 private:
  // What one thread has to do of a batch.
  struct Part {
    std::shared_ptr<storage::LogBatch> batch;
    std::vector<uint32_t> commands;  // indices
    std::vector<const Command*> rows;
    size_t next = 0;
  };
  class Runner;

  std::string read();
  bool distribute(const std::shared_ptr<storage::LogBatch>& batch);
  Worker* owner_of(const Command& command, std::span<const std::string_view> words);
  void hand_out(Worker& worker);
  void hand_out_all();
  void wait_for(size_t most_parts);
  void turn(Worker& worker);

  ServerState& server_;
  storage::LogRecovery& recovery_;
  std::function<void()> progress_;
  std::vector<std::unique_ptr<Runner>> runners_;  // by worker
  std::vector<std::shared_ptr<Part>> parts_;      // by worker: being put together
  std::vector<KeyArg> key_args_;
  std::string unknown_;  // why a command cannot be run
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> commands_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> errors_{0};
  std::mutex mutex_;  // of what follows
  std::condition_variable parts_done_;
  size_t parts_out_ = 0;
  std::vector<std::deque<std::shared_ptr<Part>>> queues_;  // by worker; while one is not empty it has turns
  std::thread thread_;
};

}  // namespace cloakroom::server
