#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "protocol/byte_block.h"

namespace cloakroom::protocol {

// Bytes on their way to a client: one run of copied bytes, with large values inserted by reference. Not
// thread-safe.
//
// A thread keeps one warm buffer, fills it with the replies of a batch and writes it with one call; only when
// the socket does not take everything, the rest moves to the connection's own: `own.append(std::move(warm))`.
//
// A limit bounds what one client can make it hold. Past it the buffer overflows: all it holds is dropped, and
// so is all that is written to it until clear(). Half a reply never goes out, and who writes without an end
// of his own asks overflowed().
class OutputBuffer {
 public:
  OutputBuffer() = default;
  OutputBuffer(OutputBuffer&& other) noexcept { swap(other); }
  OutputBuffer& operator=(OutputBuffer&& other) noexcept;
  ~OutputBuffer() = default;
  void swap(OutputBuffer& other) noexcept;

  // Bytes not yet consumed, shared ones included.
  size_t size() const { return used_ - head_ + (refs_ ? refs_->bytes : 0); }
  bool empty() const { return used_ == head_ && (!refs_ || refs_->bytes == 0); }
  // Heap held, shared values included: compare with client-output-buffer-limit.
  size_t memory_bytes() const;
  // The same without shared values, which have owners besides this buffer.
  size_t own_bytes() const { return memory_bytes() - (refs_ ? refs_->bytes : 0); }

  // Of unconsumed bytes, shared ones included; not of what it holds already. The first shared value is always
  // taken: it costs no memory of ours, and what can be stored can be read.
  void set_limit(size_t bytes) { limit_ = bytes; }
  bool overflowed() const { return overflowed_; }

  // Room for n bytes; write at most n to it and call commit() with how many it were. Null when overflowed.
  char* reserve(size_t n) {
    if (__builtin_expect(block_.capacity() - used_ < n, 0)) return grow(n);
    return block_.data() + used_;
  }
  void commit(size_t n) { used_ += n; }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    char* at = reserve(bytes.size());
    if (__builtin_expect(at == nullptr, 0)) return;
    std::memcpy(at, bytes.data(), bytes.size());
    commit(bytes.size());
  }
  // Appends by reference: `bytes` lie in memory that `owner` keeps alive and nobody changes. Copied bytes
  // must follow before the next mark() (every reply ends in CR LF).
  void append_shared(SharedBytes owner, std::string_view bytes);
  // Appends the unconsumed bytes of another buffer, which is empty then: few are copied and leave it its
  // memory; many become this one's with their memory when it is empty. Shared ones stay shared.
  void append(OutputBuffer&& other);

  // A position to come back to. Valid until consume().
  size_t mark() const { return used_; }
  // Drops all that was appended after the mark.
  void truncate(size_t mark);
  // Inserts bytes at a mark, in front of what was appended after it. Costs a move of those bytes.
  void insert(size_t mark, std::string_view bytes);

  // The first unconsumed pieces, ready for writev; at most out.size(). Returns how many.
  size_t gather(std::span<iovec> out) const;
  // Everything as one string, for tests and tools.
  std::string_view flat() const { return {block_.data() + head_, used_ - head_}; }
  // n bytes were sent. When that was all, memory beyond keep_bytes is given back.
  void consume(size_t n, size_t keep_bytes = 0);
  void clear(size_t keep_bytes = 0);  // and takes bytes again

 private:
  struct Ref {
    size_t at;  // position in block_ this piece stands in front of
    SharedBytes owner;
    std::string_view bytes;
  };
  struct Refs {
    std::vector<Ref> list;
    size_t first = 0;  // refs before it are consumed
    size_t bytes = 0;  // unconsumed
  };
  char* grow(size_t n);
  void overflow();
  void take(OutputBuffer& other);
  void compact();

  ByteBlock block_;
  size_t used_ = 0;
  size_t head_ = 0;  // consumed
  size_t limit_ = SIZE_MAX;
  bool overflowed_ = false;  // then it holds nothing, and no memory: every reserve() comes to grow()
  std::unique_ptr<Refs> refs_;
};

}  // namespace cloakroom::protocol
