#include "storage/base/match_bytes.h"

#include <doctest/doctest.h>

#include <random>

namespace cloakroom::storage {
namespace {

uint32_t one_by_one(const uint8_t* bytes, size_t count, uint8_t tag) {
  uint32_t mask = 0;
  for (size_t i = 0; i < count; ++i) mask |= static_cast<uint32_t>(bytes[i] == tag) << i;
  return mask;
}

TEST_CASE("Bytes that equal a tag are found, with and without vector instructions") {
  std::mt19937 random(5);
  alignas(16) uint8_t bytes[16];
  for (int round = 0; round < 20000; ++round) {
    const uint32_t range = round % 2 == 0 ? 256 : 3;  // few values: many are equal, also next to each other
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % range + (round % 4 == 3 ? 126 : 0));
    const uint8_t tag = round % 5 == 0 ? static_cast<uint8_t>(random()) : bytes[random() % 16];
    CHECK(match_16(bytes, tag) == one_by_one(bytes, 16, tag));
    for (const size_t at : {0, 3, 8}) {
      CHECK(match_8(bytes + at, tag) == one_by_one(bytes + at, 8, tag));
      CHECK(match_8_by_word(bytes + at, tag) == one_by_one(bytes + at, 8, tag));
    }
  }
}

}  // namespace
}  // namespace cloakroom::storage
