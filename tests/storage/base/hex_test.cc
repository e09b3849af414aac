#include "storage/base/hex.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace cloakroom::storage {
namespace {

using Bytes = std::string;

TEST_CASE("Digits are packed the same with and without vector instructions, and nothing but digits is") {
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    Bytes digits(32, '0');
    for (char& c : digits) c = hex::kDigits[random() % 16];
    const bool damaged = round % 2 == 1;
    if (damaged) digits[random() % 32] = static_cast<char>(random());
    bool all = true;
    for (const char c : digits) all = all && hex::kDigits.find(c) != std::string_view::npos;
    Bytes one(16, '\0');
    Bytes other(16, '\0');
    CHECK(hex::pack_32(digits.data(), one.data()) == all);
    CHECK(hex::plain::pack_32(digits.data(), other.data()) == all);
    if (!all) continue;
    CHECK(one == other);
    Bytes back(32, ' ');
    hex::unpack_16(one.data(), back.data());
    CHECK(back == digits);
    back.assign(32, ' ');
    hex::plain::unpack_16(one.data(), back.data());
    CHECK(back == digits);
  }
}

TEST_CASE("UUIDs are packed the same with and without vector instructions") {
  std::mt19937 random(4);
  for (int round = 0; round < 5000; ++round) {
    Bytes text(hex::kUuidText, '-');
    for (size_t i = 0; i < text.size(); ++i) {
      if (i != 8 && i != 13 && i != 18 && i != 23) text[i] = hex::kDigits[random() % 16];
    }
    const Bytes good = text;
    if (round % 2 == 1) text[random() % text.size()] = static_cast<char>(random());
    Bytes one(hex::kUuidBytes, '\0');
    Bytes other(hex::kUuidBytes, '\0');
    const bool packed = hex::pack_uuid(text.data(), one.data());
    CHECK(hex::plain::pack_uuid(text.data(), other.data()) == packed);
    if (text == good) CHECK(packed);
    if (!packed) continue;
    CHECK(one == other);
    Bytes back(hex::kUuidText, ' ');
    hex::unpack_uuid(one.data(), back.data());
    CHECK(back == text);
    back.assign(hex::kUuidText, ' ');
    hex::plain::unpack_uuid(one.data(), back.data());
    CHECK(back == text);
  }
}

}  // namespace
}  // namespace cloakroom::storage
