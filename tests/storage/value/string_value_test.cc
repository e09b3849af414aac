#include "storage/value/string_value.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "tests/storage/fixture.h"

namespace cloakroom::storage {
namespace {

using test::Fixture;

constexpr size_t kLimit = 512 << 20;

std::string text_of(const Found& found) {
  char digits[kI64Chars];
  return std::string(string_bytes(*found.entry, digits));
}

std::string get(Fixture& fixture, std::string_view name) {
  return fixture.with(name, [&](const KeyRef& key) {
    const Found found = fixture.access.read(key);
    return found ? text_of(found) : std::string("(none)");
  });
}

std::string encoding(Fixture& fixture, std::string_view name) {
  return fixture.with(name, [&](const KeyRef& key) {
    const Found found = fixture.access.peek(key);
    return std::string(value_ops(found->kind()).encoding);
  });
}

void set(Fixture& fixture, std::string_view name, std::string_view value,
         Deadline deadline = Deadline::kClear) {
  fixture.with(name, [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    string_set(fixture.access, found, key, {value}, deadline);
  });
}

Result<size_t> append(Fixture& fixture, std::string_view name, std::string_view tail, size_t limit = kLimit) {
  return fixture.with(name, [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    return string_append(fixture.access, found, key, {tail}, limit);
  });
}

Result<size_t> write(Fixture& fixture, std::string_view name, uint64_t offset, std::string_view part,
                     size_t limit = kLimit) {
  return fixture.with(name, [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    return string_write(fixture.access, found, key, offset, part, limit);
  });
}

Result<int64_t> increment(Fixture& fixture, std::string_view name, int64_t delta) {
  return fixture.with(name, [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    return string_increment(fixture.access, found, key, delta);
  });
}

std::string encoding_of_set(std::string_view value) {
  if (parse_i64(value)) return "int";
  return value.size() <= kMaxEmbeddedString ? "embstr" : "raw";
}

}  // namespace

TEST_CASE("a string is encoded as SET does, at every threshold") {
  Fixture fixture;
  for (const std::string value : {"0", "-1", "9223372036854775807", "-9223372036854775808"}) {
    set(fixture, "k", value);
    CHECK(get(fixture, "k") == value);
    CHECK(encoding(fixture, "k") == "int");
  }
  for (const std::string value : {"", "-0", "01", "+1", " 1", "9223372036854775808", "1.0"}) {
    set(fixture, "k", value);
    CHECK(get(fixture, "k") == value);
    CHECK(encoding(fixture, "k") == "embstr");
  }
  for (const size_t size : {44u, 45u, 1959u, 1960u, 1961u, 100000u}) {
    const std::string value(size, 'x');
    set(fixture, "k", value);
    CHECK(get(fixture, "k") == value);
    CHECK(encoding(fixture, "k") == (size == 44 ? "embstr" : "raw"));
  }
  fixture.erase("k");
  CHECK(fixture.value_bytes() == 0);
  CHECK(big_bytes_alive() == 0);
}

TEST_CASE("Long strings count once, for as long as anybody holds them") {
  constexpr size_t kSize = 100'000;
  const auto about = [](size_t bytes) { return bytes >= kSize && bytes < kSize + 200; };
  Fixture fixture;
  const size_t empty = fixture.keyspace.memory_bytes();
  const int64_t before = big_bytes_of_this_thread();
  BigBytes argument = std::make_shared<char[]>(kSize);
  const std::string_view text(argument.get(), kSize);
  fixture.with("taken", [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    string_set(fixture.access, found, key, {text, &argument}, Deadline::kClear);
  });
  CHECK(big_bytes_alive() == kSize);
  fixture.with("taken", [&](const KeyRef& key) {
    CHECK_FALSE(held_once(big_string(*fixture.access.read(key).entry).bytes));  // the request reads it
    argument.reset();
    CHECK(held_once(big_string(*fixture.access.read(key).entry).bytes));
  });
  CHECK(fixture.keyspace.memory_bytes() >= empty + kSize);
  BigBytes reply = fixture.with(
      "taken", [&](const KeyRef& key) { return big_string(*fixture.access.read(key).entry).bytes; });
  fixture.with_all([&] {
    const KeyRef from = fixture.key("taken");
    const KeyRef to = fixture.key("copy");
    Found source = fixture.access.read(from);
    Found target = fixture.access.write(to);
    fixture.access.attach(target, to, fixture.access.copy(source));
  });
  CHECK(big_bytes_alive() == kSize);
  fixture.erase("taken");
  fixture.erase("copy");
  CHECK(fixture.value_bytes() == 0);
  CHECK(big_bytes_alive() == kSize);
  CHECK(fixture.keyspace.memory_bytes() >= kSize);
  reply.reset();
  CHECK(big_bytes_alive() == 0);
  set(fixture, "made", std::string(kSize, 'x'));
  CHECK(about(big_bytes_alive()));
  CHECK(big_bytes_of_this_thread() - before == static_cast<int64_t>(big_bytes_alive()));
  std::thread other([&fixture] { fixture.erase("made"); });
  other.join();
  CHECK(big_bytes_alive() == 0);
}

TEST_CASE("numbers") {
  Fixture fixture;
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  CHECK(increment(fixture, "n", -3).value == -3);
  CHECK(increment(fixture, "n", 10).value == 7);
  CHECK(encoding(fixture, "n") == "int");
  CHECK(increment(fixture, "n", kMax).status == Status::kIncrementOverflow);
  CHECK(get(fixture, "n") == "7");
  CHECK(append(fixture, "n", "5").value == 2);
  CHECK(encoding(fixture, "n") == "raw");
  CHECK(increment(fixture, "n", 1).value == 76);
  CHECK(encoding(fixture, "n") == "int");
  set(fixture, "n", "7a");
  CHECK(increment(fixture, "n", 1).status == Status::kNotInteger);

  fixture.with("n", [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    CHECK(string_sum(found, 1).status == Status::kNotFloat);
    string_set_text(fixture.access, found, key, "5");
    CHECK(string_sum(found, 0.5L).value == 5.5L);
    CHECK(string_sum(found, std::numeric_limits<long double>::infinity()).status == Status::kNotFinite);
  });
  CHECK(encoding(fixture, "n") == "embstr");
}

TEST_CASE("lengths past the limit change nothing") {
  Fixture fixture;
  CHECK(append(fixture, "k", "12345", 4).value == 5);  // a new key takes what the protocol let in
  CHECK(append(fixture, "k", "6", 5).status == Status::kStringTooLong);
  CHECK(append(fixture, "k", "", 5).value == 5);
  CHECK(write(fixture, "k", 4, "ab", 5).status == Status::kStringTooLong);
  CHECK(write(fixture, "k", std::numeric_limits<int64_t>::max(), "a").status == Status::kStringTooLong);
  CHECK(write(fixture, "none", std::numeric_limits<uint64_t>::max(), "a").status == Status::kStringTooLong);
  CHECK(get(fixture, "k") == "12345");
  CHECK(get(fixture, "none") == "(none)");
}

// Sets k to the text by handing over the buffer it came in.
const char* set_in_buffer(Fixture& fixture, const std::string& text, std::shared_ptr<char[]>& buffer) {
  buffer = std::make_shared<char[]>(text.size());
  std::copy(text.begin(), text.end(), buffer.get());
  fixture.with("k", [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    string_set(fixture.access, found, key, {{buffer.get(), text.size()}, &buffer}, Deadline::kClear);
    CHECK(big_string(*found.entry).bytes.get() == buffer.get());
  });
  return buffer.get();
}

TEST_CASE("a long string shares the buffer it came in, which nobody changes while it is looked at") {
  Fixture fixture;
  const std::string text(50000, 'b');
  std::shared_ptr<char[]> buffer;
  const char* const bytes = set_in_buffer(fixture, text, buffer);
  CHECK(get(fixture, "k") == text);
  CHECK(write(fixture, "k", 1, "c").value == text.size());
  CHECK(std::string_view(bytes, text.size()) == text);  // the argument is as it was sent
}

TEST_CASE("a long string is changed in the buffer it came in once nobody else has it") {
  Fixture fixture;
  const std::string text(50000, 'b');
  std::shared_ptr<char[]> buffer;
  const char* const bytes = set_in_buffer(fixture, text, buffer);
  buffer.reset();
  CHECK(write(fixture, "k", 1, "c").value == text.size());
  fixture.with("k", [&](const KeyRef& key) {
    const Found found = fixture.access.peek(key);
    CHECK(big_string(*found.entry).bytes.get() == bytes);
  });
}

TEST_CASE("what a reply holds of a long string never changes") {
  Fixture fixture;
  const std::string text(5000, 'a');
  set(fixture, "k", text);
  BigString held;
  fixture.with("k", [&](const KeyRef& key) { held = big_string(*fixture.access.read(key).entry); });
  REQUIRE(write(fixture, "k", 10, "XYZ"));
  REQUIRE(append(fixture, "k", "tail"));
  CHECK(std::string_view(held.bytes.get(), held.size) == text);
  CHECK(get(fixture, "k") == text.substr(0, 10) + "XYZ" + text.substr(13) + "tail");

  fixture.with_all([&] {
    const KeyRef from = fixture.key("k");
    const KeyRef to = fixture.key("copy");
    const Found source = fixture.access.read(from);
    Found target = fixture.access.write(to);
    fixture.access.attach(target, to, fixture.access.copy(source));
  });
  const std::string before = get(fixture, "k");
  REQUIRE(append(fixture, "copy", "1"));
  REQUIRE(append(fixture, "k", "2"));
  CHECK(get(fixture, "copy") == before + "1");
  CHECK(get(fixture, "k") == before + "2");
  fixture.erase("k");
  fixture.erase("copy");
  CHECK(std::string_view(held.bytes.get(), held.size) == text);
  CHECK(fixture.value_bytes() == 0);
}

TEST_CASE("appending moves few bytes in all") {
  Fixture fixture;
  set(fixture, "k", std::string(kMaxInlineString, 'x'));
  size_t moves = 0;
  const void* last = nullptr;
  for (int i = 0; i < 40000; ++i) {
    REQUIRE(append(fixture, "k", std::string(100, 'y')));
    fixture.with("k", [&](const KeyRef& key) {
      const void* bytes = big_string(*fixture.access.peek(key).entry).bytes.get();
      moves += bytes != last;
      last = bytes;
    });
  }
  CHECK(moves <= 16);
}

namespace {

struct Model {
  std::string value;
  std::string encoding;
};

// Random operations on a few keys against a plain model, with readers that hold long values meanwhile.
class Play {
 public:
  explicit Play(uint32_t seed) : random_(seed) {}

  void step() {
    const std::string name = "key" + std::to_string(random_() % 6);
    switch (random_() % 8) {
      case 0:
      case 1: {
        const std::string value = text();
        set(fixture, name, value);
        model_[name] = {value, encoding_of_set(value)};
        break;
      }
      case 2:
        add_tail(name, text());
        break;
      case 3:
        put_part(name, random_() % 3000, text());
        break;
      case 4:
        add_number(name, static_cast<int64_t>(random_() % 100));
        break;
      case 5:
        hold(name);
        break;
      case 6:
        fixture.erase(name);
        model_.erase(name);
        break;
      default:
        held_.clear();
    }
    check(name);
  }

  void finish() {
    for (int i = 0; i < 6; ++i) fixture.erase("key" + std::to_string(i));
    CHECK(fixture.value_bytes() == 0);
    held_.clear();
    CHECK(big_bytes_alive() == 0);
  }

  Fixture fixture;

 private:
  std::string text() {
    static constexpr std::array<size_t, 14> kSizes = {0,  1,   2,    19,   20,   21,   44,
                                                      45, 500, 1959, 1960, 1961, 4000, 40000};
    if (random_() % 4 == 0) return std::to_string(static_cast<int64_t>(random_()) - (int64_t{1} << 31));
    std::string out(kSizes[random_() % kSizes.size()], '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }

  void add_tail(const std::string& name, const std::string& tail) {
    const auto at = model_.find(name);
    const auto size = append(fixture, name, tail);
    if (at == model_.end()) {
      model_[name] = {tail, encoding_of_set(tail)};
    } else {
      at->second = {at->second.value + tail, "raw"};
    }
    CHECK(size.value == model_[name].value.size());
  }

  void put_part(const std::string& name, size_t offset, const std::string& part) {
    if (part.empty()) return;
    std::string& value = model_[name].value;
    if (value.size() < offset + part.size()) value.resize(offset + part.size());
    value.replace(offset, part.size(), part);
    model_[name].encoding = "raw";
    CHECK(write(fixture, name, offset, part).value == value.size());
  }

  void add_number(const std::string& name, int64_t delta) {
    const auto at = model_.find(name);
    const auto number = at == model_.end() ? std::optional<int64_t>(0) : parse_i64(at->second.value);
    const auto sum = increment(fixture, name, delta);
    CHECK(sum.status == (number ? Status::kOk : Status::kNotInteger));
    if (number) model_[name] = {std::to_string(*number + delta), "int"};
  }

  void hold(const std::string& name) {
    fixture.with(name, [&](const KeyRef& key) {
      const Found found = fixture.access.read(key);
      if (found && found->kind() == Kind::kStringShared)
        held_.emplace_back(big_string(*found.entry), text_of(found));
    });
  }

  void check(const std::string& name) {
    const auto at = model_.find(name);
    REQUIRE(get(fixture, name) == (at == model_.end() ? "(none)" : at->second.value));
    if (at != model_.end()) CHECK(encoding(fixture, name) == at->second.encoding);
    for (const auto& [big, was] : held_) CHECK(std::string_view(big.bytes.get(), big.size) == was);
  }

  std::mt19937 random_;
  std::map<std::string, Model> model_;
  std::vector<std::pair<BigString, std::string>> held_;
};

}  // namespace

TEST_CASE("random operations agree with a plain model and give all memory back") {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Play play(seed);
    for (int i = 0; i < 500; ++i) play.step();
    play.finish();
  }
}

TEST_CASE("the deadline stays or goes as asked") {
  Fixture fixture;
  const auto deadline = [&] {
    return fixture.with("session:1",
                        [&](const KeyRef& key) { return fixture.access.peek(key)->deadline_ms(); });
  };
  const int64_t due = fixture.clock.wall_ms() + 1000;
  set(fixture, "session:1", "a");
  fixture.with("session:1", [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    fixture.access.set_deadline(found, key, due);
  });
  set(fixture, "session:1", std::string(3000, 'b'), Deadline::kKeep);
  REQUIRE(append(fixture, "session:1", std::string(3000, 'c')));
  REQUIRE(write(fixture, "session:1", 0, "d"));
  CHECK(deadline() == due);
  fixture.with("session:1", [&](const KeyRef& key) {  // past 42 bits: the entry moves, the long value with it
    Found found = fixture.access.write(key);
    fixture.access.set_deadline(found, key, int64_t{1} << 60);
  });
  CHECK(deadline() == int64_t{1} << 60);
  CHECK(get(fixture, "session:1").substr(0, 2) == "db");
  set(fixture, "session:1", "5", Deadline::kClear);
  CHECK(deadline() == 0);

  set(fixture, "session:1", "6");
  fixture.with("session:1", [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    fixture.access.set_deadline(found, key, due);
  });
  fixture.advance(1000);
  CHECK(increment(fixture, "session:1", 1).value == 7);
  fixture.advance(1);
  CHECK(get(fixture, "session:1") == "(none)");
  CHECK(increment(fixture, "session:1", 1).value == 1);  // counts from 0 again
}

TEST_CASE("a long value is read by one thread while others change it") {
  Fixture fixture;
  set(fixture, "k", std::string(20000, 'a'));
  std::atomic<bool> torn{false};
  std::atomic<bool> done{false};
  std::thread reader([&] {
    Access access(fixture.keyspace);
    access.read_clock();
    const KeyRef key = fixture.key("k");
    while (!done) {
      access.guard().take(fixture.keyspace.shard_of(key.hash()));
      const BigString held = big_string(*access.read(key).entry);
      access.finish();
      const std::string_view text(held.bytes.get(), held.size);
      if (text.find_first_not_of(text[0]) != std::string_view::npos) torn = true;
    }
  });
  for (int i = 0; i < 300; ++i)
    REQUIRE(write(fixture, "k", 0, std::string(20000, static_cast<char>('a' + i % 26))));
  done = true;
  reader.join();
  CHECK_FALSE(torn);
}

}  // namespace cloakroom::storage
