#include "storage/format/log_record.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace cloakroom::storage {
namespace {

TEST_CASE("A record is read whole, or it is incomplete at every shorter length") {
  const std::string text = std::string("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\n") + '\0' + "b\r\n*1\r\n";
  const size_t whole = text.size() - 4;
  Record record;
  REQUIRE(read_record(text, record) == RecordStatus::kCommand);
  CHECK(record.bytes == whole);
  REQUIRE(record.words.size() == 3);
  CHECK(record.words[1].empty());
  CHECK(record.words[2] == std::string_view("a\r\n\0b", 5));
  for (size_t n = 1; n < whole; ++n) {
    CAPTURE(n);
    REQUIRE(read_record(std::string_view(text).substr(0, n), record) == RecordStatus::kIncomplete);
    CHECK(record.wanted > n);
    CHECK(record.wanted <= whole);
  }
}

TEST_CASE("Annotations are lines to pass over") {
  Record record;
  REQUIRE(read_record("#TS:1628217470\r\n*1\r\n", record) == RecordStatus::kAnnotation);
  CHECK(record.bytes == 16);
  CHECK(read_record("#TS:16282", record) == RecordStatus::kIncomplete);
}

TEST_CASE("What is no record is told with the place of the byte that should not be there") {
  const auto place = [](std::string_view text) {
    Record record;
    return read_record(text, record) == RecordStatus::kMalformed ? static_cast<int>(record.error_offset) : -1;
  };
  CHECK(place("SET a b\r\n") == 0);
  CHECK(place(std::string_view("\0\0\0", 3)) == 0);
  CHECK(place("*\r\n") == 1);
  CHECK(place("*-1\r\n") == 1);
  CHECK(place("*0\r\n") == 4);
  CHECK(place("*1x\r\n") == 2);
  CHECK(place("*99999999999999999999\r\n") == 17);
  CHECK(place("*1\n") == 2);
  CHECK(place("*1\r$") == 3);
  CHECK(place("*1\r\n*") == 4);
  CHECK(place("*1\r\n$1\r\naX\n") == 9);
  CHECK(place("*1\r\n$1\r\na\rX") == 10);
  CHECK(place("*1\r\n$9999999999999\r\n") == 20);
}

TEST_CASE("A snapshot without keys is known for what it is") {
  const std::string head =
      "REDIS0010\xfa\x09redis-ver\x06"
      "7.0.15\xfa\x0aredis-bits\xc0\x40";
  const std::string end =
      "\xff"
      "12345678";
  CHECK(empty_rdb_bytes(head + end) == head.size() + end.size());
  CHECK(empty_rdb_bytes(head + end + "*1\r\n") == head.size() + end.size());
  for (size_t n = 0; n < (head + end).size(); ++n) CHECK(empty_rdb_bytes((head + end).substr(0, n)) == 0);
  CHECK(empty_rdb_bytes(head + std::string("\xfe\x00", 2) + end) == 0);
  CHECK(empty_rdb_bytes(head + "\xf5\x01x" + end) == 0);
  CHECK(empty_rdb_bytes("*1\r\n$4\r\nPING\r\n") == 0);
}

}  // namespace
}  // namespace cloakroom::storage
