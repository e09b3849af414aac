#include "server/dispatch/worker.h"

#include <algorithm>
#include <utility>

#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "server/stats/log.h"

namespace cloakroom::server {

Worker::Worker(ServerState& own_server, uint32_t number)
    : server(own_server),
      index(number),
      access(*own_server.keyspace),
      evictor(access),
      memory_limit(*this),
      log_waiters(*this),
      stats(own_server.commands.size()),
      dispatcher(own_server, *this) {
  refresh_config();
  access.seed(own_server.random_seed());
}

void Worker::refresh_config() {
  const uint64_t generation = server.config->generation();
  if (generation == config_generation_ && config_ != nullptr) return;
  config_generation_ = generation;
  config_ = server.config->snapshot();
}

void Worker::look_at_log() {
  const bool takes = server.append_log.takes_writes(server.clock.monotonic_us());
  server.keyspace->forbid_ending(storage::Keyspace::kLogForbids, !takes);
}

int64_t Worker::steady_ms() const { return server.clock.monotonic_us() / 1000; }

void Worker::append_task(std::function<void()> task) {
  const storage::Locked lock(tasks_lock_);
  tasks_.push_back({std::move(task), {}});
}

void Worker::append_monitor_line(std::string_view line) {
  const storage::Locked lock(tasks_lock_);
  if (tasks_.empty() || tasks_.back().run != nullptr) tasks_.emplace_back();
  tasks_.back().monitor_lines += line;
}

void Worker::wake() {
  if (!woken_.exchange(true)) run_soon([this] { drain_tasks(); });
}

void Worker::post(std::function<void()> task) {
  append_task(std::move(task));
  wake();
}

void Worker::drain_tasks() {
  std::vector<Task> tasks;
  woken_ = false;  // before it looks: what is appended from here on wakes again
  {
    const storage::Locked lock(tasks_lock_);
    tasks.swap(tasks_);
  }
  deliver_mail();
  for (const Task& task : tasks) {
    if (task.run != nullptr) {
      task.run();
    } else {
      push_to_monitors(task.monitor_lines);
    }
  }
}

void Worker::push_to_monitors(std::string_view lines) {
  const std::vector<uint64_t> ids = monitors_;  // one that cannot take the lines closes
  for (const uint64_t id : ids) {
    Client* client = find_client(id);
    if (client != nullptr && !client->is(Client::kReplyOff)) client->link.push({lines});
  }
}

void Worker::set_monitor(Client& client, bool on) {
  if (client.is(Client::kMonitor) == on) return;
  client.set(Client::kMonitor, on);
  on ? monitors_.push_back(client.id) : static_cast<void>(std::erase(monitors_, client.id));
  monitored_.store(!monitors_.empty(), std::memory_order_relaxed);
  on ? server.monitors.fetch_add(1) : server.monitors.fetch_sub(1);
}

void Worker::wake_later(Worker& other) {
  if (std::find(to_wake_.begin(), to_wake_.end(), &other) == to_wake_.end()) to_wake_.push_back(&other);
}

void Worker::wake_log_thread() { server.append_log.wake(std::exchange(log_to_take_, 0)); }

void Worker::wake_others() {
  note_log_position(access.guard().take_log_position());
  if (has_mail) deliver_mail();
  for (Worker* other : to_wake_) other->wake();
  to_wake_.clear();
}

void Worker::kill(Client& client) {
  // Its own thread may overwrite this flag in the same moment; the task sets it again.
  client.flags.fetch_or(Client::kCloseNow, std::memory_order_relaxed);
  Worker& worker = client.worker;
  worker.append_task([&worker, id = client.id] { worker.close_client(id); });
  wake_later(worker);
}

void Worker::close_client(uint64_t id) {
  Client* client = find_client(id);
  if (client == nullptr) return;
  client->set(Client::kCloseNow, true);
  client->link.close();
}

void Worker::close_slow_client(uint64_t id) {
  Client* client = find_client(id);
  if (client == nullptr || client->is_leaving()) return;
  log(LogLevel::kWarning, "Client closed: its thread does not keep up with what is published.");
  stats.output_limit_closes.add();
  client->set(Client::kCloseNow, true);
  post([this, id] { close_client(id); });
}

void Worker::resume_next_turn(Client& client) {
  client.set(Client::kWaitsForTurn, true);
  run_soon([this, id = client.id] {
    Client* waiting = find_client(id);
    if (waiting == nullptr) return;
    waiting->set(Client::kWaitsForTurn, false);
    waiting->link.resume();
  });
}

void Worker::forget(Client& client) {
  discard_transaction(access, client);
  access.finish();
  client.subscriptions.reset();
  log_waiters.forget(client);
  set_monitor(client, false);
}

}  // namespace cloakroom::server
