#include "storage/keyspace/key.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "storage/base/hex.h"

namespace cloakroom::storage {
namespace {

constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr auto kBase64Value = hex::values_of(kBase64Digits);

bool pack_hex(std::string_view text, char* out) {
  size_t i = 0;
  bool fine = true;
  for (; i + 32 <= text.size(); i += 32) fine = hex::pack_32(&text[i], out + i / 2) && fine;
  return hex::pack(text.data() + i, text.size() - i, out + i / 2) && fine;
}

// Returns the packed size, or 0 when the text is not base64url or its last digit has unused bits set.
size_t pack_base64url(std::string_view text, char* out) {
  uint32_t bits = 0;
  unsigned have = 0;
  size_t size = 0;
  for (const char c : text) {
    const uint8_t value = kBase64Value[static_cast<uint8_t>(c)];
    if (value > 63) return 0;
    bits = bits << 6 | value;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[size++] = static_cast<char>(bits >> have);
    }
  }
  return (bits & ((1u << have) - 1)) == 0 ? size : 0;
}

bool base64_length(size_t n) { return n >= 22 && n <= 64 && n % 4 != 1; }

size_t base64_text_size(size_t bytes) { return (bytes * 8 + 5) / 6; }

size_t unpack_base64url(std::string_view bytes, char* out) {
  uint32_t bits = 0;
  unsigned have = 0;
  char* at = out;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(c);
    have += 8;
    while (have >= 6) {
      have -= 6;
      *at++ = kBase64Digits[bits >> have & 63];
    }
  }
  if (have > 0) *at++ = kBase64Digits[bits << (6 - have) & 63];
  return static_cast<size_t>(at - out);
}

size_t unpack_hex(std::string_view bytes, char* out) {
  size_t i = 0;
  for (; i + 16 <= bytes.size(); i += 16) hex::unpack_16(&bytes[i], out + 2 * i);
  hex::unpack(bytes.data() + i, bytes.size() - i, out + 2 * i);
  return 2 * bytes.size();
}

}  // namespace

PackedId pack_id(std::string_view text, char* buffer) {
  const size_t n = text.size();
  if (n == hex::kUuidText && hex::pack_uuid(text.data(), buffer)) {
    return {IdCodec::kUuid, {buffer, hex::kUuidBytes}};
  }
  if (n >= 32 && n <= 64 && n % 2 == 0 && pack_hex(text, buffer)) return {IdCodec::kHex, {buffer, n / 2}};
  if (base64_length(n)) {
    if (const size_t size = pack_base64url(text, buffer)) return {IdCodec::kBase64Url, {buffer, size}};
  }
  return {IdCodec::kRaw, text};
}

size_t unpack_id(PackedId id, char* out) {
  switch (id.codec) {
    case IdCodec::kUuid:
      hex::unpack_uuid(id.bytes.data(), out);
      return hex::kUuidText;
    case IdCodec::kBase64Url:
      return unpack_base64url(id.bytes, out);
    case IdCodec::kHex:
      return unpack_hex(id.bytes, out);
    case IdCodec::kRaw:
      break;
  }
  return 0;
}

void append_unpacked(PackedId id, std::string& out) {
  if (id.codec == IdCodec::kRaw) {
    out.append(id.bytes);
    return;
  }
  char text[kMaxUnpackedId];
  out.append(text, unpack_id(id, text));
}

size_t unpacked_size(PackedId id) {
  switch (id.codec) {
    case IdCodec::kRaw:
      return id.bytes.size();
    case IdCodec::kUuid:
      return hex::kUuidText;
    case IdCodec::kHex:
      return id.bytes.size() * 2;
    case IdCodec::kBase64Url:
      return base64_text_size(id.bytes.size());
  }
  return 0;
}

bool KeyPattern::parse(std::string_view text, KeyPattern& out) {
  const size_t open = text.find('{');
  const size_t close = text.find('}');
  if (open == text.npos || close == text.npos || close < open || text.size() == close - open + 1)
    return false;
  if (text.find('{', open + 1) != text.npos || text.find('}', close + 1) != text.npos) return false;
  out.prefix = text.substr(0, open);
  out.suffix = text.substr(close + 1);
  return true;
}

KeySchema::KeySchema(HashKey hash_key, KeyPattern session, KeyPattern user_sessions)
    : hash_key_(hash_key),
      session_(std::move(session)),
      user_sessions_(std::move(user_sessions)),
      user_first_(std::pair(user_sessions_.literal_bytes(), user_sessions_.prefix.size()) >
                  std::pair(session_.literal_bytes(), session_.prefix.size())) {
  if (session_ == user_sessions_) {
    throw std::invalid_argument("session-key-pattern and user-sessions-key-pattern are the same");
  }
}

bool KeySchema::match(KeyRole role, std::string_view raw, std::string_view& id) const {
  const KeyPattern& p = pattern(role);
  if (raw.size() < p.literal_bytes()) return false;
  if (std::memcmp(raw.data(), p.prefix.data(), p.prefix.size()) != 0) return false;
  if (!p.suffix.empty() && !raw.ends_with(p.suffix)) return false;
  id = raw.substr(p.prefix.size(), raw.size() - p.prefix.size() - p.suffix.size());
  return true;
}

void KeySchema::fill(KeyRef& key, std::string_view raw) const {
  const KeyRole first = user_first_ ? KeyRole::kUserSessions : KeyRole::kSession;
  const KeyRole second = user_first_ ? KeyRole::kSession : KeyRole::kUserSessions;
  key.raw_ = raw;
  key.inline_size_ = 0;
  std::string_view id;
  KeyRole role = KeyRole::kPlain;
  if (match(first, raw, id)) {
    role = first;
  } else if (match(second, raw, id)) {
    role = second;
  }
  if (role == KeyRole::kPlain) {
    key.form_ = {};
    key.stored_ = raw;
  } else {
    const PackedId packed = pack_id(id, key.inline_);
    key.form_ = {role, packed.codec};
    key.stored_ = packed.bytes;
    if (packed.codec != IdCodec::kRaw) key.inline_size_ = static_cast<uint8_t>(packed.bytes.size());
  }
  key.hash_ = hash(key.form_, key.stored());
}

KeyRef KeySchema::reference(KeyForm form, std::string_view stored, uint64_t hash, std::string& text) const {
  text.clear();
  append_text(form, stored, text);
  KeyRef key;
  key.raw_ = text;
  key.form_ = form;
  key.hash_ = hash;
  if (form.role == KeyRole::kPlain) {
    key.stored_ = text;
  } else if (form.codec == IdCodec::kRaw) {
    key.stored_ = std::string_view(text).substr(pattern(form.role).prefix.size(), stored.size());
  } else {
    std::copy(stored.begin(), stored.end(), key.inline_);
    key.inline_size_ = static_cast<uint8_t>(stored.size());
  }
  return key;
}

void KeySchema::append_text(KeyForm form, std::string_view stored, std::string& out) const {
  if (form.role == KeyRole::kPlain) {
    out.append(stored);
    return;
  }
  const KeyPattern& p = pattern(form.role);
  out.append(p.prefix);
  append_unpacked({form.codec, stored}, out);
  out.append(p.suffix);
}

std::string KeySchema::text(KeyForm form, std::string_view stored) const {
  std::string out;
  append_text(form, stored, out);
  return out;
}

}  // namespace cloakroom::storage
