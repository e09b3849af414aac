#include "server/pubsub/keyspace_events.h"

#include <fmt/format.h>

#include <iterator>
#include <string>

#include "server/config/config.h"
#include "server/dispatch/server_state.h"
#include "server/pubsub/pubsub.h"

namespace cloakroom::server {

void KeyspaceEvents::take_events(const storage::Changes& changes) {
  if (!pubsub_.anybody()) return;
  const uint32_t wanted = worker_.server.notify_keyspace_events.load(std::memory_order_relaxed);
  std::string channel;
  const auto publish = [&](std::string_view prefix, uint32_t db, std::string_view name,
                           std::string_view about) {
    channel.clear();
    fmt::format_to(std::back_inserter(channel), "{}{}__:", prefix, db);
    channel += name;
    pubsub_.publish(worker_, PubSub::Kind::kChannel, channel, about);
  };
  changes.for_each_event([&](const storage::Changes::Event& event) {
    if ((wanted & kNotifyKeyspace) != 0) publish("__keyspace@", event.db, event.key, event.name);
    if ((wanted & kNotifyKeyevent) != 0) publish("__keyevent@", event.db, event.name, event.key);
  });
}

}  // namespace cloakroom::server
