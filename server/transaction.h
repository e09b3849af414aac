#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command_table.h"
#include "storage/access.h"
#include "storage/guard_plan.h"

namespace cloakroom::server {

// What MULTI has queued and WATCH watches. The arguments of all queued commands stand in one buffer, so
// queueing costs no allocation once warm. Own thread only.
class Transaction {
 public:
  struct Watched {
    uint32_t db;
    std::string text;
  };

  void queue(const Command& command, std::span<const std::string_view> args);
  void clear_queue();
  size_t queued() const { return commands_.size(); }
  const Command& command(size_t i) const { return *commands_[i].command; }
  bool writes() const { return writes_; }  // whether any queued command may change the keyspace
  // Appends views of the arguments of command i; valid until the next queue() or clear_queue().
  void args(size_t i, std::vector<std::string_view>& out) const;
  size_t total_args() const { return args_.size(); }
  size_t memory_bytes() const { return bytes_.capacity() + args_.capacity() * sizeof(Arg); }

  storage::Watcher watcher;
  std::vector<Watched> watched;

 private:
  struct Arg {
    size_t offset;
    size_t size;
  };
  struct Queued {
    const Command* command;
    uint32_t first_arg;
    uint32_t count;
  };

  std::string bytes_;
  std::vector<Arg> args_;
  std::vector<Queued> commands_;
  bool writes_ = false;
};

// What EXEC works out before it takes its guards. One per thread: its memory is reused.
struct ExecScratch {
  struct Range {
    uint32_t first;
    uint32_t count;
  };
  std::vector<std::string_view> args;  // of all commands
  std::vector<Range> command_args;     // by command
  std::vector<storage::KeyRef> keys;   // of all commands, then the watched ones; never grows past its reserve
  std::vector<int32_t> first_keys;     // by command: the key at its argument 1, or -1
  std::vector<storage::KeyUse> uses;
  std::vector<std::string_view> members;
  std::vector<const storage::KeyRef*> watched;
  std::vector<KeyArg> key_args;
  uint32_t db = 0;  // in which the next command of the queue will run
  bool everything = false;

  void clear();
};

// Used transactions, warm for the next MULTI on this thread. Own thread only.
class TransactionPool {
 public:
  std::unique_ptr<Transaction> take();
  void give(std::unique_ptr<Transaction> transaction);

 private:
  static constexpr size_t kKept = 16;
  static constexpr size_t kKeptBytes = 64 * 1024;  // a larger one is not worth keeping
  std::vector<std::unique_ptr<Transaction>> spare_;
};

}  // namespace cloakroom::server
