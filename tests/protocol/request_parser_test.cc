#include "protocol/request_parser.h"

#include <doctest/doctest.h>

#include <random>

#include "tests/protocol/parse_transcript.h"
#include "tests/protocol/request_corpus.h"

using cloakroom::protocol::kBigBulk;
using cloakroom::protocol::kMaxLineBytes;
using cloakroom::protocol::ParserLimits;
using cloakroom::protocol::Request;
using cloakroom::protocol::RequestBatch;
using cloakroom::protocol::RequestParser;
using cloakroom::protocol::SharedBytes;
using cloakroom::tests::feed;
using cloakroom::tests::FeedOptions;
using cloakroom::tests::request_corpus;
using cloakroom::tests::request_of;
using cloakroom::tests::Transcript;
using namespace std::string_literals;

namespace {

std::string error_of(std::string_view input, bool authenticated = true) {
  FeedOptions options;
  options.authenticated = authenticated;
  return feed(input, options).error;
}

std::string requests_of(std::string_view input) {
  const Transcript out = feed(input, {});
  CHECK(out.error.empty());
  return out.requests;
}

// One parser with its scratch, fed by hand.
struct Feeder {
  ParserLimits limits;
  RequestParser parser{limits};
  RequestBatch batch;
  std::vector<char> scratch = std::vector<char>(256 * 1024);

  void give(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::span<char> room = parser.read_target(scratch);
      const size_t size = std::min(room.size(), bytes.size());
      std::memcpy(room.data(), bytes.data(), size);
      parser.received(size);
      bytes.remove_prefix(size);
    }
  }
};

}  // namespace

TEST_CASE("request parser: every split of the corpus gives what the unsplit bytes give") {
  for (const std::string& input : request_corpus()) {
    CAPTURE(input);
    const Transcript whole = feed(input, {});
    for (const size_t batch : {1, 2, 64}) {
      for (const bool keep : {true, false}) {
        for (size_t split = 1; split < input.size(); ++split) {
          FeedOptions options;
          options.batch = batch;
          options.keep = keep;
          options.chunk = [&](size_t left) { return left == input.size() ? split : left; };
          CHECK(feed(input, options) == whole);
        }
        FeedOptions bytewise;
        bytewise.batch = batch;
        bytewise.keep = keep;
        bytewise.chunk = [](size_t) { return 1; };
        CHECK(feed(input, bytewise) == whole);
      }
    }
  }
}

TEST_CASE("request parser: random splits, batches and stops of long pipelines") {
  std::mt19937_64 random(20261121);
  for (int round = 0; round < 60; ++round) {
    std::string input;
    std::string expected;
    size_t count = 0;
    while (input.size() < 200'000) {
      std::vector<std::string> args(1 + random() % (random() % 50 == 0 ? 3000 : 6));
      for (std::string& arg : args) {
        const size_t kind = random() % 200;
        arg.assign(random() % (kind == 0 ? 90'000 : kind < 5 ? 3000 : 60), static_cast<char>(random()));
      }
      input += request_of(args);
      if (random() % 8 == 0) input += "\r\n*0\r\n";
      expected += std::to_string(args.size()) + ":";
      for (const std::string& arg : args) expected += std::to_string(arg.size()) + "=" + arg + ",";
      expected += ";";
      ++count;
    }
    FeedOptions options;
    const size_t largest = 1 + random() % (round % 3 == 0 ? 50 : 40'000);
    options.batch = 1 + random() % 80;
    options.keep = random() % 2 == 0;
    options.chunk = [&](size_t) { return 1 + random() % largest; };
    if (round % 2 == 0) options.executed = [&](size_t n) { return 1 + random() % n; };
    const Transcript out = feed(input, options);
    CAPTURE(round);
    CHECK(out.count == count);
    CHECK(out.left == 0);
    CHECK((out.requests == expected));
  }
}

TEST_CASE("request parser: error texts") {
  const std::string prefix = "ERR Protocol error: ";
  for (const char* line :
       {"*\r\n", "*a\r\n", "*01\r\n", "*+1\r\n", "* 1\r\n", "*1 \r\n", "*-0\r\n", "*2147483648\r\n"}) {
    CAPTURE(line);
    CHECK(error_of(line) == prefix + "invalid multibulk length");
  }
  for (const char* line : {"$-1\r\n", "$ 5\r\n", "$+5\r\n", "$05\r\n", "$\r\n", "$a\r\n", "$536870913\r\n"}) {
    CAPTURE(line);
    CHECK(error_of("*1\r\n"s + line) == prefix + "invalid bulk length");
  }
  CHECK(error_of("*1\r\nPING\r\n") == prefix + "expected '$', got 'P'");
  CHECK(error_of("*1\r\n\r\n") == prefix + "expected '$', got '\r'");
  for (const char* line :
       {"SET 'a\r\n", "SET \"a\"b\r\n", "SET 'a'b\r\n", "SET \"a\\\r\n", "SET \"a\"\"b\"\r\n"}) {
    CAPTURE(line);
    CHECK(error_of(line) == prefix + "unbalanced quotes in request");
  }
  CHECK(error_of("SET \"a\r\n") == prefix + "unbalanced quotes in request");
  CHECK(error_of("*1\r\n$536870912\r\n").empty());
  CHECK(error_of("*2147483647\r\n").empty());
}

TEST_CASE("request parser: lines that are too long") {
  const std::string prefix = "ERR Protocol error: too big ";
  struct {
    const char* start;
    const char* text;
  } const cases[] = {{"", "inline request"}, {"*", "mbulk count string"}, {"*1\r\n$", "bulk count string"}};
  for (const auto& too_long : cases) {
    const char* start = too_long.start;
    const char* text = too_long.text;
    CAPTURE(text);
    const size_t line = std::strchr(start, '$') ? 1 : std::strlen(start);
    const std::string fits = start + std::string(kMaxLineBytes - line, '1');
    CHECK(error_of(fits).empty());
    CHECK(error_of(fits + "1") == prefix + text);
    // A NUL hides the end of the line.
    const std::string hidden = start + "\0\r\n"s;
    CHECK(error_of(hidden + std::string(1000, 'x')).empty());
    CHECK(error_of(hidden + std::string(kMaxLineBytes, 'x')) == prefix + text);
  }
  Feeder at_once;
  at_once.give(std::string(kMaxLineBytes + 1, 'x') + "\r\n");
  CHECK(at_once.parser.next(at_once.batch) == RequestParser::Status::kError);
  CHECK(error_of(std::string(kMaxLineBytes - 1, ' ') + "\r\nPING\r\n").empty());
  CHECK(requests_of("ECHO " + std::string(60'000, 'x') + "\r\n") ==
        "2:4=ECHO,60000=" + std::string(60'000, 'x') + ",;");
}

TEST_CASE("request parser: limits before authentication") {
  const std::string prefix = "ERR Protocol error: unauthenticated ";
  const std::vector<std::string> ten(10, "a");
  const std::vector<std::string> eleven(11, "a");
  CHECK(error_of(request_of(ten), false).empty());
  CHECK(error_of(request_of(eleven), false) == prefix + "multibulk length");
  CHECK(error_of(request_of({"AUTH", std::string(16384, 'p')}), false).empty());
  CHECK(error_of(request_of({"AUTH", std::string(16385, 'p')}), false) == prefix + "bulk length");
  CHECK(error_of("*2\r\n$4\r\nAUTH\r\n$536870913\r\n", false) == "ERR Protocol error: invalid bulk length");

  SUBCASE("a request that is whole at once is held to them too") {
    for (const auto& args :
         {std::vector<std::string>(11, "an argument"), {"AUTH", std::string(16385, 'p')}}) {
      Feeder f;
      f.parser.set_authenticated(false);
      f.give(request_of(args));
      CHECK(f.parser.next(f.batch) == RequestParser::Status::kError);
    }
  }

  SUBCASE("each request is parsed under the limits that the one before it left") {
    Feeder f;
    f.parser.set_authenticated(false);
    f.give(request_of({"AUTH", "secret"}) + request_of(eleven));
    CHECK(f.parser.next(f.batch) == RequestParser::Status::kMore);
    CHECK(f.batch.size() == 1);
    f.parser.set_authenticated(true);
    CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
    REQUIRE(f.batch.size() == 1);
    CHECK(f.batch[0].args.size() == 11);
  }
}

TEST_CASE("request parser: proto-max-bulk-len may change at run time") {
  Feeder f;
  f.limits.max_bulk_bytes = 5;
  f.give(request_of({"ECHO", "12345"}) + request_of({"ECHO", "123456"}));
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kError);
  CHECK(f.batch.size() == 1);
  CHECK(f.parser.error_text() == "ERR Protocol error: invalid bulk length");
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kError);
  CHECK(f.batch.empty());
}

TEST_CASE("request parser: inline quoting") {
  CHECK(requests_of("SET \"a b\" 'c d'\r\n") == "3:3=SET,3=a b,3=c d,;");
  CHECK(requests_of("\"\\x41\\x4\\xzz\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n") == "1:14=Ax4xzz\n\r\t\b\a\\\"q,;");
  CHECK(requests_of("'\\'\\n\"'\n") == "1:4='\\n\",;");
  CHECK(requests_of("\"\" ''\n") == "2:0=,0=,;");
  CHECK(requests_of("a\"b c\"  d\n") == "2:4=ab c,1=d,;");
  CHECK(requests_of(" \t a\vb\t\v\fc \r\n") == "2:3=a\vb,1=c,;");
  CHECK(requests_of("\"\\x00\"\n") == "1:1=\0,;"s);
}

TEST_CASE("request parser: a big bulk is read into a block of its own") {
  for (const size_t size : {kBigBulk, kBigBulk + 1, size_t{1} << 20, size_t{5'000'000}}) {
    CAPTURE(size);
    std::string value(size, 'v');
    value.front() = 'a';
    value.back() = 'z';
    const std::string set = request_of({"SET", "key", value, "KEEPTTL"});
    Feeder f;
    // The small requests around it must neither be lost nor share its batch.
    std::string_view input = set;
    const std::string first = request_of({"PING"}) + std::string(input.substr(0, 40));
    f.give(first);
    CHECK(f.parser.next(f.batch) == RequestParser::Status::kMore);
    CHECK(f.batch.size() == 1);
    CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
    CHECK(f.batch.empty());
    CHECK(f.parser.buffered_bytes() == 40);
    f.parser.keep();
    CHECK(f.parser.memory_bytes() < std::max<size_t>(size + 4096, 300'000));

    const std::string rest = std::string(input.substr(40)) + request_of({"PING"});
    std::string_view left = rest;
    size_t handed_out = 0;
    SharedBytes kept;
    while (!left.empty()) {
      const std::span<char> room = f.parser.read_target(f.scratch);
      const size_t n = std::min({room.size(), left.size(), size_t{30'000}});
      std::memcpy(room.data(), left.data(), n);
      left.remove_prefix(n);
      f.parser.received(n);
      CHECK(f.parser.memory_bytes() <= 2 * f.parser.buffered_bytes() + (1 << 20) + 8192);
      RequestParser::Status status;
      do {
        status = f.parser.next(f.batch);
        for (const Request& request : f.batch) {
          ++handed_out;
          if (request.args.size() == 1) continue;
          CHECK(f.batch.size() == 1);
          REQUIRE(request.args.size() == 4);
          CHECK((request.args[2] == value));
          CHECK(request.args[3] == "KEEPTTL");
          CHECK(request.wire_bytes == set.size());
          CHECK(request.big(0) == nullptr);
          CHECK(request.big(3) == nullptr);
          REQUIRE(request.big(2) != nullptr);
          CHECK(request.big(2)->get() == request.args[2].data());
          kept = *request.big(2);
        }
      } while (status == RequestParser::Status::kMore);
      f.parser.keep();
    }
    CHECK(handed_out == 2);
    CHECK(f.parser.idle());
    CHECK(f.parser.memory_bytes() == 0);
    REQUIRE(kept != nullptr);
    CHECK((std::string_view(kept.get(), size) == value));
  }
}

TEST_CASE("request parser: a big bulk that ends its request") {
  const std::string input = request_of({"SET", "k", std::string(50'000, 'v')}) + request_of({"PING"});
  for (const size_t chunk : {1000, 20'000}) {
    FeedOptions options;
    options.chunk = [&](size_t) { return chunk; };
    const Transcript out = feed(input, options);
    CHECK(out.count == 2);
    CHECK(out.left == 0);
    CHECK(out.wire_bytes == input.size());
  }
}

TEST_CASE("request parser: several big bulks in one request") {
  const std::vector<std::string> args = {
      "MSET", "a", std::string(70'000, '1'), "b", std::string(40'000, '2'), std::string(100'000, '3'), "c"};
  for (const size_t chunk : {1000, 33'000, 250'000}) {
    FeedOptions options;
    options.chunk = [&](size_t) { return chunk; };
    const Transcript out = feed(request_of(args) + request_of({"PING"}), options);
    CHECK(out.count == 2);
    CHECK(out.wire_bytes == request_of(args).size() + request_of({"PING"}).size());
    CHECK((out == feed(request_of(args) + request_of({"PING"}), {})));
  }
}

TEST_CASE("request parser: an announced length costs nothing before bytes arrive") {
  Feeder f;
  f.give("*2\r\n$4\r\nECHO\r\n$536870912\r\nabc");
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
  f.parser.keep();
  CHECK(f.parser.memory_bytes() < 300'000);
  CHECK(f.parser.buffered_bytes() == 14 + 12 + 3);

  Feeder g;
  g.give("*2147483647\r\n$4\r\nECHO\r\n");
  CHECK(g.parser.next(g.batch) == RequestParser::Status::kIncomplete);
  g.parser.keep();
  CHECK(g.parser.memory_bytes() < 1000);
}

TEST_CASE("request parser: a batch holds what fits and leaves the rest to the next") {
  Feeder f;
  std::vector<std::string> args(30);
  for (size_t i = 0; i < args.size(); ++i) args[i] = "argument " + std::to_string(i);
  const std::vector<std::string> large(5000, "large");
  std::string input;
  for (int i = 0; i < 64; ++i) input += request_of(args);
  f.give(input + request_of(large) + request_of(args) + request_of(large));
  std::vector<size_t> sizes;
  RequestParser::Status status;
  do {
    status = f.parser.next(f.batch);
    for (const Request& request : f.batch) {
      sizes.push_back(request.args.size());
      if (request.args.size() == 5000) continue;
      CHECK(request.wire_bytes == request_of(args).size());
      CHECK(std::equal(request.args.begin(), request.args.end(), args.begin(), args.end()));
    }
  } while (status == RequestParser::Status::kMore);
  std::vector<size_t> expected(64, 30);
  expected.insert(expected.end(), {5000, 30, 5000});
  CHECK((sizes == expected));
  CHECK(status == RequestParser::Status::kIncomplete);
}

TEST_CASE("request parser: a request of 200'000 arguments is not read from its start again") {
  const std::string input = request_of(std::vector<std::string>(200'000, "abc"));
  FeedOptions options;
  options.chunk = [](size_t) { return 100; };
  const Transcript out = feed(input, options);
  CHECK(out.count == 1);
  CHECK(out.wire_bytes == input.size());
  CHECK(out.left == 0);

  // What was read is remembered by argument; a short request is not worth it.
  Feeder f;
  f.give(std::string_view(input).substr(0, input.size() / 2));
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
  CHECK(f.parser.memory_bytes() > f.parser.buffered_bytes() + 99'000 * 16);
  Feeder g;
  g.give(request_of({"SET", "key", "value", "EX", "100", "NX"}).substr(0, 50));
  CHECK(g.parser.next(g.batch) == RequestParser::Status::kIncomplete);
  g.parser.keep();
  CHECK(g.parser.memory_bytes() < 250);
}

TEST_CASE("request parser: holds nothing between requests") {
  Feeder f;
  CHECK(f.parser.idle());
  f.give(request_of({"PING"}) + "*1\r\n$4\r\nPI");
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
  CHECK(f.batch.size() == 1);
  f.parser.keep();
  CHECK_FALSE(f.parser.idle());
  CHECK(f.parser.buffered_bytes() == 10);
  std::fill(f.scratch.begin(), f.scratch.end(), '?');
  f.give("NG\r\n");
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
  REQUIRE(f.batch.size() == 1);
  CHECK(f.batch[0].args[0] == "PING");
  f.parser.keep();
  CHECK(f.parser.idle());
  CHECK(f.parser.memory_bytes() == 0);
}

TEST_CASE("request parser: what follows a request that blocks is put back") {
  Feeder f;
  f.give(request_of({"A"}) + request_of({"BLPOP", "k", "0"}) + request_of({"C"}) +
         "SET \"q\" x\r\n*1\r\n$1\r\n");
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
  REQUIRE(f.batch.size() == 4);
  f.parser.unread_after(f.batch, 1);
  f.parser.keep();
  std::fill(f.scratch.begin(), f.scratch.end(), '?');
  f.give("D\r\n");
  CHECK(f.parser.next(f.batch) == RequestParser::Status::kIncomplete);
  REQUIRE(f.batch.size() == 3);
  CHECK(f.batch[0].args[0] == "C");
  CHECK(f.batch[1].args[1] == "q");
  CHECK(f.batch[2].args[0] == "D");

  SUBCASE("an error behind it is met again") {
    Feeder g;
    g.give(request_of({"A"}) + request_of({"B"}) + "*x\r\n");
    CHECK(g.parser.next(g.batch) == RequestParser::Status::kError);
    g.parser.unread_after(g.batch, 0);
    CHECK(g.parser.next(g.batch) == RequestParser::Status::kError);
    REQUIRE(g.batch.size() == 1);
    CHECK(g.batch[0].args[0] == "B");
  }
}
