#include "server/dispatch/client_memory.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/dispatch/transaction.h"

namespace cloakroom::server {
namespace {

size_t limit_of(int64_t maxmemory_clients, uint64_t maxmemory) {
  Config config;
  config.maxmemory_clients = maxmemory_clients;
  config.maxmemory = maxmemory;
  return client_memory_limit(config);
}

}  // namespace

TEST_CASE("maxmemory-clients is a size or a share of maxmemory") {
  CHECK(limit_of(0, 1 << 30) == 0);
  CHECK(limit_of(1 << 30, 0) == 1 << 30);
  CHECK(limit_of(-5, 0) == 0);
  CHECK(limit_of(-5, 1000 << 20) == 50 << 20);
  CHECK(limit_of(-100, UINT64_MAX) == UINT64_MAX);
  CHECK(limit_of(-1, 10 << 20) == 131'072);  // or nobody could speak to the server
  CHECK(limit_of(1, 0) == 131'072);
}

TEST_CASE("A transaction counts what it queues and what it watches, and gives all of it back") {
  Transaction transaction;
  const size_t empty = transaction.memory_bytes();
  const CommandRow row{};
  Command command{};
  command.row = &row;
  const std::string value(1000, 'x');
  const std::vector<std::string_view> args = {"set", "key", value};
  for (int i = 0; i < 100; ++i) transaction.queue(command, args);
  CHECK(transaction.memory_bytes() >= empty + 100'000);
  CHECK(transaction.memory_bytes() < empty + 200'000);
  const std::string large(1'000'000, 'y');
  transaction.queue(command, std::vector<std::string_view>{"set", "", large});
  const size_t queued = transaction.memory_bytes();
  CHECK(queued < empty + 1'200'000);
  std::vector<std::string_view> read;
  for (size_t i = 0; i < 101; ++i) transaction.args(i, read);
  REQUIRE(read.size() == 303);
  CHECK(read[299] == value);
  CHECK(read[301].empty());
  CHECK(read[302] == large);
  for (int i = 0; i < 100; ++i) transaction.add_watched(0, value);
  CHECK(transaction.memory_bytes() >= queued + 200'000);  // here and in the table of the shard
  transaction.clear_watched();
  CHECK(transaction.memory_bytes() < queued + 10'000);
  storage::Garbage garbage;
  transaction.clear_queue(garbage);
  CHECK(garbage.size() == 1);
  CHECK(transaction.memory_bytes() < empty + 20'000);
  transaction.queue(command, args);
  transaction.clear_queue(garbage);
  CHECK(garbage.size() == 1);
}

TEST_CASE("The pool keeps few transactions and no large one") {
  TransactionPool pool;
  CHECK(pool.give(std::make_unique<Transaction>()) == nullptr);
  auto large = std::make_unique<Transaction>();
  large->add_watched(0, std::string(100'000, 'x'));
  CHECK(pool.give(std::move(large)) != nullptr);
  for (int i = 0; i < 15; ++i) CHECK(pool.give(std::make_unique<Transaction>()) == nullptr);
  CHECK(pool.give(std::make_unique<Transaction>()) != nullptr);
}

TEST_CASE("The scratch of EXEC knows what it keeps") {
  ExecScratch scratch;
  CHECK(scratch.memory_bytes() == 0);
  scratch.keys.reserve(1000);
  scratch.args.reserve(1000);
  scratch.clear();
  CHECK(scratch.memory_bytes() == 1000 * (sizeof(storage::KeyRef) + sizeof(std::string_view)));
}

}  // namespace cloakroom::server
