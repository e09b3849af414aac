#pragma once

#include "storage/keyspace/effects.h"

namespace cloakroom::server {

class PubSub;
struct Worker;

// Keyspace events of one thread's commands become messages on __keyspace@<db>__:<key> and
// __keyevent@<db>__:<event>, as notify-keyspace-events says.
class KeyspaceEvents final : public storage::EventSink {
 public:
  KeyspaceEvents(Worker& worker, PubSub& pubsub) : worker_(worker), pubsub_(pubsub) {}
  void take_events(const storage::Changes& changes) override;

 private:
  Worker& worker_;
  PubSub& pubsub_;
};

}  // namespace cloakroom::server
