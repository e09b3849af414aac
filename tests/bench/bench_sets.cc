// SADD of one id to a user's packed set, SISMEMBER and SMEMBERS, through Access: everything a command does
// but parsing and dispatch. "hot": one user's set in cache, the cost of the code; "cold": 200 000 users in
// random order, without prefetching.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "protocol/reply_writer.h"
#include "storage/base/clock.h"
#include "storage/keyspace/access.h"
#include "storage/value/set_value.h"
#include "tests/bench/bench.h"

namespace cloakroom::bench {
namespace {

using storage::Access;
using storage::EventClass;
using storage::Found;
using storage::KeyRef;

constexpr size_t kUsers = 200'000;
constexpr size_t kHotRounds = 300'000;

std::string uuid(std::mt19937_64& random) {
  std::string text(36, '-');
  for (size_t i = 0; i < text.size(); ++i) {
    if (i != 8 && i != 13 && i != 18 && i != 23) text[i] = "0123456789abcdef"[random() & 15];
  }
  return text;
}

class Bench {
 public:
  explicit Bench(bool index) : keyspace_(options(index), clock_), access_(keyspace_), reply_(out_) {
    access_.read_clock();
  }

  void sadd(std::string_view name, std::string_view member) {
    const KeyRef key = take(name, member);
    Found found = access_.write(key);
    const bool added = storage::set_add(access_, found, key, member);
    if (added) access_.changed(key, EventClass::kSet, "sadd", {"SADD", name, member});
    reply_.integer(added);
    finish();
  }
  void srem(std::string_view name, std::string_view member) {
    const KeyRef key = take(name, member);
    Found found = access_.write(key);
    storage::set_remove(access_, found, key, member);
    access_.changed(key, EventClass::kSet, "srem", {"SREM", name, member});
    reply_.integer(1);
    finish();
  }
  void sismember(std::string_view name, std::string_view member) {
    const KeyRef key = take(name, {});
    const Found found = access_.read(key);
    reply_.integer(found && storage::set_contains(*found.entry, member));
    finish();
  }
  void smembers(std::string_view name) {
    const KeyRef key = take(name, {});
    const Found found = access_.read(key);
    reply_.set(storage::set_size(*found.entry));
    storage::set_visit(*found.entry, [&](std::string_view member) { reply_.bulk(member); });
    finish();
  }
  size_t memory_bytes() const { return keyspace_.memory_bytes(); }

 private:
  static storage::KeyspaceOptions options(bool index) {
    storage::KeyspaceOptions options;
    options.session_index = index;
    return options;
  }
  // The guards of the key and, for the index, of the member's session.
  KeyRef take(std::string_view name, std::string_view member) {
    const KeyRef key = keyspace_.schema().make(name);
    storage::ShardSet shards;
    shards.add(keyspace_.shard_of(key.hash()));
    if (!member.empty() && keyspace_.session_index()) {
      char buffer[storage::kMaxPackedId];
      const uint64_t session = keyspace_.schema().session_hash(storage::pack_id(member, buffer));
      shards.add(keyspace_.shard_of(session));
    }
    access_.guard().take(shards);
    return key;
  }
  void finish() {
    access_.finish();
    if (out_.size() > (32 << 10)) out_.clear(64 << 10);
  }

  storage::SystemClock clock_;
  storage::Keyspace keyspace_;
  Access access_;
  protocol::OutputBuffer out_;
  protocol::ReplyWriter reply_;
};

template <class Fn>
double time_ns(size_t count, Fn&& fn) {
  const auto begun = std::chrono::steady_clock::now();
  for (size_t i = 0; i < count; ++i) fn(i);
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begun;
  return took.count() / static_cast<double>(count);
}

void hot(bool index) {
  Bench bench(index);
  std::mt19937_64 random(1);
  const std::string user = "user_sessions:" + uuid(random);
  const std::string full = "user_sessions:" + uuid(random);
  const std::string id = uuid(random);
  for (int i = 0; i < 2; ++i) bench.sadd(user, uuid(random));
  for (int i = 0; i < 64; ++i) bench.sadd(full, uuid(random));
  const double pair = time_ns(kHotRounds, [&](size_t) {
    bench.sadd(user, id);
    bench.srem(user, id);
  });
  std::printf("  hot   %-26s %8.1f ns\n", "SADD and SREM, third id", pair);
  std::printf("  hot   %-26s %8.1f ns\n", "SISMEMBER of 2",
              time_ns(kHotRounds, [&](size_t) { bench.sismember(user, id); }));
  std::printf("  hot   %-26s %8.1f ns\n", "SISMEMBER of 64, absent",
              time_ns(kHotRounds, [&](size_t) { bench.sismember(full, id); }));
  std::printf("  hot   %-26s %8.1f ns\n", "SMEMBERS of 2",
              time_ns(kHotRounds, [&](size_t) { bench.smembers(user); }));
  std::printf("  hot   %-26s %8.1f ns\n", "SMEMBERS of 64",
              time_ns(kHotRounds, [&](size_t) { bench.smembers(full); }));
}

void cold() {
  Bench bench(false);
  std::mt19937_64 random(2);
  std::vector<std::string> users;
  for (size_t i = 0; i < kUsers; ++i) users.push_back("user_sessions:" + uuid(random));
  for (int round = 1; round <= 3; ++round) {
    std::vector<std::string> ids;
    for (size_t i = 0; i < kUsers; ++i) ids.push_back(uuid(random));
    std::shuffle(users.begin(), users.end(), random);
    const double ns = time_ns(kUsers, [&](size_t i) { bench.sadd(users[i], ids[i]); });
    std::printf("  cold  SADD of id %d              %8.1f ns, %.1f bytes a user\n", round, ns,
                static_cast<double>(bench.memory_bytes()) / kUsers);
  }
  std::shuffle(users.begin(), users.end(), random);
  std::printf("  cold  SMEMBERS of 3             %8.1f ns\n",
              time_ns(kUsers, [&](size_t i) { bench.smembers(users[i]); }));
}

void sets() {
  std::printf(" without the session index\n");
  hot(false);
  cold();
  std::printf(" with it, the sessions absent\n");
  hot(true);
}

[[maybe_unused]] const int kRegistered = register_bench("sets", sets);

}  // namespace
}  // namespace cloakroom::bench
