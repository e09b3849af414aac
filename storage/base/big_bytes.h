// The bytes of long strings, which replies being sent and copies of the string share: counted once, from when
// they are made until nobody holds them any more, whoever that was (the keyspace, a slow reader).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace cloakroom::storage {

using BigBytes = std::shared_ptr<char[]>;

// Uninitialised. Throws std::bad_alloc.
BigBytes make_big_bytes(size_t size);
// `size` bytes at `data`, which `owner` keeps alive and nobody has counted. Its other shares may go on
// reading.
BigBytes adopt_big_bytes(BigBytes owner, char* data, size_t size);

// Whether nobody else reads the bytes, neither through a share of them nor of the owner they were adopted
// from: what the last other reader did has happened before.
bool held_once(const BigBytes& bytes);

// Of all that are alive in this process. From any thread; the counters are per thread and summed here.
size_t big_bytes_alive();
// By how much this thread has let that sum grow; negative: it shrank.
int64_t big_bytes_of_this_thread();

}  // namespace cloakroom::storage
