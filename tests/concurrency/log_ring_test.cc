// Several threads reserve and copy groups while one takes them and gives their room back.
#include "storage/log/log_ring.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

namespace cloakroom::storage {
namespace {

constexpr int kThreads = 4;
constexpr int kGroups = 4000;

std::string value_of(int thread, int number) {
  const size_t bytes = number % 400 == 0 ? 3 * LogRing::kMostCopied : static_cast<size_t>(number % 900);
  return std::string(bytes, static_cast<char>('a' + thread)) + std::to_string(number);
}

std::string framed(const std::string& word) {
  return "*1\r\n$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
}

TEST_CASE("Groups of many threads leave the ring whole, each thread's in its order") {
  LogRing ring;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&ring, t] {
      uint64_t last = 0;
      for (int i = 0; i < kGroups; ++i) {
        while (!ring.has_room()) std::this_thread::yield();
        Changes changes;
        const std::string value = value_of(t, i);
        const std::string_view words[] = {value};
        changes.add_effect(static_cast<uint32_t>(t), words);
        const uint64_t position = ring.append(changes);
        if (position <= last) std::abort();
        last = position;
      }
    });
  }
  std::vector<int> next(kThreads, 0);
  uint64_t at = 0;
  for (int left = kThreads * kGroups; left > 0;) {
    LogRing::Group group;
    ring.prepare();
    if (!ring.read(at, group)) {
      std::this_thread::yield();
      continue;
    }
    std::string text(group.text[0]);
    text += group.text[1];
    if (group.pieces != nullptr) {
      for (const std::string_view piece : *group.pieces) text += piece;
    }
    const auto t = static_cast<int>(group.first_db);
    REQUIRE(text == framed(value_of(t, next[static_cast<size_t>(t)]++)));
    at = group.end;
    --left;
    if (left % 7 == 0) ring.free_before(at);
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(ring.head() == at);
  ring.free_before(at);
  CHECK(ring.waiting_bytes() == 0);
}

}  // namespace
}  // namespace cloakroom::storage
