#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "storage/base/hash.h"

namespace cloakroom::storage {

// How the {id} part of a key (or a member of a set) is stored. Packing is used only where unpacking gives
// the same bytes again: canonical lower-case UUIDs, lower-case hex of 32 to 64 digits, base64url without
// padding.
enum class IdCodec : uint8_t { kRaw = 0, kUuid = 1, kHex = 2, kBase64Url = 3 };

inline constexpr size_t kMaxPackedId = 48;  // bytes: base64url of 64 characters
inline constexpr size_t kMaxUnpackedId = 64;

// An id in packed form: `bytes` of codec `codec`. Views into the given buffer or into the raw text.
struct PackedId {
  IdCodec codec;
  std::string_view bytes;
};

// Packs `text` into `buffer` (kMaxPackedId bytes) when that is loss-free, else returns the text itself as
// kRaw.
PackedId pack_id(std::string_view text, char* buffer);
void append_unpacked(PackedId id, std::string& out);
// Text of an id that is not kRaw, into `out` (kMaxUnpackedId bytes); returns its size.
size_t unpack_id(PackedId id, char* out);
size_t unpacked_size(PackedId id);

// What a key means to the session index. Part of the stored form, so recognition costs nothing after parsing.
enum class KeyRole : uint8_t { kPlain = 0, kSession = 1, kUserSessions = 2 };

// The stored form of a key: role (which pattern's text is left out) and codec, 9 bits in an entry's header.
struct KeyForm {
  KeyRole role = KeyRole::kPlain;
  IdCodec codec = IdCodec::kRaw;
  uint16_t bits() const {
    return static_cast<uint16_t>(static_cast<unsigned>(role) | static_cast<unsigned>(codec) << 6);
  }
  static KeyForm of_bits(uint16_t bits) {
    return {static_cast<KeyRole>(bits & 63), static_cast<IdCodec>(bits >> 6)};
  }
  bool operator==(const KeyForm&) const = default;
};

// A key as a command names it, with its stored form and hash. `raw` must outlive it.
class KeyRef {
 public:
  std::string_view raw() const { return raw_; }
  std::string_view stored() const { return inline_size_ ? std::string_view(inline_, inline_size_) : stored_; }
  KeyForm form() const { return form_; }
  KeyRole role() const { return form_.role; }
  uint64_t hash() const { return hash_; }
  PackedId id() const { return {form_.codec, stored()}; }  // of a session or user-sessions key

 private:
  friend class KeySchema;
  std::string_view raw_;
  std::string_view stored_;
  uint64_t hash_ = 0;
  KeyForm form_;
  uint8_t inline_size_ = 0;
  char inline_[kMaxPackedId];
};

// `text` has exactly one placeholder in braces: "session:{id}" -> prefix "session:", suffix "".
struct KeyPattern {
  std::string prefix;
  std::string suffix;
  // Returns false when `text` has no or more than one placeholder, or nothing besides it.
  static bool parse(std::string_view text, KeyPattern& out);

  size_t literal_bytes() const { return prefix.size() + suffix.size(); }
  bool operator==(const KeyPattern&) const = default;
};

// The two session patterns and the hash key: everything needed to turn wire keys into KeyRefs and back.
// Immutable after start, hence thread-safe.
class KeySchema {
 public:
  // A key that fits both patterns belongs to the one with more text beside its placeholder, then to the one
  // with more before it. Throws std::invalid_argument when they are the same.
  KeySchema(HashKey hash_key, KeyPattern session, KeyPattern user_sessions);

  KeyRef make(std::string_view raw) const {
    KeyRef key;
    fill(key, raw);
    return key;
  }
  void fill(KeyRef& key, std::string_view raw) const;
  // Of a key that is stored; `text` becomes its raw form and must outlive it.
  KeyRef reference(KeyForm form, std::string_view stored, uint64_t hash, std::string& text) const;

  uint64_t hash(KeyForm form, std::string_view stored) const {
    return hash_bytes(hash_key_, stored, form.bits());
  }
  // Hash of the session key whose id is `id` (a member of a user-sessions set).
  uint64_t session_hash(PackedId id) const { return hash({KeyRole::kSession, id.codec}, id.bytes); }
  // Text of a stored key as it is on the wire.
  void append_text(KeyForm form, std::string_view stored, std::string& out) const;
  std::string text(KeyForm form, std::string_view stored) const;
  std::string_view prefix(KeyRole role) const {
    return role == KeyRole::kPlain ? std::string_view() : std::string_view(pattern(role).prefix);
  }
  HashKey hash_key() const { return hash_key_; }

 private:
  const KeyPattern& pattern(KeyRole role) const {
    return role == KeyRole::kSession ? session_ : user_sessions_;
  }
  bool match(KeyRole role, std::string_view raw, std::string_view& id) const;

  HashKey hash_key_;
  KeyPattern session_;
  KeyPattern user_sessions_;
  bool user_first_;  // which pattern is tried first
};

}  // namespace cloakroom::storage
