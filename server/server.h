#pragma once

#include <memory>

#include "server/config/config.h"
#include "server/dispatch/server_state.h"
#include "server/net/listeners.h"
#include "server/net/threads.h"
#include "storage/base/clock.h"

namespace cloakroom::server {

// The whole server: its state, the threads that work on it, the sockets they are reached by.
class Server final : public ServerState {
 public:
  // Throws std::runtime_error when it cannot start (patterns, renamed commands).
  Server(std::shared_ptr<ConfigStore> config, const storage::Clock& clock);
  ~Server();

  // Listens, runs the threads, returns the exit code after shutdown(). Throws std::runtime_error when nothing
  // can be listened on.
  int run();

  Threads threads;

 private:
  std::unique_ptr<Listeners> listeners_;
};

}  // namespace cloakroom::server
