// Commands with the replies and keyspace events of Redis, one after the other.
#pragma once

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/server/command_fixture.h"

namespace cloakroom::server::test {

struct Step {
  std::string command;  // words; '' is the empty one
  std::string reply;
  std::vector<std::string> events;  // "set k", of database 0
};

inline Words words_of(const std::string& line) {
  std::istringstream in(line);
  Words words;
  for (std::string word; in >> word;) words.push_back(word == "''" ? "" : word);
  return words;
}

inline void check_steps(CommandFixture& fixture, const std::vector<Step>& steps) {
  fixture.take_events();
  for (const Step& step : steps) {
    CAPTURE(step.command);
    CHECK(fixture.run(words_of(step.command)) == step.reply);
    std::vector<std::string> events = fixture.take_events();
    for (std::string& event : events) event.erase(0, 2);  // the database
    CHECK(events == step.events);
  }
}

}  // namespace cloakroom::server::test
