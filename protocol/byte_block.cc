#include "protocol/byte_block.h"

#include <cstdlib>
#include <new>
#include <utility>

namespace cloakroom::protocol {

ByteBlock::~ByteBlock() { std::free(data_); }

ByteBlock::ByteBlock(ByteBlock&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), capacity_(std::exchange(other.capacity_, 0)) {}

ByteBlock& ByteBlock::operator=(ByteBlock&& other) noexcept {
  if (this != &other) {
    std::free(data_);
    data_ = std::exchange(other.data_, nullptr);
    capacity_ = std::exchange(other.capacity_, 0);
  }
  return *this;
}

void ByteBlock::resize(size_t bytes) {
  if (bytes == 0) {
    std::free(data_);
    data_ = nullptr;
  } else if (bytes != capacity_) {
    void* moved = std::realloc(data_, bytes);
    if (moved == nullptr) throw std::bad_alloc();
    data_ = static_cast<char*>(moved);
  }
  capacity_ = bytes;
}

SharedBytes ByteBlock::share() {
  char* data = std::exchange(data_, nullptr);
  capacity_ = 0;
  return {data,
          [](char* bytes) { std::free(bytes); }};  // frees it also when the owner's own allocation throws
}

}  // namespace cloakroom::protocol
