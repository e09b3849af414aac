#include "server/dispatch/log_link.h"

#include <utility>

#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"

namespace cloakroom::server {

bool LogLink::takes_writes(int64_t now_us) const {
  if (!on.load(std::memory_order_relaxed)) return true;
  if (!ring.has_room() || state.write_error.load(std::memory_order_relaxed) != 0) return false;
  if (state.sync.load(std::memory_order_relaxed) != storage::LogSync::kEverySecond) return true;
  const int64_t oldest_us = state.oldest_us.load(std::memory_order_relaxed);
  return oldest_us == 0 || now_us - oldest_us < storage::LogWriter::kStallAfterUs;
}

void LogLink::wake_thread() {
  const std::lock_guard lock(mutex);
  awake = true;
  woken.notify_one();
}

// Who begins to wait sets the flag and looks again; the log's thread moves on and then looks at the flag.
void LogWaiters::note() {
  waits.store(true);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void LogWaiters::wait_for_room(Client& client) {
  if (!client.is(Client::kWaitsForRoom)) for_room_.push_back(client.id);
  client.set(Client::kWaitsForRoom, true);
  note();
  if (worker_.server.append_log.ring.has_room()) ++worker_.server.append_log.delayed_syncs;
  if (worker_.server.append_log.takes_writes(worker_.server.clock.monotonic_us())) {
    worker_.run_soon([this] { release(); });
  }
}

void LogWaiters::wait_for_position(Client& client, uint64_t position) {
  for_position_.push_back({client.id, position});
  note();
  if (!worker_.server.append_log.withholds(position)) worker_.run_soon([this] { release(); });
}

void LogWaiters::release() {
  const LogLink& log = worker_.server.append_log;
  waits.store(false);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  while (!for_position_.empty() && !log.withholds(for_position_.front().position)) {
    const uint64_t id = for_position_.front().client_id;
    for_position_.pop_front();
    if (Client* const client = worker_.find_client(id)) client->link.log_is_durable();
  }
  if (log.takes_writes(worker_.server.clock.monotonic_us())) {
    worker_.server.keyspace->forbid_ending(storage::Keyspace::kLogForbids, false);
    for (const uint64_t id : std::exchange(for_room_, {})) {
      Client* const client = worker_.find_client(id);
      if (client == nullptr) continue;
      client->set(Client::kWaitsForRoom, false);
      client->link.resume();
    }
  }
  if (!for_position_.empty() || !for_room_.empty()) note();
}

}  // namespace cloakroom::server
