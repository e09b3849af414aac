#include <doctest/doctest.h>

#include <string>

#include "tests/server/steps.h"

namespace cloakroom::server::test {
namespace {

const std::string kOk = "+OK\r\n";
const std::string kQueued = "+QUEUED\r\n";
const std::string kAborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";

std::string run(CommandFixture& f, const std::string& line) { return f.run(words_of(line)); }

}  // namespace

TEST_CASE("MULTI queues, EXEC runs the queue as one group of effects") {
  CommandFixture f;
  CHECK(run(f, "MULTI") == kOk);
  CHECK(run(f, "SET a 1") == kQueued);
  CHECK(run(f, "INCR a") == kQueued);
  CHECK(run(f, "LLEN a").starts_with("-ERR unknown command"));  // spoils it
  CHECK(run(f, "EXEC") == kAborted);
  CHECK(run(f, "EXISTS a") == ":0\r\n");
  CHECK(run(f, "MULTI") == kOk);
  CHECK(run(f, "SET a 1") == kQueued);
  CHECK(run(f, "INCR a") == kQueued);
  CHECK(run(f, "HGET a f") == kQueued);  // fails alone
  CHECK(run(f, "GET a") == kQueued);
  f.take_effects();
  CHECK(
      run(f, "EXEC") ==
      "*4\r\n+OK\r\n:2\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n$1\r\n2\r\n");
  CHECK(f.take_effects().size() == 2);
  CHECK(f.hand_overs() == 1);
}

TEST_CASE("What MULTI does not queue, and what spoils a transaction") {
  CommandFixture f;
  CHECK(run(f, "EXEC") == "-ERR EXEC without MULTI\r\n");
  CHECK(run(f, "DISCARD") == "-ERR DISCARD without MULTI\r\n");
  CHECK(run(f, "MULTI") == kOk);
  CHECK(run(f, "MULTI") == "-ERR MULTI calls can not be nested\r\n");
  CHECK(run(f, "WATCH a") == "-ERR WATCH inside MULTI is not allowed\r\n");
  CHECK(run(f, "SET a 1") == kQueued);
  CHECK(run(f, "EXEC") == "*1\r\n+OK\r\n");  // neither of the two spoils it
  CHECK(run(f, "MULTI") == kOk);
  CHECK(run(f, "SET a") == "-ERR wrong number of arguments for 'set' command\r\n");
  CHECK(run(f, "EXEC") == kAborted);
  CHECK(run(f, "MULTI") == kOk);
  CHECK(run(f, "SET a 2") == kQueued);
  CHECK(run(f, "DISCARD") == kOk);
  CHECK(run(f, "GET a") == "$1\r\n1\r\n");
  CHECK(run(f, "MULTI") == kOk);
  CHECK(run(f, "EXEC now") ==
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n");
  CHECK(run(f, "EXEC") == "-ERR EXEC without MULTI\r\n");
}

TEST_CASE("EXEC depends on what is watched") {
  CommandFixture f;
  const auto exec = [&] {
    CHECK(run(f, "MULTI") == kOk);
    CHECK(run(f, "SET done yes") == kQueued);
    return run(f, "EXEC");
  };
  const std::string done = "*1\r\n+OK\r\n";
  const std::string changed = "*-1\r\n";
  run(f, "SET a 1");
  run(f, "WATCH a b");
  CHECK(exec() == done);
  run(f, "WATCH a b");
  f.run_by_another({"SET", "b", "new"});
  CHECK(exec() == changed);
  CHECK(exec() == done);  // EXEC has ended the watch
  run(f, "WATCH a");
  f.run_by_another({"GET", "a"});
  f.run_by_another({"DEL", "none"});
  CHECK(exec() == done);
  run(f, "WATCH a");
  run(f, "SET a 2");  // by itself
  CHECK(exec() == changed);
  run(f, "WATCH a");
  f.run_by_another({"SET", "a", "3"});
  run(f, "UNWATCH");
  CHECK(exec() == done);
  run(f, "SET a 1 PX 50");
  run(f, "WATCH a");
  f.advance(60);
  CHECK(exec() == changed);  // it has expired since
  run(f, "WATCH a");         // and is gone
  f.expire_due();
  CHECK(exec() == done);
  run(f, "WATCH a");
  f.run_by_another({"FLUSHALL"});
  CHECK(exec() == done);  // there was nothing
  run(f, "SET a 1");
  run(f, "WATCH a");
  f.run_by_another({"FLUSHDB"});
  CHECK(exec() == changed);
}

TEST_CASE("A watched user's set changes when one of its sessions is over") {
  CommandFixture f;
  run(f, "SET session:1 a PX 50");
  run(f, "SADD user_sessions:u 1 2");
  run(f, "WATCH user_sessions:u");
  f.advance(60);
  run(f, "MULTI");
  run(f, "SCARD user_sessions:u");
  CHECK(run(f, "EXEC") == "*-1\r\n");
  CHECK(run(f, "SCARD user_sessions:u") == ":1\r\n");
}

}  // namespace cloakroom::server::test
