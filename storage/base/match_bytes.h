// Which bytes of a group equal a tag, all compared at once: with SSE2 where there is, else eight at a time in
// a word (the exact form of "determine if a word has a byte equal to n").
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cloakroom::storage {

// Bit i: byte i of the eight at `bytes` is `tag`. Words only; little-endian.
inline uint32_t match_8_by_word(const uint8_t* bytes, uint8_t tag) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kLow = kOnes * 0x7f;
  uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  const uint64_t differs = word ^ (kOnes * tag);
  const uint64_t equal = ~(((differs & kLow) + kLow) | differs | kLow) >> 7;  // 1 in each byte that is equal
  return static_cast<uint32_t>(equal * 0x0102040810204080 >> 56);
}

// Bit i: byte i of the eight at `bytes` is `tag`.
inline uint32_t match_8(const uint8_t* bytes, uint8_t tag) {
#if defined(__SSE2__)
  const __m128i line = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  const __m128i same = _mm_cmpeq_epi8(line, _mm_set1_epi8(static_cast<char>(tag)));
  return static_cast<uint32_t>(_mm_movemask_epi8(same)) & 0xff;
#else
  return match_8_by_word(bytes, tag);
#endif
}

// The same of the sixteen at `bytes`, which are aligned to 16.
inline uint32_t match_16(const uint8_t* bytes, uint8_t tag) {
#if defined(__SSE2__)
  const __m128i line = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m128i same = _mm_cmpeq_epi8(line, _mm_set1_epi8(static_cast<char>(tag)));
  return static_cast<uint32_t>(_mm_movemask_epi8(same));
#else
  return match_8_by_word(bytes, tag) | match_8_by_word(bytes + 8, tag) << 8;
#endif
}

}  // namespace cloakroom::storage
