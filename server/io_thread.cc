#include "server/io_thread.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>

#include "server/client_memory.h"
#include "server/connection.h"
#include "server/server.h"
#include "storage/expiry.h"

namespace cloakroom::server {
namespace {

namespace asio = boost::asio;

constexpr uint32_t kExpiryBudget = 32;         // keys ended under one guard
constexpr int64_t kExpiryTurnUs = 250;         // then clients are served before it goes on
constexpr int64_t kExpiryLongestWaitMs = 100;  // keys filed by other threads meanwhile are seen after this
constexpr uint32_t kTurnsPerSecond = 10;
constexpr int kPollsPerTurn = 8;

}  // namespace

IoThread::IoThread(Server& own_server, uint32_t number)
    : server(own_server),
      index(number),
      access(*own_server.keyspace),
      evictor(access),
      memory_limit(*this),
      stats(own_server.commands.size()),
      dispatcher(own_server, *this) {
  refresh_config();
  access.seed(own_server.random_seed());
}

IoThread::~IoThread() { close_all(); }  // those that came after stop()

void IoThread::close_all() {
  while (!connections.empty()) connections.begin()->second->close();
  closed.clear();
}

void IoThread::refresh_config() {
  const uint64_t generation = server.config->generation();
  if (generation == config_generation_ && config_ != nullptr) return;
  config_generation_ = generation;
  config_ = server.config->snapshot();
}

int64_t IoThread::steady_ms() const { return server.clock.monotonic_us() / 1000; }

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
  sockets.watch([this] { serve_sockets(); });
}

// Serves what is ready until nothing is, or others of this thread (timers, tasks, new connections) are due a
// turn.
void IoThread::serve_sockets() {
  closed.clear();
  for (int i = 0; i < kPollsPerTurn; ++i) {
    const std::span<const epoll_event> events = sockets.poll();
    if (events.empty()) break;
    for (size_t at = 0; at < events.size(); at += kGroup) {
      serve_group(events.subspan(at, std::min(kGroup, events.size() - at)));
    }
    closed.clear();
  }
  if (!server.stopping()) watch_sockets();
}

void IoThread::serve_group(std::span<const epoll_event> events) {
  size_t used = 0;
  dispatcher.begin_turn();
  for (const epoll_event& event : events) {
    auto* connection = static_cast<Connection*>(event.data.ptr);
    if (event.events & EPOLLOUT) connection->on_writable();
    if ((event.events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) continue;
    Slot& slot = slots[used];
    if (event.events & EPOLLRDHUP) connection->peer_closed();
    if (event.events & (EPOLLHUP | EPOLLERR)) connection->peer_gone();
    if (!connection->receive(slot)) continue;
    if (slot.batch.requests.size() >= kGroup) {  // it fills the cache by itself
      connection->serve(slot);
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
}

void IoThread::append_task(std::function<void()> task) {
  const std::lock_guard lock(tasks_lock_);
  tasks_.push_back(std::move(task));
}

void IoThread::wake() {
  asio::post(context, [this] { drain_tasks(); });
}

void IoThread::post(std::function<void()> task) {
  append_task(std::move(task));
  wake();
}

void IoThread::drain_tasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(tasks_lock_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

void IoThread::wake_others() {
  for (IoThread* other : to_wake) other->wake();
  to_wake.clear();
}

void IoThread::resume_next_turn(uint64_t client_id) {
  asio::post(context, [this, client_id] {
    const auto at = connections.find(client_id);
    if (at != connections.end()) at->second->pause_ended();
  });
}

void IoThread::arm_expiry(int64_t delay_ms) {
  expiry_timer_.expires_after(std::chrono::milliseconds(delay_ms));
  expiry_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !server.stopping()) serve_expiry();
  });
}

// Serves this thread's share of the shards, a bounded time; then waits for the next deadline.
void IoThread::serve_expiry() {
  const auto step = static_cast<uint32_t>(server.threads.size());
  const uint32_t shards = server.keyspace->shard_count();
  const uint32_t share = (shards - index + step - 1) / step;  // shards index, index + step, ...
  const int64_t begin_us = server.clock.monotonic_us();
  int64_t wait_ms = kExpiryLongestWaitMs;
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
    if (!server.keyspace->may_end_keys.load(std::memory_order_relaxed)) continue;  // what is due waits
    const int64_t now = server.keyspace->now().wall_ms;
    if (const auto next = storage::next_expiry_ms(shard, now))
      wait_ms = std::clamp<int64_t>(*next - now, 1, wait_ms);
  }
  wake_others();
  if (wait_ms == 0) {
    asio::post(context, [this] { serve_expiry(); });  // behind the sockets that are ready now
  } else {
    arm_expiry(wait_ms);
  }
}

void IoThread::every_100ms() {
  if (server.stopping()) return;
  refresh_config();
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
  if (index == 0) server.every_100ms();
  cron_timer_.expires_after(std::chrono::milliseconds(1000 / kTurnsPerSecond));
  cron_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) every_100ms();
  });
}

}  // namespace cloakroom::server
