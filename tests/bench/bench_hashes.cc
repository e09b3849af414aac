// HGETALL of 8 fields and HSET, through Access and the reply writer: everything a command does but parsing
// and dispatch. Few hashes, so that the caches hold them: what is timed is the work. Printed: ns an
// operation.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "protocol/reply_writer.h"
#include "storage/base/clock.h"
#include "storage/keyspace/access.h"
#include "storage/value/hash_value.h"
#include "tests/bench/bench.h"

namespace cloakroom::bench {
namespace {

using storage::Access;
using storage::Found;
using storage::KeyRef;

constexpr size_t kHashes = 1000;
constexpr size_t kRounds = 200;
constexpr size_t kTableFields = 100'000;

struct Bench {
  Bench() : keyspace(storage::KeyspaceOptions{}, clock), access(keyspace), reply(out) {
    access.read_clock();
    for (size_t i = 0; i < kHashes; ++i) names.push_back("session:bench-" + std::to_string(i));
  }

  // fn(found, key, number): one command on each hash, again and again; the best round counts.
  template <class Fn>
  void time(const char* what, Fn&& fn) {
    double best = 1e9;
    size_t number = 0;
    for (size_t round = 0; round < kRounds; ++round) {
      const auto begun = std::chrono::steady_clock::now();
      for (const std::string& name : names) one(name, fn, number++);
      const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begun;
      best = std::min(best, took.count() / static_cast<double>(names.size()));
    }
    std::printf("  %-36s %8.1f ns\n", what, best);
  }
  template <class Fn>
  void one(const std::string& name, Fn&& fn, size_t number) {
    if (number % 16 == 0) out.clear(64 << 10);
    const KeyRef key = keyspace.schema().make(name);
    access.guard().take(keyspace.shard_of(key.hash()));
    Found found = access.write(key);
    fn(found, key, number);
    access.finish();
  }

  storage::SystemClock clock;
  storage::Keyspace keyspace;
  Access access;
  protocol::OutputBuffer out;
  protocol::ReplyWriter reply;
  std::vector<std::string> names;
};

constexpr std::array<std::string_view, 16> kSession = {
    "user", "8812734",          "ip",    "203.0.113.24",  "created", "1763700000", "seen",   "1763703600",
    "csrf", "b7f1c0de5a9e4e0f", "roles", "reader,writer", "agent",   "Firefox",    "locale", "de-DE",
};

void hashes() {
  Bench bench;
  const auto set = [&](Found& found, const KeyRef& key, std::span<const std::string_view> pairs) {
    const size_t added = storage::hash_set(bench.access, found, key, pairs);
    bench.access.changed(key, storage::EventClass::kHash, "hset", {});
    bench.reply.integer(static_cast<int64_t>(added));
  };
  bench.time("nothing but the lookup", [&](Found&, const KeyRef&, size_t) {});
  bench.time("HSET of 8 fields, new or same length",
             [&](Found& found, const KeyRef& key, size_t) { set(found, key, kSession); });
  bench.time("HGETALL of 8 fields", [&](Found& found, const KeyRef&, size_t) {
    bench.reply.map(storage::hash_size(*found.entry));
    storage::hash_for_each(*found.entry, [&](storage::HashField field) {
      bench.reply.bulk(field.name);
      bench.reply.bulk(field.value);
    });
  });
  bench.time("HGET of the 5th of 8", [&](Found& found, const KeyRef&, size_t) {
    std::string_view value;
    storage::hash_find(*found.entry, "csrf", value);
    bench.reply.bulk(value);
  });
  bench.time("HSET of the 4th, same length", [&](Found& found, const KeyRef& key, size_t number) {
    set(found, key, std::array<std::string_view, 2>{"seen", number % 2 ? "1763703601" : "1763703602"});
  });
  bench.time("HSET of the 4th, another length", [&](Found& found, const KeyRef& key, size_t number) {
    set(found, key,
        std::array<std::string_view, 2>{"seen", number / kHashes % 2 ? "1763703601" : "176370360"});
  });
  const size_t before = bench.keyspace.memory_bytes();
  bench.names = {"table"};
  std::array<char, 17> name;
  bench.one(
      "table",
      [&](Found& found, const KeyRef& key, size_t) {
        for (size_t i = 0; i < kTableFields; ++i) {
          std::snprintf(name.data(), name.size(), "%016zu", i);
          storage::hash_set(bench.access, found, key,
                            std::array<std::string_view, 2>{std::string_view(name.data(), 16), "value"});
        }
      },
      0);
  std::printf("  %.1f bytes a field of 16 + 5 bytes in a table\n",
              static_cast<double>(bench.keyspace.memory_bytes() - before) / kTableFields);
  bench.names.assign(kHashes, "table");
  bench.time("HSET into a table of 100000", [&](Found& found, const KeyRef& key, size_t number) {
    std::snprintf(name.data(), name.size(), "%016zu", number % kHashes);
    set(found, key, std::array<std::string_view, 2>{std::string_view(name.data(), 16), "VALUE"});
  });
}

[[maybe_unused]] const int kRegistered = register_bench("hashes", hashes);

}  // namespace
}  // namespace cloakroom::bench
