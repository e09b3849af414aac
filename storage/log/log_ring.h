// What was changed and is not yet on disk: groups of effects in the order of changes, from the threads that run
// commands to the one that writes the log.
//
// A group is reserved with one atomic addition, under the guards of its keys, so that the order in the log is the
// order of changes; then it is copied in and marked as ready. The writer takes ready groups in order, and gives their
// room back once they are durable: until then they are there to be written again.
//
//    given back      taken         ready, or being copied
//   ............|=============|============....====|..................
//             freed()       (writer)             head()
//
// Positions are bytes since the start and only grow. The memory is in chunks, made when the head comes to them and
// kept for the next ones when they were given back, so that a ring takes what waits in it, not what could.
//
// A group of more than kMostCopied bytes lies in a block of its own, with shares of long words; the ring holds a
// pointer. Nobody reserves without having asked has_room() before it took its guards. What is reserved between asking
// and reserving fits the slack: at most a group of each thread, each at most kMostCopied bytes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/big_bytes.h"
#include "storage/keyspace/effects.h"

namespace cloakroom::storage {

class LogRing {
 public:
  static constexpr size_t kChunkBytes = 1 << 20;
  static constexpr size_t kChunks = 128;
  static constexpr size_t kBytes = kChunkBytes * kChunks;
  static constexpr size_t kHighWater = kBytes / 2;  // from there on who wants to write waits
  static constexpr size_t kMostCopied = 64 * 1024;

  // A group as the writer sees it.
  struct Group {
    uint32_t first_db = 0;
    uint32_t last_db = 0;
    uint64_t end = 0;                      // the position behind it
    std::array<std::string_view, 2> text;  // its bytes, framed; in two parts at the end of a chunk
    const std::vector<std::string_view>* pieces = nullptr;  // or here
  };

  LogRing();
  ~LogRing();
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  // --- any thread
  // Under the guards of what was changed. Returns the position behind the group.
  uint64_t append(const Changes& changes);
  uint64_t head() const { return head_.load(std::memory_order_acquire); }
  // What takes memory.
  size_t waiting_bytes() const {
    return static_cast<size_t>(head() - freed_.load(std::memory_order_relaxed)) +
           block_bytes_.load(std::memory_order_relaxed);
  }
  bool has_room() const { return waiting_bytes() < kHighWater; }

  // --- the writer
  // The group at `position`, where one begins. False: it is not there or not ready yet.
  bool read(uint64_t position, Group& group) const;
  // Makes the chunk that the head comes to next, so that nobody has to under a guard.
  void prepare();
  // What lies before it is not needed any more.
  void free_before(uint64_t position);
  uint64_t freed() const { return freed_.load(std::memory_order_relaxed); }

 private:
  // Before each group, at a multiple of its size. `state` is 0 until all is there.
  struct Header {
    std::atomic<uint32_t> state;
    uint32_t bytes;  // behind the header, without what fills it up
    uint32_t first_db;
    uint32_t last_db;
  };
  static_assert(sizeof(Header) == 16 && kChunkBytes % sizeof(Header) == 0);
  enum State : uint32_t { kNotReady, kCopied, kBlock };

  struct Block {
    std::string text;
    std::vector<BigBytes> owners;
    std::vector<std::string_view> pieces;
    size_t bytes = 0;
  };
  struct alignas(16) Chunk {
    char bytes[kChunkBytes] = {};
  };
  class Copier;

  Chunk& chunk_at(uint64_t position);
  Header& header_at(uint64_t position) const;
  Block* block_at(uint64_t position) const;
  static std::unique_ptr<Block> block_of(const Changes& changes);
  static uint64_t room_of(size_t bytes) { return sizeof(Header) + (bytes + 15) / 16 * 16; }

  alignas(64) std::atomic<uint64_t> head_{0};
  alignas(64) std::atomic<uint64_t> freed_{0};
  std::atomic<size_t> block_bytes_{0};
  std::array<std::atomic<Chunk*>, kChunks> chunks_{};
  std::atomic<Chunk*> spare_{nullptr};  // zeroed
};

}  // namespace cloakroom::storage
