#include "storage/key.h"

#include <array>

namespace cloakroom::storage {
namespace {

constexpr size_t kUuidText = 36;
constexpr size_t kUuidBytes = 16;
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<uint8_t, 256> inverse(std::string_view digits) {
  std::array<uint8_t, 256> table{};
  for (auto& v : table) v = 0xff;
  for (size_t i = 0; i < digits.size(); ++i) table[static_cast<uint8_t>(digits[i])] = static_cast<uint8_t>(i);
  return table;
}

constexpr auto kHexValue = inverse(kHexDigits);
constexpr auto kBase64Value = inverse(kBase64Digits);

uint8_t hex(char c) { return kHexValue[static_cast<uint8_t>(c)]; }

// Position of the first digit of each byte pair in a UUID's text.
constexpr std::array<uint8_t, kUuidBytes> kUuidPairs = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

bool pack_uuid(std::string_view text, char* out) {
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return false;
  unsigned bad = 0;
  for (size_t i = 0; i < kUuidBytes; ++i) {
    const unsigned high = hex(text[kUuidPairs[i]]);
    const unsigned low = hex(text[kUuidPairs[i] + 1]);
    bad |= high | low;
    out[i] = static_cast<char>(high << 4 | low);
  }
  return bad < 16;
}

bool pack_hex(std::string_view text, char* out) {
  unsigned bad = 0;
  for (size_t i = 0; i < text.size(); i += 2) {
    const unsigned high = hex(text[i]);
    const unsigned low = hex(text[i + 1]);
    bad |= high | low;
    out[i / 2] = static_cast<char>(high << 4 | low);
  }
  return bad < 16;
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

constexpr std::array<std::array<char, 2>, 256> hex_pairs() {
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kHexDigits[i >> 4], kHexDigits[i & 15]};
  return pairs;
}

constexpr auto kHexPairs = hex_pairs();

void unpack_byte(char byte, char* out) { std::memcpy(out, kHexPairs[static_cast<uint8_t>(byte)].data(), 2); }

size_t unpack_uuid(std::string_view bytes, char* out) {
  out[8] = out[13] = out[18] = out[23] = '-';
  for (size_t i = 0; i < kUuidBytes; ++i) unpack_byte(bytes[i], out + kUuidPairs[i]);
  return kUuidText;
}

}  // namespace

PackedId pack_id(std::string_view text, char* buffer) {
  const size_t n = text.size();
  if (n == kUuidText && pack_uuid(text, buffer)) return {IdCodec::kUuid, {buffer, kUuidBytes}};
  if (n >= 32 && n <= 64 && n % 2 == 0 && pack_hex(text, buffer)) return {IdCodec::kHex, {buffer, n / 2}};
  if (base64_length(n)) {
    if (const size_t size = pack_base64url(text, buffer)) return {IdCodec::kBase64Url, {buffer, size}};
  }
  return {IdCodec::kRaw, text};
}

size_t unpack_id(PackedId id, char* out) {
  switch (id.codec) {
    case IdCodec::kUuid:
      return unpack_uuid(id.bytes, out);
    case IdCodec::kBase64Url:
      return unpack_base64url(id.bytes, out);
    case IdCodec::kHex:
      for (size_t i = 0; i < id.bytes.size(); ++i) unpack_byte(id.bytes[i], out + 2 * i);
      return id.bytes.size() * 2;
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
      return kUuidText;
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
  if (open == text.npos || close == text.npos || close < open || text.size() == close - open + 1) return false;
  if (text.find('{', open + 1) != text.npos || text.find('}', close + 1) != text.npos) return false;
  out.prefix = text.substr(0, open);
  out.suffix = text.substr(close + 1);
  return true;
}

KeySchema::KeySchema(HashKey hash_key, KeyPattern session, KeyPattern user_sessions)
    : hash_key_(hash_key),
      session_(std::move(session)),
      user_sessions_(std::move(user_sessions)),
      user_first_(user_sessions_.prefix.size() > session_.prefix.size()) {}

bool KeySchema::match(KeyRole role, std::string_view raw, std::string_view& id) const {
  const KeyPattern& p = pattern(role);
  if (raw.size() <= p.prefix.size() + p.suffix.size()) return false;
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
