#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply_writer.h"
#include "protocol/request_parser.h"
#include "server/command/command_table.h"
#include "server/dispatch/client.h"
#include "server/dispatch/context.h"
#include "server/dispatch/guard_planner.h"
#include "storage/keyspace/access.h"

namespace cloakroom::server {

struct Worker;
struct ServerState;

enum class Outcome : uint8_t {
  kDone,    // replied (or muted); look at the client's close flags
  kParked,  // not begun: waits for the end of CLIENT PAUSE, for memory or for what is due
};

// The requests of one read, with what the dispatcher finds out about them before any of them runs. Reused;
// one of several of a thread.
struct PreparedBatch {
  struct Item {
    const Command* command = nullptr;
    bool has_key = false;
  };
  PreparedBatch() : items(requests.max_requests()), first_keys(requests.max_requests()) {}

  protocol::RequestBatch requests;
  std::vector<Item> items;                  // parallel to the requests
  std::vector<storage::KeyRef> first_keys;  // likewise
};

// Turns requests into replies: finds the command, applies the rules that come before it (arity,
// authentication, memory, MULTI, pause), takes its guards, runs its handler, keeps the books. No I/O. One per
// thread.
class Dispatcher {
 public:
  // Requests whose entries are loaded ahead of running; more would push each other out of the cache.
  static constexpr size_t kWindow = 16;

  Dispatcher(ServerState& server, Worker& worker);

  // Reads the clock and the configuration: once for all that was ready together.
  void begin_turn();
  // Looks up the commands and keys of a batch and starts loading the lines of their buckets. Loading buckets,
  // then entries, for several requests before running them makes random keys 3x cheaper.
  void prepare(const Client& client, PreparedBatch& batch);
  // Starts loading the entries of requests [from, from + kWindow); their buckets have arrived.
  void prefetch_entries(const Client& client, const PreparedBatch& batch, size_t from);
  Outcome dispatch(Client& client, const PreparedBatch& batch, size_t index, protocol::ReplyWriter& reply);
  // A request that was kParked before, from a copy of its arguments.
  Outcome dispatch_parked(Client& client, const std::vector<std::string>& args, protocol::ReplyWriter& reply);

  // Runs a queued command of EXEC: all guards it may need are held. `first_key`: that of argument 1, or null.
  void run_queued(Client& client, const Command& command, std::span<const std::string_view> args,
                  const storage::KeyRef* first_key, protocol::ReplyWriter& reply);
  // Runs a command of a log that is loaded: nobody is told of it, nothing is counted.
  void run_loaded(Client& client, const Command& command, std::span<const std::string_view> args,
                  const storage::KeyRef* first_key, protocol::ReplyWriter& reply);
  uint64_t last_cycles() const { return command_cycles_; }  // when the last command ended

 private:
  Outcome dispatch_prepared(Client& client, const Command* command, std::span<const std::string_view> args,
                            const storage::KeyRef* first_key, const protocol::Request* request,
                            protocol::ReplyWriter& reply);
  Outcome dispatch_known(Client& client, const Command& command, Context& ctx);
  Outcome queue_or_call(Client& client, const Command& command, Context& ctx);
  void call(Client& client, Context& ctx);
  void run_with_guards(Context& ctx);
  void show_monitors(const Context& ctx);
  void account(Client& client, Context& ctx, uint64_t errors_before);
  void refresh_clock(uint64_t cycles);

  ServerState& server_;
  Worker& worker_;
  KeyCache keys_;
  GuardPlanner planner_;
  uint64_t queued_errors_ = 0;   // of the commands of the running EXEC: theirs, not EXEC's
  uint64_t clock_cycles_ = 0;    // when the clock was last read
  uint64_t command_cycles_ = 0;  // when the running command began
};

}  // namespace cloakroom::server
