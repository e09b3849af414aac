#include "server/dispatch/memory_limit.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "storage/base/big_bytes.h"

namespace cloakroom::server {
namespace {

// As Redis: up to 10 a line to 500 us, then a curve to two minutes, 100 is without bound.
int64_t budget_us(int64_t tenacity) {
  constexpr int64_t kLinearTo = 10;
  constexpr int64_t kUnbounded = 100;
  constexpr double kUsAtLinearEnd = 500;
  constexpr double kProgression = 1.15;
  if (tenacity >= kUnbounded) return std::numeric_limits<int64_t>::max();
  if (tenacity <= kLinearTo) return 50 * tenacity;
  return static_cast<int64_t>(kUsAtLinearEnd *
                              std::pow(kProgression, static_cast<double>(tenacity - kLinearTo)));
}

}  // namespace

void MemoryExcess::note(bool over, const storage::Clock& clock) {
  int64_t since_us = since_us_.load(std::memory_order_relaxed);
  if (over == (since_us != 0)) return;
  const int64_t now_us = clock.monotonic_us();
  if (over) {
    since_us_.compare_exchange_strong(since_us, now_us);
  } else if (since_us_.compare_exchange_strong(since_us, 0)) {
    total_us_ += now_us - since_us;
  }
}

int64_t MemoryExcess::current_us(const storage::Clock& clock) const {
  const int64_t since_us = since_us_.load(std::memory_order_relaxed);
  return since_us == 0 ? 0 : clock.monotonic_us() - since_us;
}

int64_t MemoryExcess::total_us(const storage::Clock& clock) const {
  return total_us_.load(std::memory_order_relaxed) + current_us(clock);
}

// While CLIENT PAUSE lasts keys stay as they are.
bool MemoryLimit::suspended() const { return !worker_.server.keyspace->may_end_keys(); }

storage::Room MemoryLimit::make_room(size_t argument_bytes) {
  const Config& config = worker_.config();
  ServerState& server = worker_.server;
  const storage::Room room =
      worker_.evictor.make_room({.limit_bytes = static_cast<size_t>(config.maxmemory),
                                 .other_bytes = server.overhead_bytes() + argument_bytes,
                                 .policy = server.keyspace->settings().policy.load(std::memory_order_relaxed),
                                 .samples = static_cast<uint32_t>(config.maxmemory_samples),
                                 .budget_us = budget_us(config.maxmemory_eviction_tenacity)});
  if (room != storage::Room::kFreeing) over_ = false;
  server.memory_excess.note(room != storage::Room::kEnough, server.clock);
  return room;
}

// Whether this thread may add to what is over the limit.
bool MemoryLimit::may_grow() {
  const int64_t growth = worker_.access.guard().grown_bytes() + storage::big_bytes_of_this_thread();
  least_growth_ = over_ ? std::min(least_growth_, growth) : growth;
  over_ = true;
  return growth <= least_growth_ + kSlackBytes;
}

MemoryLimit::Verdict MemoryLimit::admit(bool grows, size_t argument_bytes) {
  if (worker_.config().maxmemory == 0 || suspended()) return Verdict::kRun;
  const storage::Room room = make_room(argument_bytes);
  if (__builtin_expect(room == storage::Room::kEnough, 1)) return Verdict::kRun;
  if (room == storage::Room::kNone) return grows ? Verdict::kRefuse : Verdict::kRun;
  go_on();
  return may_grow() || !grows ? Verdict::kRun : Verdict::kWait;
}

void MemoryLimit::wait(Client& client) {
  if (!client.is(Client::kWaitsForRoom)) waiting_.push_back(client.id);
  client.set(Client::kWaitsForRoom, true);
  go_on();
}

void MemoryLimit::look() {
  const uint64_t limit = worker_.config().maxmemory;
  if (limit != 0 && worker_.server.used_memory_bytes() > limit) go_on();
}

void MemoryLimit::go_on() {
  if (going_on_) return;
  going_on_ = true;
  worker_.run_soon([this] { turn(); });
}

void MemoryLimit::turn() {
  going_on_ = false;
  if (worker_.server.stopping()) return;
  worker_.dispatcher.begin_turn();
  const bool limited = worker_.config().maxmemory != 0 && !suspended();
  const storage::Room room = limited ? make_room(0) : storage::Room::kEnough;
  if (room != storage::Room::kFreeing || may_grow()) resume_first();
  worker_.wake_others();
  if (room == storage::Room::kFreeing || !waiting_.empty()) go_on();
}

// One at a time: it may take all the room there is.
void MemoryLimit::resume_first() {
  if (waiting_.empty()) return;
  const uint64_t id = waiting_.front();
  waiting_.pop_front();
  Client* client = worker_.find_client(id);
  if (client == nullptr) return;
  client->set(Client::kWaitsForRoom, false);
  client->link.resume();
}

}  // namespace cloakroom::server
