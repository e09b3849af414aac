#include "storage/log/manifest.h"

#include <doctest/doctest.h>

#include <string>

namespace cloakroom::storage {
namespace {

std::string error_of(const std::string& text) {
  Manifest manifest;
  const char* const error = manifest.parse(text);
  return error == nullptr ? "" : error;
}

TEST_CASE("A manifest as Redis writes it is read") {
  Manifest manifest;
  REQUIRE(manifest.parse("file appendonly.aof.2.base.rdb seq 2 type b\n"
                         "file appendonly.aof.1.incr.aof seq 1 type h\n"
                         "file appendonly.aof.4.incr.aof seq 4 type i\n"
                         "file appendonly.aof.7.incr.aof seq 7 type i\n") == nullptr);
  CHECK(manifest.base.name == "appendonly.aof.2.base.rdb");
  REQUIRE(manifest.increments.size() == 2);
  CHECK(manifest.increments[1].name == "appendonly.aof.7.incr.aof");
  CHECK(manifest.history.size() == 1);
  CHECK(manifest.last_number == 7);
  CHECK_FALSE(manifest.own);
  CHECK(manifest.add_increment("appendonly.aof") == "appendonly.aof.8.incr.aof");
}

TEST_CASE("Pairs stand in any order, unknown ones and comments are passed over, names may be quoted") {
  Manifest manifest;
  REQUIRE(manifest.parse("# written by somebody\n"
                         "  TYPE i\tSeq 3 file \"a \\\"b\\\" \\x41\\n.aof\" newkey value \r\n"
                         "type i file 'it\\'s' seq 4\n") == nullptr);
  REQUIRE(manifest.increments.size() == 2);
  CHECK(manifest.increments[0].name == "a \"b\" A\n.aof");
  CHECK(manifest.increments[1].name == "it's");
}

TEST_CASE("What is written is read again, with its mark") {
  Manifest manifest;
  manifest.own = true;
  manifest.base = {"na me\".base.aof", 1};
  manifest.history.push_back({"old\x01", 2});
  manifest.add_increment("appendonly.aof");
  Manifest again;
  REQUIRE(again.parse(manifest.render()) == nullptr);
  CHECK(again.own);
  CHECK(again.base.name == manifest.base.name);
  CHECK(again.history[0].name == manifest.history[0].name);
  CHECK(again.increments[0].name == "appendonly.aof.1.incr.aof");
}

TEST_CASE("What is wrong with a manifest is said in Redis' words") {
  const std::string bad = "Invalid AOF manifest file format";
  CHECK(error_of("") == "Found an empty AOF manifest");
  CHECK(error_of("file a seq 1 type i") == "The AOF manifest file contains too long line");
  CHECK(error_of("file " + std::string(1100, 'a') + " seq 1 type i\n") ==
        "The AOF manifest file contains too long line");
  CHECK(error_of("file " + std::string(1005, 'a') + " seq 1 type i\n") == "");
  CHECK(error_of("\n") == bad);
  CHECK(error_of("file a seq 1\n") == bad);
  CHECK(error_of("file a seq 1 type\n") == bad);
  CHECK(error_of("file a seq 0 type i\n") == bad);
  CHECK(error_of("file a seq x type i\n") == bad);
  CHECK(error_of("file \"a seq 1 type i\n") == bad);
  CHECK(error_of("file \"a\"b seq 1 type i\n") == bad);
  CHECK(error_of("file a/b seq 1 type i\n") == "File can't be a path, just a filename");
  CHECK(error_of("file a\\b seq 1 type i\n") == "File can't be a path, just a filename");
  CHECK(error_of("file a seq 1 type x\n") == "Unknown AOF file type");
  CHECK(error_of("file a seq 1 type b\nfile b seq 2 type b\n") == "Found duplicate base file information");
  CHECK(error_of("file a seq 2 type i\nfile b seq 2 type i\n") == "Found a non-monotonic sequence number");
}

}  // namespace
}  // namespace cloakroom::storage
