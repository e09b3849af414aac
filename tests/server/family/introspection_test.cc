#include <doctest/doctest.h>

#include "tests/server/command_fixture.h"

namespace cloakroom::server::test {
namespace {

std::string bulks(const Words& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return out;
}

Words getkeys(const Words& line) {
  Words words = {"COMMAND", "GETKEYS"};
  words.insert(words.end(), line.begin(), line.end());
  return words;
}

}  // namespace

TEST_CASE("COMMAND GETKEYS finds the keys of a command line") {
  CommandFixture f;
  CHECK(f.run(getkeys({"get", "a"})) == bulks({"a"}));
  CHECK(f.run(getkeys({"DEL", "a", "b", "c"})) == bulks({"a", "b", "c"}));
  CHECK(f.run(getkeys({"mset", "a", "1", "b", "2"})) == bulks({"a", "b"}));
  CHECK(f.run(getkeys({"rename", "a", "b"})) == bulks({"a", "b"}));
  CHECK(f.run(getkeys({"sintercard", "2", "a", "b", "LIMIT", "1"})) == bulks({"a", "b"}));
  CHECK(f.run(getkeys({"object", "encoding", "k"})) == bulks({"k"}));
  CHECK(f.run(getkeys({"sunionstore", "a", "b", "c"})) == bulks({"a", "b", "c"}));
}

TEST_CASE("COMMAND GETKEYS tells what is wrong with a command line") {
  CommandFixture f;
  CHECK(f.run(getkeys({"nosuch", "a"})) == "-ERR Invalid command specified\r\n");
  CHECK(f.run(getkeys({"config", "nosuch"})) == "-ERR Invalid command specified\r\n");
  CHECK(f.run(getkeys({"ping", "x"})) == "-ERR The command has no key arguments\r\n");
  CHECK(f.run(getkeys({"get", "a", "b"})) == "-ERR Invalid number of arguments specified for command\r\n");
  CHECK(f.run(getkeys({"sintercard", "9", "a"})) == "-ERR Invalid arguments specified for command\r\n");
  CHECK(f.run(getkeys({"sintercard", "x", "a"})) == "-ERR Invalid arguments specified for command\r\n");
}

TEST_CASE("COMMAND GETKEYSANDFLAGS: SET reads only with GET") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "GETKEYSANDFLAGS", "set", "a", "get"}) ==
        "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
  CHECK(f.run({"COMMAND", "GETKEYSANDFLAGS", "set", "a", "1", "Get"}) ==
        "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
  CHECK(
      f.run({"COMMAND", "GETKEYSANDFLAGS", "rename", "a", "b"}) ==
      "*2\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+delete\r\n*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n");
}

TEST_CASE("COMMAND LIST names subcommands as Redis does") {
  CommandFixture f;
  const std::string all = f.run({"COMMAND", "LIST"});
  CHECK(all.find("\r\nget\r\n") != all.npos);
  CHECK(all.find("\r\nclient|list\r\n") != all.npos);
  CHECK(f.run({"COMMAND", "LIST", "FILTERBY", "PATTERN", "config|g*"}) == bulks({"config|get"}));
  CHECK(f.run({"COMMAND", "LIST", "FILTERBY", "ACLCAT", "nosuch"}) == "*0\r\n");
  CHECK(f.run({"COMMAND", "LIST", "FILTERBY", "MODULE", "x"}) == "*0\r\n");
}

TEST_CASE("COMMAND INFO leaves a null where it knows no command") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "INFO", "nosuch", "get|x"}) == "*2\r\n$-1\r\n$-1\r\n");
  CHECK(f.run({"COMMAND", "INFO", "config|GET"}).starts_with("*1\r\n*10\r\n$10\r\nconfig|get\r\n:-3\r\n"));
}

TEST_CASE("every command can be documented") {
  CommandFixture f;
  for (const auto& command : f.server.commands.all()) {
    CAPTURE(command->full_name);
    const std::string docs = f.run({"COMMAND", "DOCS", command->full_name});
    CHECK(docs.starts_with("*2\r\n$" + std::to_string(command->full_name.size()) + "\r\n" +
                           command->full_name));
  }
  CHECK(f.run({"COMMAND", "DOCS", "substr"}).find("$16\r\ndeprecated_since\r\n$5\r\n2.0.0\r\n") !=
        std::string::npos);
}

TEST_CASE("CONFIG SET reaches what keeps a copy") {
  CommandFixture f;
  CHECK(f.run({"CONFIG", "SET", "hash-max-listpack-entries", "7", "lfu-decay-time", "9"}) == "+OK\r\n");
  CHECK(f.server.keyspace->settings().hash_max_flat_entries == 7);
  CHECK(f.server.keyspace->settings().lfu_decay_minutes == 9);
  CHECK(f.run({"CONFIG", "SET", "lfu-decay-time", "x"}).starts_with("-ERR"));
  CHECK(f.server.keyspace->settings().lfu_decay_minutes == 9);
}

TEST_CASE("INFO answers the sections asked for, and nothing for an unknown one") {
  CommandFixture f;
  CHECK(f.run({"INFO", "nosuch"}) == "$0\r\n\r\n");
  const std::string two = f.run({"INFO", "cluster", "MODULES"});
  CHECK(two.find("# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n") != std::string::npos);
  CHECK(f.run({"INFO"}).find("# Commandstats") == std::string::npos);
  CHECK(f.run({"INFO", "everything"}).find("# Commandstats") != std::string::npos);
}

TEST_CASE("MEMORY STATS lists databases that have keys") {
  CommandFixture f;
  CHECK(f.run({"MEMORY", "STATS"}).find("db.0") == std::string::npos);
  f.run({"SET", "a", "b"});
  const std::string stats = f.run({"MEMORY", "STATS"});
  CHECK(stats.find("db.0") != std::string::npos);
  CHECK(stats.find("db.1\r\n") == std::string::npos);
  CHECK(stats.find("$10\r\nkeys.count\r\n:1\r\n") != std::string::npos);
}

}  // namespace cloakroom::server::test
