#include "protocol/reply_writer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "protocol/reply_parser.h"

using cloakroom::protocol::OutputBuffer;
using cloakroom::protocol::Reply;
using cloakroom::protocol::ReplyParser;
using cloakroom::protocol::ReplyWriter;
using cloakroom::protocol::SharedBytes;

namespace {

std::string wire(const OutputBuffer& buffer) {
  std::string out;
  iovec pieces[64];
  const size_t count = buffer.gather(pieces);
  for (size_t i = 0; i < count; ++i)
    out.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  CHECK(out.size() == buffer.size());
  return out;
}

template <typename Write>
std::string written(int protocol, Write write) {
  OutputBuffer out;
  ReplyWriter reply(out, protocol);
  write(reply);
  CHECK(reply.between_replies());
  return wire(out);
}

SharedBytes shared_copy(std::string_view text) {
  SharedBytes bytes = std::make_shared<char[]>(text.size());
  std::memcpy(bytes.get(), text.data(), text.size());
  return bytes;
}

// These write a random reply and, into *expected, what a reader must find: RESP2 forms where the protocol
// is 2.
void write_leaf(std::mt19937_64& random, ReplyWriter& reply, Reply* expected) {
  const bool resp3 = reply.resp3();
  const auto bulk_or = [&](char type, const std::string& text) {
    expected->type = resp3 ? type : '$';
    expected->text = text;
  };
  switch (random() % 10) {
    case 0: {
      const std::string text(random() % 400, static_cast<char>(random()));
      expected->type = '$';
      expected->text = text;
      return reply.bulk(text);
    }
    case 1:
      expected->type = '+';
      expected->text = "QUEUED";
      return reply.simple("QUEUED");
    case 2:
      expected->type = '-';
      expected->text = "ERR no";
      return reply.error("ERR no");
    case 3: {
      const auto value = static_cast<int64_t>(random() >> (random() % 64)) * (random() % 2 == 0 ? 1 : -1);
      expected->type = ':';
      expected->integer = value;
      expected->text = std::to_string(value);
      return reply.integer(value);
    }
    case 4:
      expected->type = resp3 ? '_' : '$';
      expected->is_null = true;
      return reply.null();
    case 5:
      expected->type = resp3 ? '_' : '*';
      expected->is_null = true;
      return reply.null_array();
    case 6: {
      const bool value = random() % 2 == 0;
      expected->type = resp3 ? '#' : ':';
      expected->integer = value;
      if (!resp3) expected->text = value ? "1" : "0";
      return reply.boolean(value);
    }
    case 7: {
      const double value = static_cast<double>(random()) / 1000;
      char text[40];
      std::snprintf(text, sizeof text, "%.17g", value);
      bulk_or(',', text);
      if (resp3) expected->number = value;
      return reply.double_value(value);
    }
    case 8:
      bulk_or('(', "3492890328409238509324850943850943825024385");
      return reply.big_number("3492890328409238509324850943850943825024385");
    default: {
      const std::string text(random() % (random() % 8 == 0 ? 40'000 : 200), 'b');
      expected->type = '$';
      expected->text = text;
      const SharedBytes owner = shared_copy(text);
      return reply.bulk_shared(owner, {owner.get(), text.size()});
    }
  }
}

void write_random(std::mt19937_64& random, ReplyWriter& reply, Reply* expected, int depth) {
  if (depth == 3 || random() % 3 != 0) return write_leaf(random, reply, expected);
  const size_t n = random() % 12;
  const bool pairs = random() % 3 == 0;
  const bool unordered = !pairs && random() % 2 == 0;
  const bool deferred = random() % 2 == 0;
  ReplyWriter::Deferred begun;
  if (deferred) {
    begun = reply.begin_deferred();
  } else if (pairs) {
    reply.map(n);
  } else if (unordered) {
    reply.set(n);
  } else {
    reply.array(n);
  }
  for (size_t i = 0; i < (pairs ? 2 * n : n); ++i) {
    write_random(random, reply, &expected->items.emplace_back(), depth + 1);
  }
  expected->type = !reply.resp3() ? '*' : pairs ? '%' : unordered ? '~' : '*';
  if (!deferred) return;
  if (pairs) {
    reply.end_map(begun, n);
  } else if (unordered) {
    reply.end_set(begun, n);
  } else {
    reply.end_array(begun, n);
  }
}

}  // namespace

TEST_CASE("reply writer: every type on the wire") {
  struct {
    const char* what;
    void (*write)(ReplyWriter&);
    const char* resp2;
    const char* resp3;
  } const cases[] = {
      {"bulk", [](ReplyWriter& r) { r.bulk("hello"); }, "$5\r\nhello\r\n", "$5\r\nhello\r\n"},
      {"empty bulk", [](ReplyWriter& r) { r.bulk({}); }, "$0\r\n\r\n", "$0\r\n\r\n"},
      {"ok", [](ReplyWriter& r) { r.ok(); }, "+OK\r\n", "+OK\r\n"},
      {"simple", [](ReplyWriter& r) { r.simple("PONG"); }, "+PONG\r\n", "+PONG\r\n"},
      {"error", [](ReplyWriter& r) { r.error("ERR a\r\nb\n"); }, "-ERR a  b\r\n", "-ERR a  b\r\n"},
      {"integer", [](ReplyWriter& r) { r.integer(7); }, ":7\r\n", ":7\r\n"},
      {"ten", [](ReplyWriter& r) { r.integer(10); }, ":10\r\n", ":10\r\n"},
      {"negative", [](ReplyWriter& r) { r.integer(-1); }, ":-1\r\n", ":-1\r\n"},
      {"least", [](ReplyWriter& r) { r.integer(INT64_MIN); }, ":-9223372036854775808\r\n",
       ":-9223372036854775808\r\n"},
      {"bulk integer", [](ReplyWriter& r) { r.bulk_integer(-42); }, "$3\r\n-42\r\n", "$3\r\n-42\r\n"},
      {"null", [](ReplyWriter& r) { r.null(); }, "$-1\r\n", "_\r\n"},
      {"null array", [](ReplyWriter& r) { r.null_array(); }, "*-1\r\n", "_\r\n"},
      {"true", [](ReplyWriter& r) { r.boolean(true); }, ":1\r\n", "#t\r\n"},
      {"false", [](ReplyWriter& r) { r.boolean(false); }, ":0\r\n", "#f\r\n"},
      {"double", [](ReplyWriter& r) { r.double_value(3.141); }, "$5\r\n3.141\r\n", ",3.141\r\n"},
      {"whole double", [](ReplyWriter& r) { r.double_value(10); }, "$2\r\n10\r\n", ",10\r\n"},
      {"digits", [](ReplyWriter& r) { r.double_value(0.1); }, "$19\r\n0.10000000000000001\r\n",
       ",0.10000000000000001\r\n"},
      {"exponent", [](ReplyWriter& r) { r.double_value(-1e300); }, "$24\r\n-1.0000000000000001e+300\r\n",
       ",-1.0000000000000001e+300\r\n"},
      {"inf", [](ReplyWriter& r) { r.double_value(INFINITY); }, "$3\r\ninf\r\n", ",inf\r\n"},
      {"-inf", [](ReplyWriter& r) { r.double_value(-INFINITY); }, "$4\r\n-inf\r\n", ",-inf\r\n"},
      {"nan", [](ReplyWriter& r) { r.double_value(-NAN); }, "$3\r\nnan\r\n", ",nan\r\n"},
      {"long double", [](ReplyWriter& r) { r.long_double_text("1.5"); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
      {"big number", [](ReplyWriter& r) { r.big_number("123"); }, "$3\r\n123\r\n", "(123\r\n"},
      {"verbatim", [](ReplyWriter& r) { r.verbatim("a b", "txt"); }, "$3\r\na b\r\n", "=7\r\ntxt:a b\r\n"},
      {"array", [](ReplyWriter& r) { r.array(2), r.ok(), r.null(); }, "*2\r\n+OK\r\n$-1\r\n",
       "*2\r\n+OK\r\n_\r\n"},
      {"map", [](ReplyWriter& r) { r.map(1), r.bulk("k"), r.integer(1); }, "*2\r\n$1\r\nk\r\n:1\r\n",
       "%1\r\n$1\r\nk\r\n:1\r\n"},
      {"set", [](ReplyWriter& r) { r.set(1), r.bulk("k"); }, "*1\r\n$1\r\nk\r\n", "~1\r\n$1\r\nk\r\n"},
      {"push", [](ReplyWriter& r) { r.push(1), r.bulk("k"); }, "*1\r\n$1\r\nk\r\n", ">1\r\n$1\r\nk\r\n"},
      {"attribute",
       [](ReplyWriter& r) {
         if (r.attribute(1)) r.bulk("ttl"), r.integer(5);
         r.ok();
       },
       "+OK\r\n", "|1\r\n$3\r\nttl\r\n:5\r\n+OK\r\n"},
  };
  for (const auto& row : cases) {
    CAPTURE(row.what);
    CHECK(written(3, row.write) == row.resp3);
    CHECK(written(2, row.write) == row.resp2);
  }
}

TEST_CASE("reply writer: lengths not known beforehand") {
  for (const size_t n : {0, 1, 9, 10, 1000}) {
    const std::string digits = std::to_string(n);
    std::string items;
    for (size_t i = 0; i < n; ++i) items += ":" + std::to_string(i) + "\r\n";
    const auto write = [n](ReplyWriter& r) {
      const auto outer = r.begin_deferred();
      const auto inner = r.begin_deferred();
      for (size_t i = 0; i < n; ++i) r.integer(static_cast<int64_t>(i));
      r.end_set(inner, n);
      r.bulk("v");
      r.end_map(outer, 1);
    };
    const std::string rest = std::string(digits).append("\r\n").append(items).append("$1\r\nv\r\n");
    CHECK(written(2, write) == "*2\r\n*" + rest);
    CHECK(written(3, write) == "%1\r\n~" + rest);
  }
}

TEST_CASE("reply writer: counts whole replies and errors") {
  OutputBuffer out;
  ReplyWriter reply(out, 3);
  reply.ok();
  CHECK(reply.replies() == 1);
  reply.array(2);
  CHECK_FALSE(reply.between_replies());
  reply.map(1);
  reply.bulk("k");
  reply.error("WRONGTYPE Operation");
  CHECK_FALSE(reply.between_replies());
  const auto begun = reply.begin_deferred();
  reply.integer(1);
  reply.end_array(begun, 1);
  CHECK(reply.between_replies());
  CHECK(reply.replies() == 2);
  CHECK(reply.errors() == 1);
  CHECK(reply.last_error_code() == "WRONGTYPE");
  reply.array(0);
  CHECK(reply.replies() == 3);
  reply.push(1);
  reply.bulk("message");
  CHECK(reply.replies() == 3);
  reply.raw(":1\r\n");
  CHECK(reply.replies() == 4);
  reply.error("x");
  CHECK(reply.last_error_code() == "x");
  reply.error(std::string(100, 'E'));
  CHECK(reply.last_error_code() == std::string(29, 'E'));
}

TEST_CASE("reply writer: while muted nothing is written") {
  OutputBuffer out;
  ReplyWriter reply(out, 3);
  reply.mute(true);
  reply.ok();
  reply.map(1);
  reply.bulk("a");
  reply.double_value(1.5);
  const auto begun = reply.begin_deferred();
  reply.verbatim("text", "txt");
  reply.end_array(begun, 1);
  reply.error("ERR no");
  reply.bulk_shared(shared_copy(std::string(20'000, 'x')), std::string(20'000, 'x'));
  reply.push(1);
  reply.null();
  reply.raw("+OK\r\n");
  CHECK(out.empty());
  CHECK(reply.replies() == 6);
  reply.mute(false);
  reply.ok();
  CHECK(out.flat() == "+OK\r\n");
}

TEST_CASE("reply writer: past the limit no part of a reply is left, whatever comes next") {
  const auto write_on = [](ReplyWriter& reply) {
    reply.simple("text");
    reply.error("ERR line\r\nend");
    reply.integer(12345678);
    reply.null();
    reply.boolean(true);
    reply.double_value(0.1);
    reply.big_number("123");
    reply.verbatim("text", "txt");
    reply.bulk(std::string(1'000'000, 'x'));
    reply.bulk_shared(shared_copy(std::string(20'000, 'x')), std::string(20'000, 'x'));
    reply.raw("+OK\r\n");
    reply.push(1);
    reply.map(2);
  };
  for (const int protocol : {2, 3}) {
    OutputBuffer out;
    out.set_limit(5000);
    ReplyWriter reply(out, protocol);
    reply.ok();
    const auto outer = reply.begin_deferred();
    const auto inner = reply.begin_deferred();
    size_t n = 0;
    for (; n < 1'000'000 && reply.wants_more(); ++n) reply.bulk("element");
    CHECK(n > 5000 / 13 - 3);
    CHECK(n < 5000 / 13 + 2);
    CHECK(reply.overflowed());
    reply.end_set(inner, n);
    write_on(reply);
    reply.end_map(outer, 1);
    CHECK(out.empty());
    CHECK(out.memory_bytes() == 0);
  }
}

TEST_CASE("reply writer: nobody wants more of a muted reply, and one that stopped early does not count on") {
  OutputBuffer out;
  ReplyWriter reply(out);
  CHECK(reply.wants_more());
  reply.mute(true);
  CHECK_FALSE(reply.wants_more());
  reply.array(1'000'000);
  reply.bulk("the only element");
  reply.mute(false);
  CHECK(reply.wants_more());
  CHECK(reply.between_replies());
  reply.ok();
  CHECK(reply.replies() == 2);
}

TEST_CASE("reply writer: what it writes a reader reads back, however it is split") {
  std::mt19937_64 random(7015);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    OutputBuffer out;
    ReplyWriter reply(out, round % 2 == 0 ? 2 : 3);
    std::vector<Reply> expected(1 + random() % 5);
    for (Reply& one : expected) write_random(random, reply, &one, 0);
    CHECK(reply.between_replies());
    CHECK(reply.replies() == expected.size());
    std::string bytes;
    while (!out.empty()) {
      iovec pieces[3];
      const size_t count = out.gather(std::span(pieces).first(1 + random() % 3));
      size_t total = 0;
      for (size_t i = 0; i < count; ++i) total += pieces[i].iov_len;
      size_t sent = 1 + random() % total;
      bytes.reserve(bytes.size() + sent);
      const size_t step = sent;
      for (size_t i = 0; i < count && sent != 0; ++i) {
        const size_t size = std::min(sent, pieces[i].iov_len);
        bytes.append(static_cast<const char*>(pieces[i].iov_base), size);
        sent -= size;
      }
      out.consume(step);
    }
    ReplyParser parser;
    std::vector<Reply> read;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = std::min<size_t>(bytes.size() - at, 1 + random() % 5000);
      parser.feed(std::string_view(bytes).substr(at, size));
      at += size;
      Reply one;
      while (parser.next(&one) == ReplyParser::Status::kReply) read.push_back(std::move(one));
    }
    CHECK(parser.buffered_bytes() == 0);
    CHECK((read == expected));
  }
}
