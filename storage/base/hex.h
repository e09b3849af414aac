#pragma once

#include <tmmintrin.h>

#include <cstddef>
#include <cstdint>

// Lower-case hexadecimal, 16 digits or 16 bytes at a time: every command on a session packs and compares an
// id.
namespace cloakroom::storage::hex {

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

inline bool is_bad(__m128i bad) { return _mm_movemask_epi8(bad) != 0; }

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

}  // namespace cloakroom::storage::hex
