#include "storage/keyspace/keyspace_walk.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "storage/keyspace/expiry.h"
#include "storage/value/string_value.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {
namespace {

constexpr uint32_t kChurning = 0;
constexpr uint32_t kSteady = 1;
constexpr uint32_t kSwapped = 2;
constexpr size_t kSteadyKeys = 500;

void put(Access& access, std::string_view text, int64_t ttl_ms) {
  const KeyRef key = access.schema().make(text);
  access.guard().take(access.keyspace().shard_of(key.hash()));
  Found found = access.write(key);
  string_set(access, found, key, {"some value"}, Deadline::kClear);
  if (ttl_ms > 0) access.set_deadline(found, key, access.now_ms() + ttl_ms);
  access.changed(key, EventClass::kString, "set", {});
  access.finish();
}

void end(Access& access, std::string_view text) {
  const KeyRef key = access.schema().make(text);
  access.guard().take(access.keyspace().shard_of(key.hash()));
  if (Found found = access.write(key)) access.end(found, key, EndCause::kDeleted);
  access.finish();
}

void churn(Access& access, std::mt19937_64& random) {
  access.select(kChurning);
  for (int i = 0; i < 200; ++i) {
    const std::string key = "session:" + std::to_string(random() % 5000);
    random() % 3 == 0 ? end(access, key)
                      : put(access, key, random() % 2 == 0 ? 0 : 1 + static_cast<int64_t>(random() % 5));
  }
}

void walk(Access& access, std::mt19937_64& random, std::atomic<int>& faults) {
  access.select(kSteady);
  size_t listed = 0;
  list_keys(access, KeyFilter(access.schema(), "*"), [&](const TextList& keys) {
    listed += keys.size();
    return true;
  });
  std::set<std::string> scanned;
  for (uint64_t cursor = 0;;) {
    TextList keys;
    cursor = scan_keys(access, cursor, 1 + random() % 100, KeyFilter(access.schema(), "steady*"), keys);
    for (size_t i = 0; i < keys.size(); ++i) scanned.insert(std::string(keys[i]));
    if (cursor == 0) break;
  }
  std::string drawn;
  const bool right = listed == kSteadyKeys && scanned.size() == kSteadyKeys &&
                     count_keys(access, true) == kSteadyKeys && random_key(access, drawn) &&
                     drawn.starts_with("steady");
  if (!right) ++faults;
  access.select(kChurning);
  list_keys(access, KeyFilter(access.schema(), "session:1*"), [](const TextList&) { return true; });
  drawn.clear();
  if (random_key(access, drawn) && !drawn.starts_with("session:")) ++faults;
}

void flush_or_swap(Access& access, std::mt19937_64& random) {
  access.select(kChurning);
  access.guard().take_all();
  if (random() % 2 == 0) {
    flush_db(access);
  } else {
    swap_databases(access, kChurning, kSwapped);
  }
  access.finish();
  if (random() % 2 == 0) reclaim_flushed(access);
}

}  // namespace

TEST_CASE("Walks see all of a database that is left alone, whatever happens to the others") {
  KeyspaceOptions options;
  options.shards = 8;
  const SystemClock clock;
  Keyspace keyspace(options, clock);
  std::atomic<int> faults{0};
  {
    Access access(keyspace);
    access.read_clock();
    access.select(kSteady);
    for (size_t i = 0; i < kSteadyKeys; ++i) put(access, "steady" + std::to_string(i), 0);
  }
  std::vector<std::thread> threads;
  for (uint64_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      Access access(keyspace);
      std::mt19937_64 random(number);
      access.seed(number);
      for (int round = 0; round < 150; ++round) {
        access.read_clock();
        churn(access, random);
        if (number < 2) walk(access, random, faults);
        if (number == 2 && round % 5 == 0) flush_or_swap(access, random);
        if (number != 3) continue;
        for (Shard* shard : keyspace.shards()) expiry_turn(access, *shard, 100);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(faults == 0);

  Access access(keyspace);
  access.guard().take_all();
  flush_all(access);
  access.finish();
  reclaim_flushed(access);
  CHECK(keyspace.memory_bytes() == 0);
}

}  // namespace cloakroom::storage::test
