#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command/command_table.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/guard_plan.h"

namespace cloakroom::server {

class Client;

// What MULTI has queued and WATCH watches. The arguments of queued commands stand in blocks that grow with
// their number: queueing a few costs no allocation once warm, queueing very many takes hardly more than they
// are. Own thread only.
class Transaction {
 public:
  struct Watched {
    uint32_t db;
    std::string text;
  };

  void queue(const Command& command, std::span<const std::string_view> args);
  void clear_queue(storage::Garbage& garbage);  // which gets what is too large to be kept
  size_t queued() const { return commands_.size(); }
  const Command& command(size_t i) const { return *commands_[i].command; }
  bool writes() const { return writes_; }  // whether any queued command may change the keyspace
  // Appends views of the arguments of command i; valid until clear_queue().
  void args(size_t i, std::vector<std::string_view>& out) const;
  size_t total_args() const { return args_.size(); }
  // Of the queue and of the watches, their part of the keyspace's tables included.
  size_t memory_bytes() const {
    return block_bytes_ + blocks_.capacity() * sizeof(Block) + args_.capacity() * sizeof(std::string_view) +
           commands_.capacity() * sizeof(Queued) + watched.capacity() * sizeof(Watched) + watched_key_bytes_;
  }
  void add_watched(uint32_t db, std::string_view key);
  void clear_watched();

  storage::Watcher watcher;
  std::vector<Watched> watched;  // to be changed by the above

 private:
  static constexpr size_t kFirstBlockBytes = 4096;
  static constexpr size_t kKeptArgs = 1024;
  static constexpr size_t kMostBlockBytes = 64 * 1024;

  using Block = std::unique_ptr<char[]>;
  struct Queued {
    const Command* command;
    uint32_t first_arg;
    uint32_t count;
  };

  char* add_block(size_t bytes);
  void fill_block();
  char* room_for(size_t bytes);

  std::vector<Block> blocks_;  // the first is kept
  size_t block_bytes_ = 0;     // of all
  char* free_ = nullptr;       // in the block being filled
  size_t free_bytes_ = 0;
  size_t next_block_bytes_ = kFirstBlockBytes;
  std::vector<std::string_view> args_;
  std::vector<Queued> commands_;
  size_t watched_key_bytes_ = 0;  // of their texts and in the tables
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
  std::vector<KeyArg> key_args;
  uint32_t db = 0;  // in which the next command of the queue will run
  bool everything = false;

  void clear();
  // Of what it keeps between commands.
  size_t memory_bytes() const;
};

// Used transactions, warm for the next MULTI on this thread. Own thread only.
class TransactionPool {
 public:
  static constexpr size_t kKeptBytes = 64 * 1024;  // a larger one is not worth keeping

  std::unique_ptr<Transaction> take();
  // Returns what it does not keep: to be freed when no guard is held.
  std::unique_ptr<Transaction> give(std::unique_ptr<Transaction> transaction);

 private:
  static constexpr size_t kKept = 16;
  std::vector<std::unique_ptr<Transaction>> spare_;
};

// All on the client's own thread.
// UNWATCH. Takes the guards it needs unless they are held.
void unwatch_all(storage::Access& access, Client& client);
// Leaves MULTI, forgetting the queue and the watches.
void discard_transaction(storage::Access& access, Client& client);
// An idle client keeps no transaction; one that EXEC is running (an UNWATCH may be queued in it) stays.
void drop_if_unused(storage::Access& access, Client& client);

}  // namespace cloakroom::server
