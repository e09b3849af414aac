// The small layouts of a set, as they stand in the entry's value part.
//
//   kSetInts   size << 2 | width code (32 bits) | sorted integers of 2, 4 or 8 bytes
//   kSetIds    codec << 6 | width (8 bits) | size (8 bits) | ids in order of arrival
//   kSetFlat   bytes of all (16 bits) | size (8 bits) | length (8 bits), member | ...   in order of arrival
//
// Two header bytes for ids, because a user's set with one or two UUIDs then fills a block of 48 or 64 bytes
// exactly. Ids are searched one after the other: at 16 bytes each, 64 of them cost less than two misses of a
// tree. Values are not aligned: everything is read with memcpy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/base/assert.h"
#include "storage/base/number.h"
#include "storage/keyspace/key.h"

namespace cloakroom::storage {

inline constexpr size_t kMaxSmallSetBytes = 1920;  // the entry stays in the arena's small classes

class IntSet {
 public:
  static constexpr size_t kHeaderBytes = 4;
  static constexpr uint32_t kMaxSize = (1u << 30) - 1;

  explicit IntSet(const char* value) : data_(value + kHeaderBytes) {
    uint32_t header;
    std::memcpy(&header, value, sizeof header);
    size_ = header >> 2;
    width_ = 2u << (header & 3);
  }
  static void write_header(char* value, size_t size, size_t width) {
    CLOAKROOM_ASSERT(size <= kMaxSize && (width == 2 || width == 4 || width == 8));
    const auto header = static_cast<uint32_t>(size << 2 | (width == 2 ? 0u : width == 4 ? 1u : 2u));
    std::memcpy(value, &header, sizeof header);
  }
  static void write(char* at, size_t width, int64_t number) { std::memcpy(at, &number, width); }
  static size_t width_for(int64_t number) {
    return number == static_cast<int16_t>(number) ? 2 : number == static_cast<int32_t>(number) ? 4 : 8;
  }

  size_t size() const { return size_; }
  size_t width() const { return width_; }
  size_t bytes() const { return kHeaderBytes + size_ * width_; }
  int64_t at(size_t i) const {
    const char* p = data_ + i * width_;
    switch (width_) {
      case 2:
        return load<int16_t>(p);
      case 4:
        return load<int32_t>(p);
      default:
        return load<int64_t>(p);
    }
  }
  // Position of the first that is not less.
  size_t lower_bound(int64_t number) const;
  bool contains(int64_t number) const {
    const size_t i = lower_bound(number);
    return i < size_ && at(i) == number;
  }

 private:
  template <class T>
  static int64_t load(const char* p) {
    T number;
    std::memcpy(&number, p, sizeof number);
    return number;
  }

  const char* data_;
  size_t size_;
  size_t width_;
};

class IdSet {
 public:
  static constexpr size_t kHeaderBytes = 2;
  static constexpr size_t kMaxIds = 64;
  static constexpr size_t kNone = ~size_t{0};

  explicit IdSet(const char* value)
      : data_(value + kHeaderBytes),
        codec_(static_cast<IdCodec>(static_cast<uint8_t>(value[0]) >> 6)),
        width_(static_cast<uint8_t>(value[0]) & 63),
        size_(static_cast<uint8_t>(value[1])) {}
  static void write_header(char* value, IdCodec codec, size_t width, size_t size) {
    CLOAKROOM_ASSERT(width <= kMaxPackedId && has_room(size, width));
    value[0] = static_cast<char>(static_cast<size_t>(codec) << 6 | width);
    value[1] = static_cast<char>(size);
  }
  static bool has_room(size_t ids, size_t width) {
    return ids <= kMaxIds && kHeaderBytes + ids * width <= kMaxSmallSetBytes;
  }

  size_t size() const { return size_; }
  IdCodec codec() const { return codec_; }
  size_t width() const { return width_; }
  size_t bytes() const { return kHeaderBytes + size_ * width_; }
  PackedId at(size_t i) const { return {codec_, {data_ + i * width_, width_}}; }
  bool takes(PackedId id) const { return id.codec == codec_ && id.bytes.size() == width_; }
  size_t find(PackedId id) const;

 private:
  const char* data_;
  IdCodec codec_;
  size_t width_;
  size_t size_;
};

static_assert(kMaxPackedId < 64, "the width has 6 bits");

class FlatSet {
 public:
  static constexpr size_t kHeaderBytes = 3;
  static constexpr size_t kMaxMembers = 128;
  static constexpr size_t kMaxMemberBytes = 64;
  static constexpr size_t kNone = ~size_t{0};

  explicit FlatSet(const char* value) : value_(value), size_(static_cast<uint8_t>(value[2])) {
    uint16_t bytes;
    std::memcpy(&bytes, value, sizeof bytes);
    bytes_ = bytes;
  }
  static void write_header(char* value, size_t bytes, size_t size) {
    CLOAKROOM_ASSERT(has_room(bytes, size));
    const auto all = static_cast<uint16_t>(bytes);
    std::memcpy(value, &all, sizeof all);
    value[2] = static_cast<char>(size);
  }
  static bool has_room(size_t bytes, size_t members) {
    return members <= kMaxMembers && bytes <= kMaxSmallSetBytes;
  }

  size_t size() const { return size_; }
  size_t bytes() const { return bytes_; }
  // Offset of the member's length byte, or kNone.
  size_t find(std::string_view member) const;
  std::string_view at(size_t i) const;
  template <class Fn>  // fn(std::string_view)
  void for_each(Fn&& fn) const {
    for (const char* p = value_ + kHeaderBytes; p != value_ + bytes_;) {
      const size_t length = static_cast<uint8_t>(*p);
      fn(std::string_view(p + 1, length));
      p += 1 + length;
    }
  }

 private:
  const char* value_;
  size_t bytes_;
  size_t size_;
};

static_assert(kMaxSmallSetBytes <= UINT16_MAX && FlatSet::kMaxMembers <= UINT8_MAX);

}  // namespace cloakroom::storage
