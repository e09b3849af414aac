#include "storage/log/log_ring.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>

#include "storage/base/assert.h"

namespace cloakroom::storage {
namespace {

constexpr std::string_view kMulti = "*1\r\n$5\r\nMULTI\r\n";
constexpr std::string_view kExec = "*1\r\n$4\r\nEXEC\r\n";

size_t framed_bytes(const Changes& changes) {
  return changes.effect_bytes() + (changes.effects() > 1 ? kMulti.size() + kExec.size() : 0);
}

// Calls fn(text, owner) for all a group consists of.
template <class Fn>
void for_each_framed(const Changes& changes, Fn&& fn) {
  const bool framed = changes.effects() > 1;
  if (framed) fn(kMulti, nullptr);
  changes.for_each_piece(fn);
  if (framed) fn(kExec, nullptr);
}

}  // namespace

// Writes into the ring from a position on, across chunks.
class LogRing::Copier {
 public:
  Copier(LogRing& ring, uint64_t at) : ring_(ring), at_(at) {}
  void add(std::string_view text) {
    while (!text.empty()) {
      const size_t offset = at_ % kChunkBytes;
      const size_t n = std::min(text.size(), kChunkBytes - offset);
      std::memcpy(ring_.chunk_at(at_).bytes + offset, text.data(), n);
      text.remove_prefix(n);
      at_ += n;
    }
  }

 private:
  LogRing& ring_;
  uint64_t at_;
};

LogRing::LogRing() = default;

LogRing::~LogRing() {
  free_before(head());
  for (const auto& chunk : chunks_) const std::unique_ptr<Chunk> gone(chunk.load());
  const std::unique_ptr<Chunk> spare(spare_.load());
}

uint64_t LogRing::append(const Changes& changes) {
  CLOAKROOM_ASSERT(changes.has_effects());
  const size_t bytes = framed_bytes(changes);
  std::unique_ptr<Block> block = bytes > kMostCopied ? block_of(changes) : nullptr;
  const size_t stored = block == nullptr ? bytes : sizeof(Block*);
  const uint64_t room = room_of(stored);
  const uint64_t at = head_.fetch_add(room, std::memory_order_acq_rel);
  CLOAKROOM_ASSERT(at + room - freed_.load(std::memory_order_acquire) <= kBytes - 2 * kChunkBytes);
  Copier copier(*this, at + sizeof(Header));
  if (block == nullptr) {
    for_each_framed(changes, [&](std::string_view text, const BigBytes*) { copier.add(text); });
  } else {
    block_bytes_.fetch_add(block->bytes, std::memory_order_relaxed);
    const Block* const pointer = block.release();
    copier.add({reinterpret_cast<const char*>(&pointer), sizeof pointer});
  }
  chunk_at(at);
  Header& header = header_at(at);
  header.bytes = static_cast<uint32_t>(stored);
  header.first_db = changes.first_db();
  header.last_db = changes.last_db();
  header.state.store(bytes > kMostCopied ? kBlock : kCopied, std::memory_order_release);
  return at + room;
}

std::unique_ptr<LogRing::Block> LogRing::block_of(const Changes& changes) {
  auto block = std::make_unique<Block>();
  size_t copied = 0;
  for_each_framed(changes, [&](std::string_view text, const BigBytes* owner) {
    if (owner == nullptr) copied += text.size();
  });
  block->text.reserve(copied);  // the pieces are views of it
  for_each_framed(changes, [&](std::string_view text, const BigBytes* owner) {
    if (owner != nullptr) {
      block->owners.push_back(*owner);
      block->pieces.push_back(text);
    } else if (!text.empty()) {
      const size_t at = block->text.size();
      block->text.append(text);
      block->pieces.push_back(std::string_view(block->text).substr(at));
    }
    block->bytes += text.size();
  });
  return block;
}

// Whoever comes to a place first makes the chunk.
LogRing::Chunk& LogRing::chunk_at(uint64_t position) {
  std::atomic<Chunk*>& place = chunks_[position / kChunkBytes % kChunks];
  Chunk* chunk = place.load(std::memory_order_acquire);
  if (__builtin_expect(chunk != nullptr, 1)) return *chunk;
  std::unique_ptr<Chunk> made(spare_.exchange(nullptr, std::memory_order_acq_rel));
  if (made == nullptr) made = std::make_unique<Chunk>();
  if (place.compare_exchange_strong(chunk, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *chunk;
}

void LogRing::prepare() { chunk_at(head() + kChunkBytes); }

LogRing::Header& LogRing::header_at(uint64_t position) const {
  Chunk* const chunk = chunks_[position / kChunkBytes % kChunks].load(std::memory_order_acquire);
  return *std::launder(reinterpret_cast<Header*>(chunk->bytes + position % kChunkBytes));
}

LogRing::Block* LogRing::block_at(uint64_t position) const {
  Block* block = nullptr;
  const uint64_t at = position + sizeof(Header);
  const Chunk* const chunk = chunks_[at / kChunkBytes % kChunks].load(std::memory_order_acquire);
  std::memcpy(&block, chunk->bytes + at % kChunkBytes, sizeof block);
  return block;
}

bool LogRing::read(uint64_t position, Group& group) const {
  CLOAKROOM_ASSERT(position >= freed() && position % sizeof(Header) == 0);
  if (position >= head()) return false;
  if (chunks_[position / kChunkBytes % kChunks].load(std::memory_order_acquire) == nullptr) return false;
  const Header& header = header_at(position);
  const uint32_t state = header.state.load(std::memory_order_acquire);
  if (state == kNotReady) return false;
  group.first_db = header.first_db;
  group.last_db = header.last_db;
  group.end = position + room_of(header.bytes);
  group.pieces = state == kBlock ? &block_at(position)->pieces : nullptr;
  if (state == kBlock) return true;
  const uint64_t begin = position + sizeof(Header);
  const size_t offset = begin % kChunkBytes;
  const size_t first = std::min<size_t>(header.bytes, kChunkBytes - offset);
  const auto bytes_at = [&](uint64_t at) {
    return chunks_[at / kChunkBytes % kChunks].load(std::memory_order_acquire)->bytes + at % kChunkBytes;
  };
  group.text[0] = {bytes_at(begin), first};
  group.text[1] = first == header.bytes ? std::string_view()
                                        : std::string_view(bytes_at(begin + first), header.bytes - first);
  return true;
}

// A chunk goes when all of it was given back: nobody can reserve in it again before that.
void LogRing::free_before(uint64_t position) {
  uint64_t at = freed();
  CLOAKROOM_ASSERT(at <= position && position <= head());
  while (at < position) {
    const Header& header = header_at(at);
    CLOAKROOM_ASSERT(header.state.load(std::memory_order_relaxed) != kNotReady);
    if (header.state.load(std::memory_order_relaxed) == kBlock) {
      const std::unique_ptr<Block> block(block_at(at));
      block_bytes_.fetch_sub(block->bytes, std::memory_order_relaxed);
    }
    const uint64_t next = at + room_of(header.bytes);
    for (uint64_t chunk = at / kChunkBytes; chunk < next / kChunkBytes; ++chunk) {
      Chunk* const done = chunks_[chunk % kChunks].exchange(nullptr, std::memory_order_acq_rel);
      std::memset(done->bytes, 0, sizeof done->bytes);
      const std::unique_ptr<Chunk> surplus(spare_.exchange(done, std::memory_order_acq_rel));
    }
    at = next;
    freed_.store(at, std::memory_order_release);
  }
}

}  // namespace cloakroom::storage
