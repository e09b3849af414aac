#include "server/command/command_docs.h"

#include <algorithm>

#include "server/command/command_notes.h"
#include "server/command/command_syntax.h"

namespace cloakroom::server {
namespace {

class DocsWriter {
 public:
  DocsWriter(protocol::ReplyWriter& reply, const Command& command) : r_(reply), command_(command) {}

  void write() {
    const CommandRow& row = *command_.row;
    const std::vector<DocArgument> arguments = parse_syntax(row.syntax);
    const std::vector<const Change*> history = history_of(command_.full_name);
    const Deprecation* deprecation = deprecation_of(command_.full_name);
    const bool flagged = deprecation != nullptr || is_system_command(command_.full_name);
    r_.map(3 + count(*row.complexity != '\0') + count(flagged) + 2 * count(deprecation != nullptr) +
           count(!history.empty()) + count(!arguments.empty()) + count(!command_.subcommands.empty()));
    line("summary", row.summary);
    line("since", row.since);
    line("group", row.group);
    if (*row.complexity != '\0') line("complexity", row.complexity);
    if (flagged) {
      r_.bulk("doc_flags");
      r_.set(1);
      r_.simple(deprecation != nullptr ? "deprecated" : "syscmd");
    }
    if (deprecation != nullptr) {
      line("deprecated_since", deprecation->since);
      line("replaced_by", deprecation->replaced_by);
    }
    if (!history.empty()) write_history(history);
    if (!arguments.empty()) write_arguments(arguments);
    if (!command_.subcommands.empty()) write_subcommands();
  }

 private:
  static size_t count(bool present) { return present ? 1 : 0; }

  void line(std::string_view name, std::string_view value) {
    r_.bulk(name);
    r_.bulk(value);
  }

  void write_history(const std::vector<const Change*>& history) {
    r_.bulk("history");
    r_.set(history.size());
    for (const Change* change : history) {
      r_.array(2);
      r_.bulk(change->version);
      r_.bulk(change->text);
    }
  }

  void write_subcommands() {
    r_.bulk("subcommands");
    r_.map(command_.subcommands.size());
    for (const Command* sub : command_.subcommands) {
      r_.bulk(sub->full_name);
      DocsWriter(r_, *sub).write();
    }
  }

  void write_arguments(const std::vector<DocArgument>& arguments) {
    r_.bulk("arguments");
    r_.array(arguments.size());
    for (const DocArgument& argument : arguments) write_argument(argument);
  }

  void write_argument(const DocArgument& argument) {
    const bool is_key = argument.type == "key";
    const size_t flags = count(argument.optional) + count(argument.multiple) + count(argument.multiple_token);
    r_.map(2 + count(is_key) + count(!argument.token.empty()) + count(!argument.since.empty()) +
           count(!argument.deprecated_since.empty()) + count(flags > 0) + count(!argument.arguments.empty()));
    line("name", argument.name);
    line("type", argument.type);
    if (is_key) {
      r_.bulk("key_spec_index");
      r_.integer(next_key_spec());
    }
    if (!argument.token.empty()) line("token", argument.token);
    if (!argument.since.empty()) line("since", argument.since);
    if (!argument.deprecated_since.empty()) line("deprecated_since", argument.deprecated_since);
    if (flags > 0) {
      r_.bulk("flags");
      r_.set(flags);
      if (argument.optional) r_.simple("optional");
      if (argument.multiple) r_.simple("multiple");
      if (argument.multiple_token) r_.simple("multiple_token");
    }
    if (!argument.arguments.empty()) write_arguments(argument.arguments);
  }

  // Key arguments and specifications come in the same order; the last specification may cover several.
  int64_t next_key_spec() {
    const int64_t index = std::min(keys_, static_cast<int64_t>(command_.keys.size()) - 1);
    ++keys_;
    return index;
  }

  protocol::ReplyWriter& r_;
  const Command& command_;
  int64_t keys_ = 0;
};

}  // namespace

void reply_command_docs(protocol::ReplyWriter& reply, const Command& command) {
  DocsWriter(reply, command).write();
}

}  // namespace cloakroom::server
