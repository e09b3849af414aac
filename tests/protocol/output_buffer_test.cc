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

TEST_CASE("output buffer: a limit that counts what is held is not met by half of it") {
  OutputBuffer buffer;
  while (buffer.memory_bytes() < 10'000'000) {
    buffer.append(std::string(150, 'x'));
    if (buffer.size() > 65'536) CHECK(buffer.memory_bytes() <= buffer.size() + buffer.size() / 4);
  }
}

TEST_CASE("output buffer: many bytes change hands with their memory, without its unused part") {
  for (const size_t sent : {0, 10, 70'000}) {
    OutputBuffer warm;
    OutputBuffer own;
    own.append("gone");
    own.consume(4, 100);
    std::string model;
    for (int i = 0; i < 300; ++i) {
      const std::string text(1000, static_cast<char>('a' + i % 26));
      warm.append(text);
      model += text;
      if (i != 200) continue;
      warm.append_shared(shared_copy("shared"), "shared");
      model += "shared";
    }
    const size_t half_way = warm.memory_bytes();
    warm.consume(sent, 1 << 20);
    own.append(std::move(warm));
    CHECK(warm.empty());  // NOLINT(bugprone-use-after-move): promised
    CHECK((all_of(own) == model.substr(sent)));
    CHECK(own.memory_bytes() < model.size() - sent + 1000);
    CHECK(own.memory_bytes() < half_way);
    own.append("more");
    CHECK((all_of(own) == model.substr(sent) + "more"));
  }
}

TEST_CASE("output buffer: past its limit it holds nothing and takes nothing, until it is cleared") {
  OutputBuffer buffer;
  buffer.set_limit(100'000);
  size_t most = 0;
  for (int i = 0; i < 1000 && !buffer.overflowed(); ++i) {
    buffer.append(std::string(999, 'x'));
    if (!buffer.overflowed()) CHECK(buffer.size() == 999 * static_cast<size_t>(i + 1));
    most = std::max(most, buffer.memory_bytes());
  }
  CHECK(most <= 100'000);
  CHECK(most >= 99'000);
  const auto stays_empty = [&] {
    CHECK(buffer.overflowed());
    CHECK(buffer.empty());
    CHECK(buffer.size() == 0);
    CHECK(buffer.memory_bytes() == 0);
  };
  stays_empty();
  const size_t mark = buffer.mark();
  buffer.append("x");
  CHECK(buffer.reserve(1) == nullptr);
  buffer.append_shared(shared_copy("shared"), "shared");
  buffer.insert(mark, "*1\r\n");
  buffer.truncate(mark);
  stays_empty();
  buffer.clear(1000);
  CHECK_FALSE(buffer.overflowed());
  buffer.append("again");
  CHECK(buffer.flat() == "again");
}

TEST_CASE("output buffer: the limit is about what waits, and about shared bytes as about copied ones") {
  const std::string half(50'000, 'x');
  const SharedBytes large = shared_copy(std::string(300'000, 'y'));
  OutputBuffer buffer;
  buffer.set_limit(100'000);
  for (int i = 0; i < 100; ++i) {  // sent as it comes
    buffer.append(half);
    buffer.consume(50'000, 1 << 20);
  }
  CHECK_FALSE(buffer.overflowed());
  buffer.append_shared(large, {large.get(), 300'000});  // one is always taken
  buffer.append("\r\n");
  CHECK(buffer.size() == 300'002);
  buffer.append_shared(large, {large.get(), 10});
  CHECK(buffer.overflowed());
  CHECK(large.use_count() == 1);
  buffer.clear();
  buffer.append_shared(large, {large.get(), 60'000});
  buffer.append(half);
  CHECK(buffer.overflowed());
  buffer.clear();
  buffer.append(half);
  buffer.insert(7, half + half);
  CHECK(buffer.overflowed());
}
