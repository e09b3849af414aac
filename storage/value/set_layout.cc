#include "storage/value/set_layout.h"

namespace cloakroom::storage {

size_t IntSet::lower_bound(int64_t number) const {
  size_t low = 0;
  size_t high = size_;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (at(middle) < number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

namespace {

struct Half {
  uint64_t low;
  uint64_t high;
};

Half load_uuid(const char* p) {
  Half half;
  std::memcpy(&half, p, sizeof half);
  return half;
}

}  // namespace

size_t IdSet::find(PackedId id) const {
  if (!takes(id)) return kNone;
  if (width_ == sizeof(Half)) {
    const Half wanted = load_uuid(id.bytes.data());
    for (size_t i = 0; i < size_; ++i) {
      const Half have = load_uuid(data_ + i * sizeof(Half));
      if (((have.low ^ wanted.low) | (have.high ^ wanted.high)) == 0) return i;
    }
    return kNone;
  }
  for (size_t i = 0; i < size_; ++i) {
    if (std::memcmp(data_ + i * width_, id.bytes.data(), width_) == 0) return i;
  }
  return kNone;
}

size_t FlatSet::find(std::string_view member) const {
  for (size_t at = kHeaderBytes; at < bytes_;) {
    const size_t length = static_cast<uint8_t>(value_[at]);
    if (std::string_view(value_ + at + 1, length) == member) return at;
    at += 1 + length;
  }
  return kNone;
}

std::string_view FlatSet::at(size_t i) const {
  const char* p = value_ + kHeaderBytes;
  for (; i > 0; --i) p += 1 + static_cast<uint8_t>(*p);
  return {p + 1, static_cast<uint8_t>(*p)};
}

}  // namespace cloakroom::storage
