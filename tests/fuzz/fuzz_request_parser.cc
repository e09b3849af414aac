// The request parser must give the same for the same bytes however they are split, batched and put back, and
// must read nothing outside them. The first three bytes of the input choose all that; the rest is what a
// client sends, in the text form that decode() reads, so that the corpus can be kept as text.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "tests/protocol/parse_transcript.h"

namespace {

using cloakroom::protocol::ParserLimits;
using cloakroom::protocol::RequestBatch;
using cloakroom::protocol::RequestParser;
using cloakroom::tests::drain;
using cloakroom::tests::feed;
using cloakroom::tests::FeedOptions;
using cloakroom::tests::Transcript;

// "^M" stands for CR, "^@" for NUL, "^^" for "^", "^<digit>" for a run of 10^digit / 2 letters.
std::string decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '^' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char code = text[++i];
    if (code == 'M') {
      out += '\r';
    } else if (code == '@') {
      out += '\0';
    } else if (code >= '1' && code <= '5') {
      size_t run = 5;
      for (char digit = '1'; digit != code; ++digit) run *= 10;
      if (out.size() + run < 300'000) out.append(run, 'x');
    } else {
      out += code;
    }
  }
  return out;
}

void require(bool condition) {
  if (!condition) std::abort();
}

// As a server reads it, but from a buffer that ends exactly where the input does.
Transcript parse_exactly(std::string_view input, const FeedOptions& options) {
  constexpr size_t kLeastRoom = 16 * 1024;
  const ParserLimits limits;
  RequestParser parser(limits);
  parser.set_authenticated(options.authenticated);
  RequestBatch batch(options.batch);
  Transcript out;
  const size_t size = std::max(input.size(), kLeastRoom);
  const auto exact = std::make_unique_for_overwrite<char[]>(size);
  // The input stands at the end of the buffer: what a read past it meets is no longer ours.
  const std::span<char> room = parser.read_target({exact.get() + size - input.size(), kLeastRoom});
  std::memcpy(room.data(), input.data(), input.size());
  parser.received(input.size());
  if (drain(parser, batch, options, &out)) out.left = parser.buffered_bytes();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const uint8_t largest_read = data[0];
  const uint8_t flags = data[1];
  uint64_t state = data[2] + 1;
  const std::string input = decode({reinterpret_cast<const char*>(data) + 3, size - 3});
  const auto random = [&state](size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state >> 33) % below;
  };

  FeedOptions whole;
  whole.authenticated = (flags & 1) == 0;
  whole.keep = false;
  const Transcript expected = parse_exactly(input, whole);

  FeedOptions split = whole;
  split.keep = (flags & 2) == 0;
  split.batch = 1 + (flags >> 4);
  const size_t reach = size_t{1} + largest_read * (flags & 4 ? size_t{200} : size_t{1});
  split.chunk = [&](size_t) { return 1 + random(reach); };
  if (flags & 8) split.executed = [&](size_t n) { return 1 + random(n); };
  require(feed(input, split) == expected);
  return 0;
}
