#pragma once

#include <memory>
#include <vector>

#include "server/config/config.h"
#include "server/dispatch/server_state.h"
#include "server/net/listeners.h"
#include "server/net/threads.h"
#include "server/persist/persistence.h"
#include "server/pubsub/keyspace_events.h"
#include "server/pubsub/pubsub.h"
#include "storage/base/clock.h"

namespace cloakroom::server {

// The whole server: its state, the threads that work on it, the sockets they are reached by.
class Server final : public ServerState {
  PubSub pubsub_;                                        // outlives the threads' clients
  std::vector<std::unique_ptr<KeyspaceEvents>> events_;  // by thread

 public:
  // Throws std::runtime_error when it cannot start (patterns, renamed commands).
  Server(std::shared_ptr<ConfigStore> config, const storage::Clock& clock);
  ~Server();

  // Listens, loads what is on disk, runs the threads, returns the exit code after shutdown(). Throws
  // std::runtime_error when nothing can be listened on, or what is on disk not be read.
  int run();

  Threads threads;

 private:
  std::unique_ptr<Listeners> listeners_;
  std::unique_ptr<Persistence> persistence_;
};

}  // namespace cloakroom::server
