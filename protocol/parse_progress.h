#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "protocol/byte_block.h"

namespace cloakroom::protocol {

// How far a request has been read. Positions count from its first byte, as the input bytes may move between
// reads; the bodies of big bulks are not among these ("flat") bytes.
struct ParseProgress {
  static constexpr size_t kInBlock = SIZE_MAX;

  struct Argument {
    size_t offset;  // kInBlock: the next of blocks
    size_t size;
  };

  std::vector<Argument> arguments;
  std::vector<SharedBytes> blocks;
  int64_t missing = 0;     // arguments still to be read
  size_t resume = 0;       // where the next length line begins; 0: not inside a request
  size_t block_bytes = 0;  // bytes on the wire that went to blocks

  bool active() const { return resume != 0; }
  void begin(int64_t count, size_t first) {
    clear();
    missing = count;
    resume = first;
  }
  void clear() {
    arguments.clear();
    blocks.clear();
    missing = 0;
    resume = 0;
    block_bytes = 0;
  }
};

}  // namespace cloakroom::protocol
