#include "protocol/reply_parser.h"

#include <doctest/doctest.h>

#include <string>

using cloakroom::protocol::Reply;
using cloakroom::protocol::ReplyParser;
using Status = cloakroom::protocol::ReplyParser::Status;

namespace {

Status status_of(std::string_view bytes) {
  ReplyParser parser;
  parser.feed(bytes);
  Reply reply;
  return parser.next(&reply);
}

}  // namespace

TEST_CASE("reply parser: an attribute belongs to the reply behind it") {
  ReplyParser parser;
  parser.feed("*2\r\n:1\r\n|1\r\n+ttl\r\n:5\r\n:2\r\n%1\r\n+k\r\n=5\r\ntxt:v\r\n");
  Reply reply;
  REQUIRE(parser.next(&reply) == Status::kReply);
  REQUIRE(reply.items.size() == 2);
  CHECK(reply.items[0].attributes.empty());
  CHECK(reply.items[1].integer == 2);
  REQUIRE(reply.items[1].attributes.size() == 2);
  CHECK(reply.items[1].attributes[1].integer == 5);
  REQUIRE(parser.next(&reply) == Status::kReply);
  CHECK(reply.type == '%');
  REQUIRE(reply.items.size() == 2);
  CHECK(reply.items[1].text == "txt:v");
  CHECK(parser.next(&reply) == Status::kIncomplete);
}

TEST_CASE("reply parser: what is not RESP is an error, what is cut short is incomplete") {
  for (const char* bytes : {"\r\n", "x\r\n", ":\r\n", ":1a\r\n", "$-2\r\n", "$1\r\nab\r\n", "#x\r\n",
                            ",x\r\n", "_x\r\n", "*1\r\n?\r\n", "$a\r\n"}) {
    CAPTURE(bytes);
    CHECK(status_of(bytes) == Status::kError);
  }
  const std::string whole = "*3\r\n$2\r\nab\r\n%1\r\n#t\r\n,1.5\r\n_\r\n";
  CHECK(status_of(whole) == Status::kReply);
  for (size_t size = 0; size < whole.size(); ++size)
    CHECK(status_of(whole.substr(0, size)) == Status::kIncomplete);
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "*1\r\n";
  CHECK(status_of(deep) == Status::kError);
}
