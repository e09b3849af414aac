// What clients cost, and maxmemory-clients: when they cost too much together, those that cost most are
// closed.
//
// Every connection adds what it came to cost to its thread's sums after each of its turns
// (Connection::publish_sizes), so comparing with a limit reads one number a thread; only above the limit all
// clients are looked at. There are two sums. For maxmemory-clients, as in CLIENT LIST and in Redis, a value
// on its way to a client is that client's in full. For maxmemory what several own counts once, where it is
// (storage/base/big_bytes.h): the sum is without it.
#pragma once

#include <cstdint>

#include "server/config/config.h"
#include "server/dispatch/client.h"

namespace cloakroom::server {

struct Worker;

size_t client_base_bytes(const Client& client);  // of one that holds nothing
// tot-mem of CLIENT LIST: that, buffers, a request that waits, queued commands, watched keys. Any thread.
uint64_t memory_of(const Client& client);

// maxmemory-clients in bytes, never so small that nobody could speak to the server; 0: none. A percentage is
// one of maxmemory.
size_t client_memory_limit(const Config& config);

// Closes the most expensive clients until the rest is below the limit, but for those with CLIENT NO-EVICT. No
// guards are held; `worker` is the caller's, and the client whose requests it is serving may be among them.
// Where nobody could be closed the next look is a tenth of a second later.
void evict_clients(Worker& worker);

}  // namespace cloakroom::server
