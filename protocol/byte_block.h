#pragma once

#include <cstddef>
#include <memory>

namespace cloakroom::protocol {

// A large argument or value in a buffer of its own; moved into storage, or sent, without a copy.
using SharedBytes = std::shared_ptr<char[]>;

// A growing run of raw bytes. Grows by realloc: past the allocator's mmap threshold that moves pages, not
// bytes.
class ByteBlock {
 public:
  ByteBlock() = default;
  ~ByteBlock();
  ByteBlock(ByteBlock&& other) noexcept;
  ByteBlock& operator=(ByteBlock&& other) noexcept;

  char* data() const { return data_; }
  size_t capacity() const { return capacity_; }

  // Makes the capacity exactly `bytes` (0 frees). Contents up to the smaller size are kept. Throws bad_alloc.
  void resize(size_t bytes);

  // Gives the bytes away; the block is empty then.
  SharedBytes share();

 private:
  char* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace cloakroom::protocol
