#include "server/command_table.h"

#include <doctest/doctest.h>

namespace cloakroom::server {

TEST_CASE("every row of the command table is whole") {
  const CommandTable table;
  CHECK(table.size() > 150);
  for (const auto& command : table.all()) {
    CAPTURE(command->full_name);
    CHECK(command->row->summary[0] != '\0');
    CHECK((command->row->handler != nullptr || !command->subcommands.empty()));
    CHECK(command->row->arity != 0);
  }
}

TEST_CASE("commands are found by any case, subcommands in their container only") {
  const CommandTable table;
  REQUIRE(table.find("CLIENT") != nullptr);
  CHECK(table.find("client") == table.find("Client"));
  CHECK(table.find("clients") == nullptr);
  CHECK(table.find("") == nullptr);
  const Command* kill = table.find_sub(*table.find("client"), "KiLL");
  REQUIRE(kill != nullptr);
  CHECK(kill->full_name == "client|kill");
  CHECK(kill->parent == table.find("client"));
  CHECK(table.find_sub(*table.find("client"), "slots") == nullptr);
}

}  // namespace cloakroom::server
