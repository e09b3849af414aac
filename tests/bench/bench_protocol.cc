// Parsing and replying as a connection does it: pipelines of one thread's buffers, warm.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "protocol/reply_writer.h"
#include "protocol/request_parser.h"
#include "tests/bench/bench.h"

namespace cloakroom::bench {
namespace {

using protocol::OutputBuffer;
using protocol::ParserLimits;
using protocol::ReplyWriter;
using protocol::RequestBatch;
using protocol::RequestParser;

constexpr size_t kScratchBytes = 64 * 1024;

void print(const char* what, size_t depth, std::chrono::steady_clock::time_point begin, size_t operations) {
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
  std::printf("%-34s P=%-4zu %8.1f ns\n", what, depth, spent.count() / static_cast<double>(operations));
}

std::string request_of(const std::vector<std::string>& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) out += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  return out;
}

// Feeds `depth` requests at a time, `chunk` bytes a read (0: all), without the cost of copying them in.
void parse(const char* what, const std::string& request, size_t depth, size_t chunk = 0) {
  std::string pipeline;
  for (size_t i = 0; i < depth; ++i) pipeline += request;
  std::vector<char> scratch(chunk != 0 ? kScratchBytes : std::max(kScratchBytes, pipeline.size()));
  const ParserLimits limits;
  RequestParser parser(limits);
  RequestBatch batch;
  const size_t rounds = std::max<size_t>(4'000'000 / depth / (request.size() / 1000 + 1), 4);
  size_t seen = 0;
  if (chunk == 0) std::memcpy(scratch.data(), pipeline.data(), pipeline.size());
  const auto begin = std::chrono::steady_clock::now();
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t at = 0; at < pipeline.size();) {
      const std::span<char> room = parser.read_target(scratch);
      const size_t size = chunk == 0 ? pipeline.size() : std::min({chunk, pipeline.size() - at, room.size()});
      if (chunk != 0) std::memcpy(room.data(), pipeline.data() + at, size);
      at += size;
      parser.received(size);
      RequestParser::Status status;
      do {
        status = parser.next(batch);
        for (const auto& r : batch) seen += r.args.back().size() & 1;
      } while (status == RequestParser::Status::kMore);
      parser.keep();
    }
  }
  print(what, depth, begin, rounds * depth);
  if (seen == 1) std::puts("");  // the result must be used
}

template <typename Write>
void reply(const char* what, size_t depth, Write write) {
  OutputBuffer out;
  ReplyWriter writer(out, 2);
  const size_t rounds = 4'000'000 / depth;
  size_t seen = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < depth; ++i) write(writer, i);
    iovec pieces[4];
    out.gather(pieces);
    seen += pieces[0].iov_len;
    out.consume(out.size(), kScratchBytes);
  }
  print(what, depth, begin, rounds * depth);
  if (seen == 1) std::puts("");
}

void bench_protocol() {
  const std::string key = "session:" + std::string(36, 'a');
  const std::string value(350, 'v');
  for (const size_t depth : {1, 16, 64}) {
    parse("parse GET 44", request_of({"GET", key}), depth);
    parse("parse SET 44 350 EX 1800", request_of({"SET", key, value, "EX", "1800"}), depth);
    reply("reply bulk 350", depth, [&](ReplyWriter& w, size_t) { w.bulk(value); });
    reply("reply +OK", depth, [](ReplyWriter& w, size_t) { w.ok(); });
    reply("reply integer", depth,
          [](ReplyWriter& w, size_t i) { w.integer(static_cast<int64_t>(i * 1000)); });
    reply("reply null", depth, [](ReplyWriter& w, size_t) { w.null(); });
  }
  reply("reply hash of 8 fields", 16, [](ReplyWriter& w, size_t) {
    w.map(8);
    for (int i = 0; i < 8; ++i) w.bulk("field-name"), w.bulk("a value of some 30 bytes......");
  });
  parse("parse inline PING", "PING\r\n", 64);
  parse("parse PING", request_of({"PING"}), 64);
  parse("parse GET 44, reads of 1448 bytes", request_of({"GET", key}), 64, 1448);
  parse("parse MGET of 1000", request_of(std::vector<std::string>(1000, key)), 1);
  parse("parse MGET of 10000", request_of(std::vector<std::string>(10'000, key)), 1);
  parse("parse SET of 1 MB", request_of({"SET", key, std::string(1'000'000, 'v')}), 1, kScratchBytes);
}

}  // namespace

const int kRegistered = register_bench("protocol", bench_protocol);

}  // namespace cloakroom::bench
