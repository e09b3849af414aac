#include "server/command/command_syntax.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "server/command/command_table.h"
#include "server/family/families.h"

namespace cloakroom::server {
namespace {

DocArgument only(std::string_view syntax) {
  const auto arguments = parse_syntax(syntax);
  REQUIRE(arguments.size() == 1);
  return arguments[0];
}

}  // namespace

TEST_CASE("the type of a value goes by its name or stands in braces") {
  CHECK(only("key").type == "key");
  CHECK(only("key{string}").type == "string");
  CHECK(only("pattern").type == "pattern");
  CHECK(only("seconds").type == "integer");
  CHECK(only("unix-time-milliseconds").type == "unix-time");
  CHECK(only("ip:port").type == "string");
  const DocArgument amount = only("increment{double}");
  CHECK(amount.type == "double");
  CHECK(amount.name == "increment");
  CHECK(parse_syntax("").empty());
}

TEST_CASE("words in capitals are tokens, alone or before a value") {
  const DocArgument alone = only("WITHVALUES");
  CHECK(alone.type == "pure-token");
  CHECK(alone.name == "withvalues");
  CHECK(alone.token == "WITHVALUES");

  const DocArgument before = only("EX seconds");
  CHECK(before.type == "integer");
  CHECK(before.name == "seconds");
  CHECK(before.token == "EX");

  const auto both = parse_syntax("NO ONE");
  REQUIRE(both.size() == 2);
  CHECK(both[0].type == "pure-token");
  CHECK(both[1].name == "one");
}

TEST_CASE("brackets make optional, dots repeat, a plus repeats the token") {
  const auto arguments = parse_syntax("key member... [COUNT count] [PREFIX+ prefix...]");
  REQUIRE(arguments.size() == 4);
  CHECK_FALSE(arguments[0].multiple);
  CHECK(arguments[1].multiple);
  CHECK_FALSE(arguments[1].optional);
  CHECK(arguments[2].optional);
  CHECK_FALSE(arguments[2].multiple);
  CHECK(arguments[3].optional);
  CHECK(arguments[3].multiple);
  CHECK(arguments[3].multiple_token);
}

TEST_CASE("choices and blocks have names and nest") {
  const DocArgument choice = only("[way<ONE | TWO pair(field value)... | [three]>{since=1.2.3,until=4.5.6}]");
  CHECK(choice.type == "oneof");
  CHECK(choice.name == "way");
  CHECK(choice.optional);
  CHECK(choice.since == "1.2.3");
  CHECK(choice.deprecated_since == "4.5.6");
  REQUIRE(choice.arguments.size() == 3);
  CHECK(choice.arguments[0].type == "pure-token");
  const DocArgument& pair = choice.arguments[1];
  CHECK(pair.type == "block");
  CHECK(pair.name == "pair");
  CHECK(pair.token == "TWO");
  CHECK(pair.multiple);
  REQUIRE(pair.arguments.size() == 2);
  CHECK(pair.arguments[1].name == "value");
  CHECK(choice.arguments[2].optional);
}

TEST_CASE("facts name an argument otherwise than its token") {
  const DocArgument argument = only("YES{name=confirmed,since=7.0.0}");
  CHECK(argument.name == "confirmed");
  CHECK(argument.token == "YES");
  CHECK(argument.since == "7.0.0");
}

TEST_CASE("malformed syntax is refused") {
  for (const char* syntax :
       {"[key", "key]", "a<B | c", "a<B>>", "pair(a b", "<A | B>", "key{since=1", "[]", "a<|b>", "|"}) {
    CAPTURE(syntax);
    CHECK_THROWS_AS(parse_syntax(syntax), std::logic_error);
  }
}

TEST_CASE("every row's syntax can be read, and documents its keys") {
  const CommandTable table(families());
  for (const auto& command : table.all()) {
    CAPTURE(command->full_name);
    CHECK_NOTHROW(parse_syntax(command->row->syntax));
    const bool documented =
        std::string_view(command->row->syntax).find("key") != std::string_view::npos ||
        std::string_view(command->row->syntax).find("destination") != std::string_view::npos ||
        std::string_view(command->row->syntax).find("source") != std::string_view::npos;
    CHECK((!command->names_keys || documented));
  }
}

}  // namespace cloakroom::server
