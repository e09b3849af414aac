#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include "storage/keyspace/guard_plan.h"
#include "storage/keyspace/watch.h"
#include "tests/concurrency/crowd.h"

namespace cloakroom::storage::test {
namespace {

constexpr int kAccounts = 6;
std::string account(uint64_t i) { return "account:" + std::to_string(i % kAccounts); }
int64_t as_number(const std::optional<std::string>& text) { return text ? std::stoll(*text) : 0; }

// One operation of a history: when it began and ended on a clock of all threads.
struct Operation {
  uint64_t begin, end;
  int64_t value;
  bool write;
};

// Unique values, each written once. A read must not return a value that was overwritten before the read
// began, nor one not yet begun to be written.
bool is_linearizable(const std::vector<Operation>& history) {
  std::vector<Operation> writes;
  for (const Operation& op : history) {
    if (op.write) writes.push_back(op);
  }
  return std::all_of(history.begin(), history.end(), [&](const Operation& read) {
    if (read.write) return true;
    const auto written =
        std::find_if(writes.begin(), writes.end(), [&](const Operation& w) { return w.value == read.value; });
    if (written == writes.end() || written->begin > read.end) return false;
    return std::none_of(writes.begin(), writes.end(), [&](const Operation& w) {
      return w.begin > written->end &&
             w.end < read.begin;  // wholly between the write and the read of its value
    });
  });
}

// Reads in real-time order never go back from a value to one whose write preceded it.
bool reads_go_forward(std::vector<Operation> history) {
  std::vector<std::pair<Operation, Operation>> read_writes;  // a read and the write it saw
  for (const Operation& read : history) {
    if (read.write) continue;
    const auto write = std::find_if(history.begin(), history.end(),
                                    [&](const Operation& w) { return w.write && w.value == read.value; });
    if (write == history.end()) return false;
    read_writes.emplace_back(read, *write);
  }
  for (const auto& [first_read, first_write] : read_writes) {
    for (const auto& [later_read, later_write] : read_writes) {
      if (first_read.end < later_read.begin && later_write.end < first_write.begin) return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("Increments from all threads add up") {
  for (const uint32_t shards : {1u, 2u, 16u}) {
    Crowd crowd(shards);
    const int rounds = scaled(2000);
    const Crowd::Worker count = [&](Commands& cmd) {
      for (int i = 0; i < rounds; ++i) cmd.increment("counter:" + std::to_string(i % 7), 1);
    };
    crowd.run({count, count, count, count});
    Access access(crowd.keyspace);
    Commands cmd(access);
    int64_t sum = 0;
    for (int i = 0; i < 7; ++i) sum += as_number(cmd.get("counter:" + std::to_string(i)));
    CHECK(sum == 4 * rounds);
  }
}

TEST_CASE("Transfers under the guards of two keys: whoever reads all keys under guards sees a constant sum") {
  for (const uint32_t shards : {2u, 8u}) {
    Crowd crowd(shards);
    const int rounds = scaled(1500);
    const Crowd::Worker transfer = [&](Commands& cmd) {
      for (int i = 0; i < rounds; ++i) {
        const std::string from = account(cmd.access.random());
        const std::string to = account(cmd.access.random());
        const auto amount = static_cast<int64_t>(cmd.access.random() % 100);
        if (from == to) continue;
        cmd.run({from, to}, Commands::kChanges, [&] {
          const int64_t left = as_number(cmd.text_at(from)) - amount;
          const int64_t grown = as_number(cmd.text_at(to)) + amount;
          cmd.put(from, std::to_string(left), 0, false);
          cmd.put(to, std::to_string(grown), 0, false);
        });
      }
    };
    const Crowd::Worker audit = [&](Commands& cmd) {
      std::vector<std::string> names;
      for (uint64_t i = 0; i < kAccounts; ++i) names.push_back(account(i));
      const std::vector<std::string_view> keys(names.begin(), names.end());
      for (int i = 0; i < rounds; ++i) {
        const int64_t sum = cmd.run(std::span(keys), Commands::kReads, [&] {
          return std::accumulate(
              names.begin(), names.end(), int64_t{0},
              [&](int64_t s, const std::string& name) { return s + as_number(cmd.text_at(name)); });
        });
        crowd.note(sum == 0);
      }
    };
    crowd.run({transfer, transfer, transfer, audit});
    CHECK(crowd.wrong == 0);
  }
}

TEST_CASE("Compare-and-set by WATCH loses no update") {
  Crowd crowd(2);
  const int rounds = scaled(1000);
  std::atomic<int64_t> succeeded{0};
  const Crowd::Worker increment = [&](Commands& cmd) {
    for (int i = 0; i < rounds; ++i) {
      Watcher watcher;
      const std::string name = "register";
      cmd.run({name}, Commands::kReads, [&] { cmd.access.watch(cmd.key(name), watcher); });
      const int64_t seen = as_number(cmd.get(name));
      cmd.run({name, "other"}, Commands::kChanges, [&] {
        cmd.access.unwatch(0, cmd.key(name), watcher);
        if (watcher.dirty) return;
        cmd.put(name, std::to_string(seen + 1), 0, false);
        ++succeeded;
      });
    }
  };
  const Crowd::Worker flusher = [&](Commands& cmd) {
    for (int i = 0; i < rounds; ++i) cmd.set("elsewhere", "x");
  };
  crowd.run({increment, increment, increment, flusher});
  Access access(crowd.keyspace);
  Commands cmd(access);
  CHECK(as_number(cmd.get("register")) == succeeded);
  CHECK(succeeded > 0);
  for (const Shard* shard : crowd.keyspace.shards()) CHECK(shard->watches.empty());
}

TEST_CASE("The checker of histories knows a bad one") {
  const Operation w1{1, 2, 1, true}, w2{3, 4, 2, true};
  CHECK(is_linearizable({w1, w2, {5, 6, 2, false}}));
  CHECK(is_linearizable({w1, w2, {2, 5, 1, false}}));
  CHECK_FALSE(is_linearizable({w1, w2, {5, 6, 1, false}}));
  CHECK_FALSE(is_linearizable({w2, {1, 2, 2, false}}));
  CHECK_FALSE(is_linearizable({w1, {5, 6, 7, false}}));
  CHECK_FALSE(reads_go_forward({w1, w2, {5, 6, 2, false}, {7, 8, 1, false}}));
  CHECK(reads_go_forward({w1, w2, {5, 6, 2, false}, {7, 8, 2, false}}));
}

TEST_CASE("One register read and written by all threads is linearizable") {
  for (int round = 0; round < scaled(5); ++round) {
    Crowd crowd(2);
    constexpr int kThreads = 4;
    std::atomic<uint64_t> time{1};
    std::array<std::vector<Operation>, kThreads> histories;
    std::vector<Crowd::Worker> workers;
    workers.reserve(kThreads);
    for (int thread = 0; thread < kThreads; ++thread) {
      workers.push_back([&, thread](Commands& cmd) {
        for (int i = 0; i < 150; ++i) {
          Operation op{};
          op.write = cmd.access.random() % 3 == 0;
          op.value = op.write ? thread * 1000 + i + 1 : 0;
          op.begin = time.fetch_add(1);
          if (op.write) {
            cmd.set("register", std::to_string(op.value));
          } else {
            op.value = as_number(cmd.get("register"));
          }
          op.end = time.fetch_add(1);
          histories[static_cast<size_t>(thread)].push_back(op);
        }
      });
    }
    crowd.run(workers);
    std::vector<Operation> all = {{0, 0, 0, true}};  // absent reads as 0
    for (const auto& history : histories) all.insert(all.end(), history.begin(), history.end());
    REQUIRE(is_linearizable(all));
    REQUIRE(reads_go_forward(all));
  }
}

}  // namespace cloakroom::storage::test
