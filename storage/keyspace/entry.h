// One key with its value: a single arena block.
//
//    0  word0   deadline 42 bits | kind 5 | key form 9 | flags 8
//    8  word1   access 24 bits | key length 8
//   12  [extended: key length 4, deadline 8]   keys over 255 bytes, deadlines past 42 bits
//       [link word 8]                           session keys: see session_index.h
//       key, in stored form
//       value part, its layout given by the kind (value.h)
//
// 12 bytes beyond key and value (+ 2 for the length of an inline string, + 8 for the link of a session),
// rounded to
// 16. Deadlines are milliseconds since 1970; 0 means none; a key is gone when now > deadline.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "storage/base/assert.h"
#include "storage/keyspace/key.h"
#include "storage/keyspace/kind.h"

namespace cloakroom::storage {

class Entry {
 public:
  static constexpr int64_t kMaxShortDeadline = (int64_t{1} << 42) - 1;
  static constexpr size_t kHeaderBytes = 12;
  static constexpr size_t kExtensionBytes = 12;
  static constexpr size_t kLinkBytes = 8;

  // kMarked: written into the log since the last rewrite began, when it is what Keyspace::mark() is.
  enum Flag : uint8_t { kExtended = 1, kHasLink = 2, kManyLinks = 4, kMarked = 8 };

  static size_t bytes_for(size_t key_bytes, bool extended, bool link, size_t value_bytes) {
    return kHeaderBytes + (extended ? kExtensionBytes : 0) + (link ? kLinkBytes : 0) + key_bytes +
           value_bytes;
  }
  static bool needs_extension(size_t key_bytes, int64_t deadline_ms) {
    return key_bytes > 255 || deadline_ms > kMaxShortDeadline;
  }
  // Writes header and key; the value part follows. No deadline, access 0.
  void init(KeyForm form, std::string_view key, Kind kind, bool extended, bool link);

  Kind kind() const { return static_cast<Kind>(word0_ >> 42 & 31); }
  void set_kind(Kind kind) { word0_ = (word0_ & ~(uint64_t{31} << 42)) | static_cast<uint64_t>(kind) << 42; }
  Type type() const { return type_of(kind()); }
  KeyForm form() const { return KeyForm::of_bits(static_cast<uint16_t>(word0_ >> 47 & 511)); }
  KeyRole role() const { return form().role; }

  bool has(Flag flag) const { return (word0_ >> 56 & flag) != 0; }
  void set_flag(Flag flag, bool on) {
    const uint64_t bit = static_cast<uint64_t>(flag) << 56;
    word0_ = on ? word0_ | bit : word0_ & ~bit;
  }

  int64_t deadline_ms() const {
    const auto shown = static_cast<int64_t>(word0_ & static_cast<uint64_t>(kMaxShortDeadline));
    return shown != 0 && has(kExtended) ? load<int64_t>(kHeaderBytes + 4) : shown;
  }
  bool expired(int64_t now_ms) const {
    const int64_t deadline = deadline_ms();
    return deadline != 0 && now_ms > deadline;
  }
  // The caller has checked that a long deadline finds the extension present.
  void set_deadline_ms(int64_t deadline_ms);

  uint32_t access() const { return word1_ >> 8; }  // LRU clock or LFU counters (eviction.h)
  void set_access(uint32_t access) { word1_ = access << 8 | (word1_ & 255); }

  size_t key_bytes() const { return has(kExtended) ? load<uint32_t>(kHeaderBytes) : (word1_ & 255); }
  std::string_view key() const { return {bytes() + key_offset(), key_bytes()}; }
  bool matches(const KeyRef& ref) const { return form() == ref.form() && key() == ref.stored(); }

  uint64_t link() const {
    CLOAKROOM_ASSERT(has(kHasLink));
    return load<uint64_t>(link_offset());
  }
  void set_link(uint64_t link) {
    CLOAKROOM_ASSERT(has(kHasLink));
    std::memcpy(bytes() + link_offset(), &link, sizeof link);
  }

  const char* value() const { return bytes() + key_offset() + key_bytes(); }
  char* value() { return bytes() + key_offset() + key_bytes(); }
  size_t value_bytes() const { return value_ops(kind()).stored_bytes(value()); }
  size_t total_bytes() const { return key_offset() + key_bytes() + value_bytes(); }

 private:
  size_t link_offset() const { return kHeaderBytes + (has(kExtended) ? kExtensionBytes : 0); }
  size_t key_offset() const { return link_offset() + (has(kHasLink) ? kLinkBytes : 0); }
  char* bytes() { return reinterpret_cast<char*>(this); }
  const char* bytes() const { return reinterpret_cast<const char*>(this); }
  template <class T>
  T load(size_t offset) const {
    T value;
    std::memcpy(&value, bytes() + offset, sizeof value);
    return value;
  }

  uint64_t word0_;
  uint32_t word1_;
};

static_assert(sizeof(Entry) == 16 && alignof(Entry) == 8,
              "header is read in place; the last 4 bytes belong to what follows");

inline void Entry::init(KeyForm form, std::string_view key, Kind kind, bool extended, bool link) {
  const auto flags = static_cast<uint64_t>((extended ? kExtended : 0) | (link ? kHasLink : 0));
  CLOAKROOM_ASSERT(kind < Kind::kCount && (extended || !needs_extension(key.size(), 0)));
  word0_ = static_cast<uint64_t>(kind) << 42 | static_cast<uint64_t>(form.bits()) << 47 | flags << 56;
  word1_ = extended ? 0 : static_cast<uint32_t>(key.size());
  if (extended) {
    const auto size = static_cast<uint32_t>(key.size());
    std::memcpy(bytes() + kHeaderBytes, &size, sizeof size);
    std::memset(bytes() + kHeaderBytes + 4, 0, 8);
  }
  if (link) set_link(0);
  std::memcpy(bytes() + key_offset(), key.data(), key.size());
}

inline void Entry::set_deadline_ms(int64_t deadline_ms) {
  CLOAKROOM_ASSERT(deadline_ms >= 0 && (has(kExtended) || deadline_ms <= kMaxShortDeadline));
  int64_t shown = deadline_ms;
  if (has(kExtended)) {
    std::memcpy(bytes() + kHeaderBytes + 4, &deadline_ms, sizeof deadline_ms);
    shown = deadline_ms > kMaxShortDeadline ? kMaxShortDeadline : deadline_ms;
  }
  word0_ = (word0_ & ~static_cast<uint64_t>(kMaxShortDeadline)) | static_cast<uint64_t>(shown);
}

}  // namespace cloakroom::storage
