#include "server/dispatch/log_link.h"

#include <algorithm>
#include <utility>

#include "server/dispatch/admission.h"
#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"

namespace cloakroom::server {
namespace {

constexpr int64_t kLookAgainMs = 10;  // at deadlines

}  // namespace

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

bool LogWaiters::wait_for_sync(Client& client, bool may_wait, int64_t timeout_ms) {
  const LogLink& log = worker_.server.append_log;
  const bool promised = log.on.load() && log.state.sync.load() != storage::LogSync::kNever;
  const auto at = std::find_if(for_sync_.begin(), for_sync_.end(),
                               [&](const SyncWaiter& waiter) { return waiter.client_id == client.id; });
  const bool first = at == for_sync_.end();
  const uint64_t position = first ? log.ring.head() : at->position;
  const bool synced = promised && log.state.durable.load(std::memory_order_acquire) >= position;
  if (synced || !promised || !may_wait || (!first && at->goes_on)) {
    if (!first) for_sync_.erase(at);
    return synced;
  }
  if (first) {
    const int64_t now_ms = worker_.steady_ms();
    int64_t until_ms = INT64_MAX;
    if (timeout_ms != 0 && __builtin_add_overflow(now_ms, timeout_ms, &until_ms)) until_ms = INT64_MAX;
    for_sync_.push_back({client.id, position, until_ms, false});
    if (until_ms != INT64_MAX) watch_deadlines();
  }
  client.set(Client::kWaitsForRoom, true);
  note();
  if (log.state.durable.load() >= position) worker_.run_soon([this] { release(); });
  throw Parked{};
}

void LogWaiters::forget(const Client& client) {
  if (!waits.load(std::memory_order_relaxed)) return;
  std::erase(for_room_, client.id);
  std::erase_if(for_position_, [&](const Waiter& waiter) { return waiter.client_id == client.id; });
  std::erase_if(for_sync_, [&](const SyncWaiter& waiter) { return waiter.client_id == client.id; });
}

void LogWaiters::go_on(uint64_t client_id) {
  Client* const client = worker_.find_client(client_id);
  if (client == nullptr) return;
  client->set(Client::kWaitsForRoom, false);
  client->link.resume();
}

// Looks again while anyone waits who has a deadline.
void LogWaiters::watch_deadlines() {
  if (std::exchange(watching_, true)) return;
  worker_.run_after(kLookAgainMs, [this] {
    watching_ = false;
    release_syncs();
    const auto has_deadline = [](const SyncWaiter& waiter) { return waiter.until_ms != INT64_MAX; };
    if (std::any_of(for_sync_.begin(), for_sync_.end(), has_deadline)) watch_deadlines();
  });
}

void LogWaiters::release_syncs() {
  const storage::LogState& state = worker_.server.append_log.state;
  const uint64_t durable = state.durable.load(std::memory_order_acquire);
  const bool promised = worker_.server.append_log.on.load() && state.sync.load() != storage::LogSync::kNever;
  std::vector<uint64_t> over;
  for (SyncWaiter& waiter : for_sync_) {
    if (waiter.goes_on) continue;
    waiter.goes_on = !promised || waiter.position <= durable || waiter.until_ms <= worker_.steady_ms();
    if (waiter.goes_on) over.push_back(waiter.client_id);
  }
  for (const uint64_t id : over) go_on(id);
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
  const bool takes = log.takes_writes(worker_.server.clock.monotonic_us());
  if (takes) worker_.server.keyspace->forbid_ending(storage::Keyspace::kLogForbids, false);
  if (takes || log.state.write_error.load() != 0) {  // then they are refused
    for (const uint64_t id : std::exchange(for_room_, {})) go_on(id);
  }
  if (!for_sync_.empty()) release_syncs();
  if (!for_position_.empty() || !for_room_.empty() || !for_sync_.empty()) note();
}

}  // namespace cloakroom::server
