#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/reply_writer.h"
#include "protocol/request_parser.h"
#include "server/command/command.h"
#include "storage/base/status.h"
#include "storage/keyspace/access.h"

namespace cloakroom::server {

class Client;
struct ServerState;
struct Worker;

struct Command;

// The keys of a command line in stored form, computed once each. Reused from command to command.
class KeyCache {
 public:
  // `known`: a key already computed (by the prefetch of the batch), or null.
  void start(const storage::KeySchema& schema, const storage::KeyRef* known) {
    schema_ = &schema;
    known_ = known;
    used_ = 0;
    ++round_;
    if (__builtin_expect(keys_.size() > kKeptKeys, 0)) shrink();
  }
  // The key at argument `index`, whose text is `raw`.
  const storage::KeyRef& get(size_t index, std::string_view raw);

 private:
  static constexpr size_t kKeptKeys = 4096;
  struct Slot {
    uint64_t round = 0;  // of the command the key belongs to
    size_t key = 0;      // in keys_
  };
  void shrink();

  const storage::KeySchema* schema_ = nullptr;
  const storage::KeyRef* known_ = nullptr;
  std::deque<storage::KeyRef> keys_;
  std::vector<Slot> by_argument_;
  size_t used_ = 0;
  uint64_t round_ = 0;
};

// Everything a handler may use. A handler parses its arguments, calls storage, and writes exactly one reply;
// it never touches sockets, threads or locks (rows with kOwnGuards excepted: they take guards through
// `access`). When it runs, the guards of its keys are held, the clock is frozen, the client's database is
// selected.
struct Context {
  ServerState& server;
  Worker& worker;
  Client& client;
  storage::Access& access;
  const CommandRow& row;
  const Command& command;
  std::span<const std::string_view> args;  // args[0] is the command's name as sent
  protocol::ReplyWriter& reply;

  // Stored form and hash of the key at argument `index`; computed once, stays valid during the command.
  const storage::KeyRef& key(size_t index);
  // The buffer of a large argument, for storage to share, or null. What is shared becomes others' as soon as
  // the guards go; that the batch keeps a share keeps the argument as it was until the batch is cleared.
  const protocol::SharedBytes* big(size_t index);

  size_t argc() const { return args.size(); }
  std::string_view arg(size_t index) const { return args[index]; }

  // Inside EXEC, where nothing may block.
  bool in_exec() const;

  // --- filled by the dispatcher
  KeyCache& keys;
  const protocol::Request* request = nullptr;  // null inside EXEC
};

}  // namespace cloakroom::server
