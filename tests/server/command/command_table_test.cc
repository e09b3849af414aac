#include "server/command/command_table.h"

#include <doctest/doctest.h>

#include <array>
#include <cctype>
#include <string>

#include "server/family/families.h"

namespace cloakroom::server {

TEST_CASE("every row of the command table is whole") {
  const CommandTable table(families());
  CHECK(table.size() > 150);
  for (const auto& command : table.all()) {
    CAPTURE(command->full_name);
    CHECK(command->row->summary[0] != '\0');
    CHECK((command->row->handler != nullptr || !command->subcommands.empty()));
    CHECK(command->row->arity != 0);
  }
}

TEST_CASE("commands are found by any case, subcommands in their container only") {
  const CommandTable table(families());
  REQUIRE(table.find("CLIENT") != nullptr);
  CHECK(table.find("client") == table.find("Client"));
  CHECK(table.find("clients") == nullptr);
  CHECK(table.find("") == nullptr);
  const Command* kill = table.find_line(std::array<std::string_view, 3>{"client", "KiLL", "x"});
  REQUIRE(kill != nullptr);
  CHECK(kill->full_name == "client|kill");
  CHECK(kill->parent == table.find("client"));
  CHECK(kill->parent == table.find_line(std::array<std::string_view, 1>{"CLIENT"}));
  CHECK(table.find_line(std::array<std::string_view, 2>{"client", "slots"}) == nullptr);
}

TEST_CASE("short names are folded byte by byte: only letters have a case") {
  const CommandTable table(families());
  for (const auto& command : table.all()) {
    if (command->parent != nullptr) continue;
    std::string upper = command->full_name;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    CHECK(table.find(upper) == command.get());
    for (size_t i = 0; i < upper.size(); ++i) {
      std::string other = upper;
      other[i] = static_cast<char>(other[i] ^ 0x40);  // '-' and digits must not fold onto letters
      CHECK(table.find(other) != command.get());
    }
  }
  CHECK(table.find(std::string_view("get\0", 4)) == nullptr);
  CHECK(table.find(std::string_view("\0\0\0\0\0\0\0\0", 8)) == nullptr);
}

TEST_CASE("a renamed command answers to its new name only") {
  CommandTable table(families());
  const Command* get = table.find("get");
  CHECK(table.rename("GET", "fetch"));
  CHECK(table.find("get") == nullptr);
  CHECK(table.find("Fetch") == get);
  CHECK(table.rename("set", ""));
  CHECK(table.find("set") == nullptr);
  CHECK_FALSE(table.rename("set", "put"));
}

}  // namespace cloakroom::server
