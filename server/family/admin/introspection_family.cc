#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "server/command/command_docs.h"
#include "server/command/command_notes.h"
#include "server/command/command_table.h"
#include "server/dispatch/context.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/family/admin/info.h"
#include "server/family/families.h"
#include "server/family/help.h"
#include "storage/base/glob.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

void info(Context& ctx) {
  const std::string text = info_text(ctx, ctx.args.subspan(1));
  ctx.reply.verbatim(text, "txt");
}

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

void reply_words(Context& ctx, std::string_view text) {
  const auto list = words(text);
  ctx.reply.set(list.size());
  for (const std::string& word : list) ctx.reply.simple(word);
}

void reply_key_spec(protocol::ReplyWriter& r, const KeySpec& spec, std::string_view note) {
  r.map(note.empty() ? 3 : 4);
  if (!note.empty()) {
    r.bulk("notes");
    r.bulk(note);
  }
  r.bulk("flags");
  r.set(spec.flags.size());
  for (const std::string& flag : spec.flags) r.simple(flag);
  r.bulk("begin_search");
  r.map(2);
  r.bulk("type");
  if (spec.keyword.empty()) {
    r.bulk("index");
    r.bulk("spec");
    r.map(1);
    r.bulk("index");
    r.integer(spec.begin);
  } else {
    r.bulk("keyword");
    r.bulk("spec");
    r.map(2);
    r.bulk("keyword");
    r.bulk(spec.keyword);
    r.bulk("startfrom");
    r.integer(spec.begin);
  }
  r.bulk("find_keys");
  r.map(2);
  r.bulk("type");
  r.bulk(spec.keynum ? "keynum" : "range");
  r.bulk("spec");
  r.map(3);
  r.bulk(spec.keynum ? "keynumidx" : "lastkey");
  r.integer(spec.a);
  r.bulk(spec.keynum ? "firstkey" : "keystep");
  r.integer(spec.b);
  r.bulk(spec.keynum ? "keystep" : "limit");
  r.integer(spec.c);
}

void reply_command_info(Context& ctx, const Command& command) {
  protocol::ReplyWriter& r = ctx.reply;
  const CommandRow& row = *command.row;
  r.array(10);
  r.bulk(command.full_name);
  r.integer(row.arity);
  reply_words(ctx, row.flags);
  r.integer(command.first_key);
  r.integer(command.last_key);
  r.integer(command.key_step);
  reply_words(ctx, row.categories);
  const auto tips = words(row.tips);
  r.set(tips.size());
  for (const std::string& tip : tips) r.bulk(tip);
  r.set(command.keys.size());
  for (const KeySpec& spec : command.keys) reply_key_spec(r, spec, key_note_of(command.full_name));
  r.set(command.subcommands.size());
  for (const Command* sub : command.subcommands) reply_command_info(ctx, *sub);
}

std::vector<const Command*> top_level(Context& ctx) {
  std::vector<const Command*> out;
  for (const auto& command : ctx.server.commands.all()) {
    if (command->parent == nullptr) out.push_back(command.get());
  }
  return out;
}

void command(Context& ctx) {
  const auto all = top_level(ctx);
  ctx.reply.array(all.size());
  for (const Command* c : all) {
    if (ctx.reply.wants_more()) reply_command_info(ctx, *c);
  }
}

void command_info(Context& ctx) {
  if (ctx.argc() == 2) return command(ctx);
  ctx.reply.array(ctx.argc() - 2);
  for (size_t i = 2; i < ctx.argc() && ctx.reply.wants_more(); ++i) {
    const Command* c = ctx.server.commands.find_full(ctx.arg(i));
    c == nullptr ? ctx.reply.null() : reply_command_info(ctx, *c);
  }
}

void command_count(Context& ctx) { ctx.reply.integer(static_cast<int64_t>(top_level(ctx).size())); }

void command_docs(Context& ctx) {
  std::vector<const Command*> wanted;
  if (ctx.argc() == 2) {
    wanted = top_level(ctx);
  } else {
    for (const std::string_view name : ctx.args.subspan(2)) {
      if (const Command* c = ctx.server.commands.find_full(name)) wanted.push_back(c);
    }
  }
  ctx.reply.map(wanted.size());
  for (const Command* c : wanted) {
    if (!ctx.reply.wants_more()) return;
    ctx.reply.bulk(c->full_name);
    reply_command_docs(ctx.reply, *c);
  }
}

bool in_category(const Command& command, std::string_view category) {
  const auto list = words(command.row->categories);
  return std::any_of(list.begin(), list.end(), [&](const std::string& c) {
    return equals_nocase(std::string_view(c).substr(1), category);
  });
}

void command_list(Context& ctx) {
  std::string_view filter;
  std::string_view value;
  if (ctx.argc() == 5 && equals_nocase(ctx.arg(2), "FILTERBY")) {
    filter = ctx.arg(3);
    value = ctx.arg(4);
    if (!equals_nocase(filter, "MODULE") && !equals_nocase(filter, "ACLCAT") &&
        !equals_nocase(filter, "PATTERN")) {
      return ctx.reply.error(errors::kSyntax);
    }
  } else if (ctx.argc() != 2) {
    return ctx.reply.error(errors::kSyntax);
  }
  std::vector<const Command*> matching;
  for (const auto& c : ctx.server.commands.all()) {
    const bool match = filter.empty() || (equals_nocase(filter, "ACLCAT") && in_category(*c, value)) ||
                       (equals_nocase(filter, "PATTERN") && storage::glob_match(value, c->full_name, true));
    if (match) matching.push_back(c.get());
  }
  ctx.reply.array(matching.size());
  for (const Command* c : matching) ctx.reply.bulk(c->full_name);
}

// The keys of the command line in arguments 2..; false when an error was answered.
bool keys_of_line(Context& ctx, std::vector<KeyArg>& keys) {
  const auto line = ctx.args.subspan(2);
  const Command* c = ctx.server.commands.find_line(line);
  if (c == nullptr) {
    ctx.reply.error("ERR Invalid command specified");
    return false;
  }
  if (!c->names_keys) {
    ctx.reply.error("ERR The command has no key arguments");
    return false;
  }
  if (!c->row->takes(line.size())) {
    ctx.reply.error("ERR Invalid number of arguments specified for command");
    return false;
  }
  if (!collect_keys(*c, line, keys) || keys.empty()) {
    if (keys.empty() && c->is(kNoMandatoryKeys)) return true;
    ctx.reply.error("ERR Invalid arguments specified for command");
    return false;
  }
  return true;
}

void command_getkeys(Context& ctx) {
  std::vector<KeyArg> keys;
  if (!keys_of_line(ctx, keys)) return;
  ctx.reply.array(keys.size());
  for (const KeyArg& key : keys) ctx.reply.bulk(ctx.arg(2 + key.index));
}

// What a command line does to a key, where its options decide: SET only reads with GET.
std::vector<std::string> flags_of(const KeySpec& spec, std::span<const std::string_view> line) {
  const auto variable = std::find(spec.flags.begin(), spec.flags.end(), "variable_flags");
  if (variable == spec.flags.end()) return spec.flags;
  const auto options = line.subspan(std::min<size_t>(3, line.size()));
  const bool gets =
      std::any_of(options.begin(), options.end(), [](auto word) { return equals_nocase(word, "GET"); });
  return gets ? std::vector<std::string>{"RW", "access", "update"} : std::vector<std::string>{"OW", "update"};
}

void command_getkeysandflags(Context& ctx) {
  std::vector<KeyArg> keys;
  if (!keys_of_line(ctx, keys)) return;
  ctx.reply.array(keys.size());
  for (const KeyArg& key : keys) {
    const auto flags = flags_of(*key.spec, ctx.args.subspan(2));
    ctx.reply.array(2);
    ctx.reply.bulk(ctx.arg(2 + key.index));
    ctx.reply.set(flags.size());
    for (const std::string& flag : flags) ctx.reply.simple(flag);
  }
}

void command_help(Context& ctx) {
  reply_help(
      ctx, "COMMAND",
      {"(no subcommand)", "    Describes all commands.", "COUNT", "    How many commands there are.", "LIST",
       "    The names of all commands.", "INFO [<command-name> ...]",
       "    Describes commands, all by default.", "DOCS [<command-name> ...]",
       "    Documents commands, all by default.", "GETKEYS <full-command>", "    The keys of a command line.",
       "GETKEYSANDFLAGS <full-command>", "    The keys of a command line and what is done to them."});
}

}  // namespace

CommandRows introspection_commands() {
  static constexpr CommandRow kRows[] = {
      {"info", -1, "loading stale", "", "@slow @dangerous",
       "nondeterministic_output request_policy:all_shards response_policy:special", "server", "1.0.0", "O(1)",
       "Describes the server and its state.", "[section...]", kOwnGuards, info},
      {"command", -1, "loading stale", "", "@slow @connection", "nondeterministic_output_order", "server",
       "2.8.13", "O(N) where N is the total number of Redis commands", "Describes all commands.", "",
       kNoTrait, command},
      {"command|count", 2, "loading stale", "", "@slow @connection", "", "server", "2.8.13", "O(1)",
       "Counts the commands.", "", kNoTrait, command_count},
      {"command|docs", -2, "loading stale", "", "@slow @connection", "nondeterministic_output_order",
       "server", "7.0.0", "O(N) where N is the number of commands to look up", "Documents commands.",
       "[command-name...]", kNoTrait, command_docs},
      {"command|getkeys", -4, "loading stale", "", "@slow @connection", "", "server", "2.8.13",
       "O(N) where N is the number of arguments to the command", "Answers the keys of a command line.", "",
       kNoTrait, command_getkeys},
      {"command|getkeysandflags", -4, "loading stale", "", "@slow @connection", "", "server", "7.0.0",
       "O(N) where N is the number of arguments to the command",
       "Answers the keys of a command line and what is done to them.", "", kNoTrait, command_getkeysandflags},
      {"command|help", 2, "loading stale", "", "@slow @connection", "", "server", "5.0.0", "O(1)",
       "Lists the subcommands.", "", kNoTrait, command_help},
      {"command|info", -2, "loading stale", "", "@slow @connection", "nondeterministic_output_order",
       "server", "2.8.13", "O(N) where N is the number of commands to look up", "Describes commands.",
       "[command-name...]", kNoTrait, command_info},
      {"command|list", -2, "loading stale", "", "@slow @connection", "nondeterministic_output_order",
       "server", "7.0.0", "O(N) where N is the total number of Redis commands",
       "Lists the names of commands.",
       "[FILTERBY filterby<MODULE module-name | ACLCAT category | PATTERN pattern>]", kNoTrait, command_list},
  };
  return kRows;
}

}  // namespace cloakroom::server
