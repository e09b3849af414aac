#include "storage/keyspace/disposer.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {
namespace {

// Notes which thread frees it.
struct Witness {
  std::atomic<std::thread::id>& freed_by;
  ~Witness() { freed_by = std::this_thread::get_id(); }
};

}  // namespace

TEST_CASE("What is disposed of is freed by another thread, all of it before the end") {
  std::atomic<std::thread::id> freed_by;
  {
    Disposer disposer;
    Garbage garbage;
    garbage.push_back(std::shared_ptr<Witness>(new Witness{freed_by}));
    disposer.take(garbage, 1000);
    CHECK(garbage.empty());
  }
  CHECK(freed_by.load() != std::thread::id());
  CHECK(freed_by.load() != std::this_thread::get_id());
}

TEST_CASE("When too much waits to be freed, the caller frees it") {
  // What the disposer frees first waits for `go`, so that the rest waits behind it.
  std::atomic<bool> go{false};
  struct Slow {
    std::atomic<bool>& go;
    ~Slow() { go.wait(false); }
  };
  Disposer disposer;
  Garbage first;
  first.push_back(std::shared_ptr<Slow>(new Slow{go}));
  disposer.take(first, size_t{200} << 20);
  Garbage second;
  second.push_back(std::make_shared<int>(1));
  disposer.take(second, size_t{200} << 20);
  CHECK(second.size() == 1);
  go = true;
  go.notify_one();
}

TEST_CASE("Big values leave the account at once, however they end") {
  Fixture f;
  Commands cmd(f.access);
  const size_t before = f.keyspace.memory_bytes();
  for (const bool expires : {false, true}) {
    for (int i = 0; i < 20'000; ++i) cmd.sadd("many", "member:" + std::to_string(i));
    CHECK(f.keyspace.memory_bytes() > before + 400'000);
    if (expires) {
      CHECK(cmd.expire_at("many", f.clock.wall_ms() + 10));
    } else {
      CHECK(cmd.del("many"));
    }
    f.advance(100);
    CHECK_FALSE(cmd.exists("many"));
    cmd.set("many", "v");  // ends what stands there expired
    cmd.del("many");
    CHECK(f.keyspace.memory_bytes() < before + 100'000);
  }
}

}  // namespace cloakroom::storage::test
