#include "server/net/io_thread.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <utility>

#include "server/dispatch/client_memory.h"
#include "server/dispatch/server_state.h"
#include "server/net/connection.h"
#include "server/stats/log.h"
#include "storage/keyspace/expiry.h"

namespace cloakroom::server {
namespace {

namespace asio = boost::asio;

constexpr uint32_t kExpiryBudget = 32;         // keys ended under one guard
constexpr int64_t kExpiryTurnUs = 250;         // then clients are served before it goes on
constexpr int64_t kExpiryLongestWaitMs = 100;  // keys filed by other threads meanwhile are seen after this
constexpr uint32_t kTurnsPerSecond = 10;

}  // namespace

IoThread::IoThread(ServerState& state, uint32_t number) : Worker(state, number) {}

IoThread::~IoThread() { close_all(); }  // those that came after stop()

void IoThread::close_all() {
  while (!connections.empty()) connections.begin()->second->close();
  free_closed();
}

void IoThread::run() {
  watch_sockets();
  arm_expiry(0);
  every_100ms();
  try {
    context.run();
  } catch (const std::exception& error) {  // no handler is meant to throw: say what did, then stop at once
    log(LogLevel::kWarning, std::string("Unexpected error: ") + error.what());
    std::abort();
  }
  close_all();  // a loop may run out of work before stop() has reached it
}

void IoThread::stop() {
  asio::post(context, [this] {
    close_all();
    sockets.cancel();
    expiry_timer_.cancel();
    cron_timer_.cancel();
  });
}

void IoThread::watch_sockets() {
  if (std::exchange(watching_, true)) return;
  sockets.watch([this] {
    watching_ = false;
    if (!std::exchange(serving_, true)) serve_sockets();
  });
}

void IoThread::queue_turn(Connection& connection, bool goes_on) {
  (goes_on ? further_turns_ : new_turns_).push_back(&connection);
  if (!std::exchange(serving_, true)) post_serving();
}

// Behind what Asio has ready and finds ready once more: new connections, timers, tasks.
void IoThread::post_serving() {
  asio::post(context, [this] { serve_sockets(); });
}

// Serves connections until none has anything, or others of this thread are due.
void IoThread::serve_sockets() {
  const uint64_t end_cycles = cycle_count() + server.slice_cycles.load(std::memory_order_relaxed);
  bool idle = false;
  do {
    free_closed();
    const bool events = take_events();
    idle = !events && new_turns_.empty() && further_turns_.empty();
    while (!new_turns_.empty() && serve_group(new_turns_, end_cycles)) {
    }
    if (!further_turns_.empty()) serve_group(further_turns_, end_cycles);
    flush();
    wake_log();
  } while (!idle && cycle_count() < end_cycles);
  if (server.stopping()) return;
  if (!idle) return post_serving();
  serving_ = false;
  watch_sockets();
}

// What the poller has to tell. False: nothing.
bool IoThread::take_events() {
  const std::span<const epoll_event> events = sockets.poll();
  for (const epoll_event& event : events) {
    auto* connection = static_cast<Connection*>(event.data.ptr);
    if (event.events & EPOLLOUT) connection->on_writable();
    if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) continue;
    if (event.events & EPOLLRDHUP) connection->peer_closed();
    if (event.events & (EPOLLHUP | EPOLLERR)) connection->peer_gone();
    connection->on_readable();
  }
  return !events.empty();
}

void IoThread::flush_later(Connection& connection) {
  to_flush_.push_back(&connection);
  if (to_flush_.size() == 1) asio::post(context, [this] { flush(); });
}

void IoThread::flush() {
  for (Connection* connection : std::exchange(to_flush_, {})) connection->flush();
}

void IoThread::free_closed() {
  if (closed.empty()) return;
  const auto gone = [](const Connection* connection) { return connection->closed(); };
  std::erase_if(new_turns_, gone);
  std::erase_if(further_turns_, gone);
  std::erase_if(to_flush_, gone);
  closed.clear();
}

// The first few of `turns`, which are some. False: the time is up.
bool IoThread::serve_group(Turns& turns, uint64_t end_cycles) {
  size_t used = 0;
  dispatcher.begin_turn();
  for (size_t left = std::min(kGroup, turns.size()); left > 0; --left) {
    Connection* connection = turns.front();
    turns.pop_front();
    Slot& slot = slots[used];
    if (!connection->fetch(slot)) continue;
    if (slot.batch.requests.size() >= kGroup) {  // it fills the cache by itself
      connection->serve(slot);
      if (cycle_count() >= end_cycles) break;
    } else {
      slot.connection = connection;
      ++used;
    }
  }
  for (size_t i = 0; i < used; ++i) {
    dispatcher.prefetch_entries(slots[i].connection->client(), slots[i].batch, 0);
    slots[i].prefetched = true;
  }
  for (size_t i = 0; i < used; ++i) slots[i].connection->serve(slots[i]);
  evict_clients(*this);
  return cycle_count() < end_cycles;
}

void IoThread::run_soon(std::function<void()> fn) {
  asio::post(context, [this, fn = std::move(fn)] {
    fn();
    wake_log();
  });
}

void IoThread::run_after(int64_t delay_ms, std::function<void()> fn) {
  auto timer = std::make_shared<asio::steady_timer>(context, std::chrono::milliseconds(delay_ms));
  timer->async_wait([this, timer, fn = std::move(fn)](const boost::system::error_code&) {
    fn();
    wake_log();
  });
}

Client* IoThread::find_client(uint64_t id) {
  const auto at = connections.find(id);
  return at == connections.end() ? nullptr : &at->second->client();
}

void IoThread::for_each_client(const std::function<void(Client&)>& fn) {
  for (const auto& [id, connection] : connections) fn(connection->client());
}

void IoThread::arm_expiry(int64_t delay_ms) {
  expiry_timer_.expires_after(std::chrono::milliseconds(delay_ms));
  expiry_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !server.stopping()) serve_expiry();
  });
}

// Serves this thread's share of the shards, a bounded time; then waits for the next deadline.
void IoThread::serve_expiry() {
  const auto step = static_cast<uint32_t>(server.workers.size());
  const uint32_t shards = server.keyspace->shard_count();
  const uint32_t share = (shards - index + step - 1) / step;  // shards index, index + step, ...
  const int64_t begin_us = server.clock.monotonic_us();
  int64_t wait_ms = kExpiryLongestWaitMs;
  look_at_log();
  for (uint32_t i = 0; i < share && server.active_expire.load(std::memory_order_relaxed); ++i) {
    storage::Shard& shard = server.keyspace->shard(index + expiry_position_ % share * step);
    auto turn = storage::ExpiryTurn::kMore;
    while (turn == storage::ExpiryTurn::kMore && server.clock.monotonic_us() - begin_us < kExpiryTurnUs) {
      turn = storage::expiry_turn(access, shard, kExpiryBudget);
    }
    if (turn == storage::ExpiryTurn::kMore) {  // goes on with this shard
      wait_ms = 0;
      break;
    }
    ++expiry_position_;
    if (!server.keyspace->may_end_keys()) continue;  // what is due waits
    const int64_t now = server.keyspace->now().wall_ms;
    if (const auto next = storage::next_expiry_ms(shard, now))
      wait_ms = std::clamp<int64_t>(*next - now, 1, wait_ms);
  }
  wake_others();
  wake_log();
  if (wait_ms == 0) {
    asio::post(context, [this] { serve_expiry(); });  // behind the sockets that are ready now
  } else {
    arm_expiry(wait_ms);
  }
}

void IoThread::every_100ms() {
  if (server.stopping()) return;
  if (!server.cron_paused.load(std::memory_order_relaxed)) run_cron();
  cron_timer_.expires_after(std::chrono::milliseconds(1000 / kTurnsPerSecond));
  cron_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) every_100ms();
  });
}

void IoThread::run_cron() {
  refresh_config();
  nobody_to_evict = false;
  evict_clients(*this);
  memory_limit.look();
  if (++cron_turns_ % kTurnsPerSecond == 0) {
    const int64_t now = steady_ms();
    std::vector<Connection*> ticking;
    for (auto& [id, connection] : connections) {
      if (connection->needs_tick()) ticking.push_back(connection.get());
    }
    for (Connection* connection : ticking) connection->tick(now);
  }
  if (index == 0) server.every_100ms(access);
}

}  // namespace cloakroom::server
