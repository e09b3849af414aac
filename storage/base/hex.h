// Lower-case hexadecimal, 32 digits or 16 bytes at a time, and UUIDs (RFC 9562: 8-4-4-4-12 digits): every
// command on a session packs and compares an id. With SSSE3 where there is, else digit by digit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

namespace cloakroom::storage::hex {

inline constexpr size_t kUuidText = 36;
inline constexpr size_t kUuidBytes = 16;
inline constexpr std::string_view kDigits = "0123456789abcdef";

// For each byte its place among the digits, of whatever base; 0xff for what is none of them.
constexpr std::array<uint8_t, 256> values_of(std::string_view digits) {
  std::array<uint8_t, 256> table{};
  for (auto& v : table) v = 0xff;
  for (size_t i = 0; i < digits.size(); ++i) table[static_cast<uint8_t>(digits[i])] = static_cast<uint8_t>(i);
  return table;
}

// 0-15, or more for what is no digit.
inline unsigned value(char c) {
  static constexpr auto kValues = values_of(kDigits);
  return kValues[static_cast<uint8_t>(c)];
}

// False when `count` characters, an even number, are not all digits; half as many bytes are written then too.
inline bool pack(const char* digits, size_t count, char* out) {
  unsigned bad = 0;
  for (size_t i = 0; i < count; i += 2) {
    const unsigned high = value(digits[i]);
    const unsigned low = value(digits[i + 1]);
    bad |= high | low;
    out[i / 2] = static_cast<char>(high << 4 | low);
  }
  return bad < 16;
}

inline void unpack(const char* bytes, size_t count, char* out) {
  for (size_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    out[2 * i] = kDigits[byte >> 4];
    out[2 * i + 1] = kDigits[byte & 15];
  }
}

inline std::string text(std::string_view bytes) {
  std::string out(2 * bytes.size(), ' ');
  unpack(bytes.data(), bytes.size(), out.data());
  return out;
}

// Digit by digit: what the functions of the same name below do.
namespace plain {

inline bool pack_32(const char* digits, char* out) { return pack(digits, 32, out); }
inline void unpack_16(const char* bytes, char* out) { unpack(bytes, 16, out); }

inline bool pack_uuid(const char* text, char* out) {
  bool fine = text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
  fine = pack(text, 8, out) && fine;
  fine = pack(text + 9, 4, out + 4) && fine;
  fine = pack(text + 14, 4, out + 6) && fine;
  fine = pack(text + 19, 4, out + 8) && fine;
  return pack(text + 24, 12, out + 10) && fine;
}

inline void unpack_uuid(const char* bytes, char* out) {
  out[8] = out[13] = out[18] = out[23] = '-';
  unpack(bytes, 4, out);
  unpack(bytes + 4, 2, out + 9);
  unpack(bytes + 6, 2, out + 14);
  unpack(bytes + 8, 2, out + 19);
  unpack(bytes + 10, 6, out + 24);
}

}  // namespace plain

#if defined(__SSSE3__)

namespace vector {

inline __m128i load(const char* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline void store(__m128i bytes, char* p) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes); }
inline int64_t load_4(const char* p) {
  uint32_t word = 0;
  std::memcpy(&word, p, sizeof word);
  return word;
}
inline int64_t load_8(const char* p) {
  int64_t word = 0;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// The values of 16 digits; `bad` gets set bits where there is something else.
inline __m128i values(__m128i digits, __m128i& bad) {
  const __m128i decimal = _mm_sub_epi8(digits, _mm_set1_epi8('0'));
  const __m128i letter = _mm_sub_epi8(digits, _mm_set1_epi8('a'));
  const __m128i is_decimal = _mm_cmpeq_epi8(_mm_min_epu8(decimal, _mm_set1_epi8(9)), decimal);
  const __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
  bad = _mm_or_si128(bad, _mm_andnot_si128(_mm_or_si128(is_decimal, is_letter), _mm_set1_epi8(-1)));
  const __m128i letter_value = _mm_add_epi8(letter, _mm_set1_epi8(10));
  return _mm_or_si128(_mm_and_si128(is_decimal, decimal), _mm_and_si128(is_letter, letter_value));
}

// The 16 bytes that 32 digits stand for.
inline __m128i pack(__m128i first, __m128i second, __m128i& bad) {
  const __m128i weights = _mm_set1_epi16(0x0110);  // high digit times 16, low digit times 1
  return _mm_packus_epi16(_mm_maddubs_epi16(values(first, bad), weights),
                          _mm_maddubs_epi16(values(second, bad), weights));
}

// The 32 digits of 16 bytes.
inline void unpack(__m128i bytes, __m128i& first, __m128i& second) {
  const __m128i digits =
      _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f');
  const __m128i nibble = _mm_set1_epi8(15);
  const __m128i high = _mm_shuffle_epi8(digits, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
  const __m128i low = _mm_shuffle_epi8(digits, _mm_and_si128(bytes, nibble));
  first = _mm_unpacklo_epi8(high, low);
  second = _mm_unpackhi_epi8(high, low);
}

}  // namespace vector

// 32 digits to 16 bytes. False when there is something else among them.
inline bool pack_32(const char* digits, char* out) {
  __m128i bad = _mm_setzero_si128();
  vector::store(vector::pack(vector::load(digits), vector::load(digits + 16), bad), out);
  return _mm_movemask_epi8(bad) == 0;
}

// 16 bytes to 32 digits.
inline void unpack_16(const char* bytes, char* out) {
  __m128i first;
  __m128i second;
  vector::unpack(vector::load(bytes), first, second);
  vector::store(first, out);
  vector::store(second, out + 16);
}

// 36 characters to 16 bytes. False when they are no UUID. The digits stand at 0-7, 9-12, 14-17, 19-22, 24-35.
inline bool pack_uuid(const char* text, char* out) {
  if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return false;
  const int64_t second = vector::load_4(text + 9) | vector::load_4(text + 14) << 32;
  const int64_t third = vector::load_4(text + 19) | vector::load_4(text + 24) << 32;
  __m128i bad = _mm_setzero_si128();
  const __m128i begin = _mm_set_epi64x(second, vector::load_8(text));
  vector::store(vector::pack(begin, _mm_set_epi64x(vector::load_8(text + 28), third), bad), out);
  return _mm_movemask_epi8(bad) == 0;
}

// 16 bytes to 36 characters.
inline void unpack_uuid(const char* bytes, char* out) {
  __m128i first;
  __m128i second;
  vector::unpack(vector::load(bytes), first, second);
  const auto dash = static_cast<char>(0x80);  // the shuffles leave zero there
  const __m128i begin =
      _mm_shuffle_epi8(first, _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, dash, 8, 9, 10, 11, dash, 12, 13));
  const __m128i middle =
      _mm_shuffle_epi8(_mm_alignr_epi8(second, first, 14),
                       _mm_setr_epi8(0, 1, dash, 2, 3, 4, 5, dash, 6, 7, 8, 9, 10, 11, 12, 13));
  vector::store(_mm_or_si128(begin, _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, '-', 0, 0, 0, 0, '-', 0, 0)), out);
  vector::store(_mm_or_si128(middle, _mm_setr_epi8(0, 0, '-', 0, 0, 0, 0, '-', 0, 0, 0, 0, 0, 0, 0, 0)),
                out + 16);
  const int end = _mm_cvtsi128_si32(_mm_srli_si128(second, 12));
  std::memcpy(out + 32, &end, sizeof end);
}

#else

using plain::pack_32;
using plain::pack_uuid;
using plain::unpack_16;
using plain::unpack_uuid;

#endif

}  // namespace cloakroom::storage::hex
