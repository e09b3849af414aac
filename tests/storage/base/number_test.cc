#include "storage/base/number.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

using namespace cloakroom::storage;

TEST_CASE("integers are canonical decimal or refused") {
  CHECK(parse_i64("0") == 0);
  CHECK(parse_i64("-1") == -1);
  CHECK(parse_i64("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_i64("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
  CHECK(parse_u64("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
  for (const char* text : {"", "-", "+1", "01", "-0", "00", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "a", "1a",
                           "--1", "9223372036854775808", "-9223372036854775809", "99999999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_i64(text));
  }
  for (const char* text : {"", "-", "-1", "-0", "+1", "01", "18446744073709551616", " 1"}) {
    INFO(text);
    CHECK_FALSE(parse_u64(text));
  }
  CHECK_FALSE(parse_i64(std::string_view("1\0", 2)));
}

TEST_CASE("integers survive formatting and parsing") {
  std::mt19937_64 random(3);
  for (int round = 0; round < 10000; ++round) {
    const auto value = static_cast<std::int64_t>(random()) >> (random() % 64);
    char text[kI64Chars];
    const std::size_t size = format_i64(text, value);
    REQUIRE(std::string_view(text, size) == std::to_string(value));
    REQUIRE(parse_i64({text, size}) == value);
  }
}

TEST_CASE("floats take what strtold takes, whole and finite in range") {
  CHECK(parse_long_double("3.0e3") == 3000.0L);
  CHECK(parse_long_double("0x10") == 16.0L);
  CHECK(parse_long_double("+1") == 1.0L);
  CHECK(std::isinf(*parse_long_double("inf")));
  CHECK(parse_double("-.5") == -0.5);
  CHECK(std::isinf(*parse_double("-infinity")));
  for (const char* text : {"", " 1", "1 ", "1\n", "nan", "-nan", "1x", "e5", ".", "1e99999", "1e-99999"}) {
    INFO(text);
    CHECK_FALSE(parse_long_double(text));
    CHECK_FALSE(parse_double(text));
  }
  CHECK_FALSE(parse_double("1e400"));
  CHECK(parse_long_double("1e400"));
  CHECK_FALSE(parse_double(std::string_view("1\0", 2)));
  CHECK_FALSE(parse_double(std::string(6000, '1')));
}

TEST_CASE("floats are written as Redis writes them") {
  CHECK(format_long_double_human(3.0L) == "3");
  CHECK(format_long_double_human(10.6L) == "10.6");
  CHECK(format_long_double_human(-0.0L) == "0");
  CHECK(format_long_double_human(100) == "100");
  CHECK(format_long_double_human(-1.5L) == "-1.5");
  CHECK(format_long_double_human(5e-20L) == "0");
  CHECK(format_long_double_human(1e30L) == "1000000000000000000024696061952");
  CHECK(format_double(0.1) == "0.10000000000000001");
  CHECK(format_double(3) == "3");
  CHECK(format_double(1e20) == "1e+20");
  CHECK(format_double(-std::numeric_limits<double>::infinity()) == "-inf");
}
