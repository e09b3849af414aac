#include "server/dispatch/client_memory.h"

#include <algorithm>
#include <vector>

#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/stats/log.h"
#include "storage/base/assert.h"

namespace cloakroom::server {
namespace {

constexpr size_t kSmallestLimit = 128 * 1024;
constexpr size_t kRegistryBytes = 256;  // of the client in the maps of its thread and of the server, about

struct Victim {
  uint64_t bytes;
  uint64_t id;
};

// The largest clients without which the sum is below the limit, by ascending id. Also those already on their
// way out count until they are gone, but are not closed for it again.
std::vector<Victim> choose(ServerState& server, size_t limit) {
  std::vector<Victim> candidates;
  uint64_t sum = 0;
  server.clients.for_each([&](Client& client) {
    const uint64_t bytes = memory_of(client);
    if (client.is_leaving()) return;
    sum += bytes;
    if (!client.is(Client::kNoEvict)) candidates.push_back({bytes, client.id});
  });
  std::sort(candidates.begin(), candidates.end(),
            [](const Victim& a, const Victim& b) { return a.bytes > b.bytes; });
  size_t chosen = 0;
  for (; chosen < candidates.size() && sum >= limit; ++chosen) sum -= candidates[chosen].bytes;
  candidates.resize(chosen);
  std::sort(candidates.begin(), candidates.end(),
            [](const Victim& a, const Victim& b) { return a.id < b.id; });
  return candidates;
}

}  // namespace

size_t client_base_bytes(const Client& client) { return client.link.base_bytes() + kRegistryBytes; }

uint64_t memory_of(const Client& client) {
  return client_base_bytes(client) + client.query_memory.load(std::memory_order_relaxed) +
         client.parked_bytes.load(std::memory_order_relaxed) +
         client.multi_bytes.load(std::memory_order_relaxed) +
         client.subscription_bytes.load(std::memory_order_relaxed) +
         client.output_bytes.load(std::memory_order_relaxed);
}

size_t client_memory_limit(const Config& config) {
  constexpr uint64_t kPercent = 100;
  uint64_t limit = 0;
  if (config.maxmemory_clients < 0) {
    const auto share = static_cast<uint64_t>(-config.maxmemory_clients);
    limit = config.maxmemory / kPercent * share + config.maxmemory % kPercent * share / kPercent;
  } else {
    limit = static_cast<uint64_t>(config.maxmemory_clients);
  }
  return limit == 0 ? 0 : std::max<uint64_t>(limit, kSmallestLimit);
}

void evict_clients(Worker& worker) {
  ServerState& server = worker.server;
  const size_t limit = server.client_limit_bytes.load(std::memory_order_relaxed);
  if (limit == 0 || server.client_total_bytes() < limit) return;
  if (worker.nobody_to_evict) return;  // looking at all clients at every turn would be felt by all of them
  const std::vector<Victim> victims = choose(server, limit);
  CLOAKROOM_ASSERT(worker.access.guard().held().empty());
  worker.nobody_to_evict = victims.empty();
  if (victims.empty()) return;
  std::vector<uint64_t> own;  // closed at once: until then their memory would count against the keys
  auto next = victims.begin();
  server.clients.for_each([&](Client& client) {
    while (next != victims.end() && next->id < client.id) ++next;
    if (next == victims.end() || next->id != client.id) return;
    worker.stats.evicted_clients.add();
    if (&client.worker == &worker) {
      own.push_back(client.id);
    } else {
      worker.kill(client);
    }
  });
  log(LogLevel::kNotice, "Clients closed: together they passed maxmemory-clients.");
  for (const uint64_t id : own) worker.close_client(id);
  worker.wake_others();
}

}  // namespace cloakroom::server
