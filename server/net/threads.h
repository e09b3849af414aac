#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/net/io_thread.h"

namespace cloakroom::server {

// All I/O threads. The first one is whoever calls run().
class Threads {
 public:
  Threads(ServerState& server, uint32_t count);  // adds them to the server's workers

  IoThread& first() { return *threads_[0]; }
  IoThread& operator[](size_t index) { return *threads_[index]; }
  IoThread& least_loaded();         // by connections; any thread
  size_t connection_count() const;  // with those whose threads have not taken them over yet; any thread
  void run();                       // until stop()
  void stop();                      // from any thread

 private:
  std::vector<std::unique_ptr<IoThread>> threads_;
};

}  // namespace cloakroom::server
