#include "protocol/output_buffer.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

using cloakroom::protocol::OutputBuffer;
using cloakroom::protocol::SharedBytes;

namespace {

SharedBytes shared_copy(std::string_view text) {
  SharedBytes bytes = std::make_shared<char[]>(text.size());
  std::memcpy(bytes.get(), text.data(), text.size());
  return bytes;
}

std::string all_of(const OutputBuffer& buffer) {
  std::vector<iovec> pieces(10'000);
  const size_t count = buffer.gather(pieces);
  std::string out;
  for (size_t i = 0; i < count; ++i)
    out.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return out;
}

}  // namespace

TEST_CASE("output buffer: random appends, inserts, truncations, moves and partial writes against a string") {
  std::mt19937_64 random(42);
  for (int round = 0; round < 50; ++round) {
    OutputBuffer buffer;
    std::string model;
    for (int step = 0; step < 300; ++step) {
      const std::string text(random() % (random() % 20 == 0 ? 100'000 : 300),
                             static_cast<char>('a' + step % 26));
      switch (random() % 8) {
        case 0: {
          const SharedBytes owner = shared_copy(text);
          buffer.append_shared(owner, {owner.get(), text.size()});
          buffer.append("\r\n");
          model.append(text).append("\r\n");
          break;
        }
        case 1: {
          const size_t mark = buffer.mark();
          const size_t before = model.size();
          buffer.append(text);
          const SharedBytes owner = shared_copy(text);
          buffer.append_shared(owner, {owner.get(), text.size()});
          buffer.append("\r\n");
          if (random() % 2 == 0) {
            buffer.truncate(mark);
          } else {
            buffer.insert(mark, "*12345\r\n");
            model.append(text).append(text).append("\r\n");
            model.insert(before, "*12345\r\n");
          }
          break;
        }
        case 2: {
          OutputBuffer other;
          other.append("dropped");
          other.append(text);
          other.append_shared(shared_copy("shared"), "shared");
          other.append(text + "\r\n");
          other.consume(7);
          buffer.append(std::move(other));
          model.append(text).append("shared").append(text).append("\r\n");
          CHECK(other.empty());  // NOLINT(bugprone-use-after-move): promised
          break;
        }
        case 3:
        case 4: {
          const size_t n = random() % (model.size() + 1);
          buffer.consume(n, 1 << 20);
          model.erase(0, n);
          break;
        }
        default:
          buffer.append(text);
          model += text;
      }
      REQUIRE(buffer.size() == model.size());
      REQUIRE(buffer.empty() == model.empty());
    }
    REQUIRE((all_of(buffer) == model));
  }
}

TEST_CASE("output buffer: a shared value is not copied, is counted, and is let go when sent") {
  const SharedBytes owner = shared_copy(std::string(100'000, 'x'));
  OutputBuffer buffer;
  buffer.append("$100000\r\n");
  buffer.append_shared(owner, {owner.get(), 100'000});
  buffer.append("\r\n");
  CHECK(owner.use_count() == 2);
  CHECK(buffer.size() == 100'011);
  CHECK(buffer.memory_bytes() > 100'000);
  CHECK(buffer.own_bytes() < 5'000);
  iovec pieces[8];
  REQUIRE(buffer.gather(pieces) == 3);
  CHECK(pieces[1].iov_base == owner.get());
  buffer.consume(9 + 50'000);
  REQUIRE(buffer.gather(pieces) == 2);
  CHECK(pieces[0].iov_base == owner.get() + 50'000);
  CHECK(owner.use_count() == 2);
  buffer.consume(50'000);
  CHECK(owner.use_count() == 1);
  CHECK(buffer.flat() == "\r\n");
}

TEST_CASE("output buffer: gives its memory back when empty, beyond what it may keep") {
  OutputBuffer buffer;
  CHECK(buffer.memory_bytes() == 0);
  buffer.append(std::string(100'000, 'x'));
  buffer.consume(100'000, 200'000);
  CHECK(buffer.memory_bytes() >= 100'000);
  buffer.append("x");
  buffer.consume(1, 1000);
  CHECK(buffer.memory_bytes() == 0);
}

TEST_CASE("output buffer: a slow but steady reader does not make it creep") {
  OutputBuffer buffer;
  const std::string reply(1000, 'x');
  for (int i = 0; i < 50; ++i) buffer.append(reply);
  for (int i = 0; i < 10'000; ++i) {
    buffer.append(reply);
    buffer.append_shared(shared_copy("s"), "s");
    buffer.append("\n");
    buffer.consume(1002);
  }
  CHECK(buffer.size() == 50'000);
  CHECK(buffer.memory_bytes() < 1'000'000);
}
