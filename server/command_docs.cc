#include "server/command_docs.h"

#include <algorithm>
#include <stdexcept>

namespace cloakroom::server {
namespace {

bool is_token(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) &&
         std::none_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string type_of_name(std::string_view name) {
  const auto has = [&](std::string_view part) { return name.find(part) != name.npos; };
  if (name == "key" || name == "newkey" || name == "source" || name == "destination" || name == "key1" ||
      name == "key2") {
    return "key";
  }
  if (name == "pattern") return "pattern";
  if (has("unix-time")) return "unix-time";
  static constexpr std::string_view kIntegers[] = {
      "seconds", "milliseconds", "count",   "cursor", "index", "offset", "start",
      "end",     "decrement",    "numkeys", "limit",  "db",    "timeout"};
  if (std::find(std::begin(kIntegers), std::end(kIntegers), name) != std::end(kIntegers) || has("-id"))
    return "integer";
  return "string";
}

class SyntaxParser {
 public:
  explicit SyntaxParser(std::string_view text) : text_(text) {}

  std::vector<DocArgument> parse() {
    std::vector<DocArgument> out = sequence();
    if (at_ != text_.size()) throw std::logic_error("unbalanced brackets in command syntax");
    return out;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  char peek() {
    skip_spaces();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void expect(char c) {
    if (peek() != c) throw std::logic_error("unbalanced brackets in command syntax");
    ++at_;
  }
  std::string_view word() {
    skip_spaces();
    const size_t begin = at_;
    while (at_ < text_.size() && std::string_view(" []<>|").find(text_[at_]) == std::string_view::npos) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // Arguments up to a closing bracket, a bar or the end.
  std::vector<DocArgument> sequence() {
    std::vector<DocArgument> out;
    for (char c = peek(); c != '\0' && c != ']' && c != '>' && c != '|'; c = peek()) {
      if (c == '[') {
        bracket(out);
      } else if (c == '<') {
        ++at_;
        out.push_back(choice());
        expect('>');
      } else {
        value(out);
      }
    }
    return out;
  }

  DocArgument choice() {
    std::vector<std::vector<DocArgument>> branches = {sequence()};
    while (peek() == '|') {
      ++at_;
      branches.push_back(sequence());
    }
    if (branches.size() == 1) return block(std::move(branches[0]));
    DocArgument out;
    out.type = "oneof";
    for (auto& branch : branches) out.arguments.push_back(block(std::move(branch)));
    out.name = out.arguments[0].name;
    return out;
  }

  static DocArgument block(std::vector<DocArgument> arguments) {
    if (arguments.size() == 1) return std::move(arguments[0]);
    DocArgument out;
    out.type = "block";
    out.name = arguments.empty() ? "" : arguments[0].name;
    out.arguments = std::move(arguments);
    return out;
  }

  // "[...]": something optional, or "[x ...]" after x: x repeats.
  void bracket(std::vector<DocArgument>& out) {
    expect('[');
    const size_t inside = at_;
    const size_t close = matching_close(inside);
    if (text_.substr(inside, close - inside).ends_with("...")) {
      at_ = close + 1;
      repeat(out, text_.substr(inside, close - inside - 3));
      return;
    }
    DocArgument argument = choice();
    expect(']');
    argument.optional = true;
    out.push_back(std::move(argument));
  }

  // What is repeated stands directly before: one argument, or as many as the bracket has words.
  static void repeat(std::vector<DocArgument>& out, std::string_view repeated) {
    const size_t count = SyntaxParser(repeated).sequence().size();
    if (count > 1 && out.size() >= count) {
      std::vector<DocArgument> parts(std::make_move_iterator(out.end() - static_cast<std::ptrdiff_t>(count)),
                                     std::make_move_iterator(out.end()));
      out.resize(out.size() - count);
      out.push_back(block(std::move(parts)));
      out.back().name = "data";
    }
    if (out.empty()) return;
    out.back().multiple = true;
    out.back().multiple_token = !out.back().token.empty() && out.back().type != "pure-token" &&
                                is_token(repeated.substr(0, repeated.find(' ')));
  }

  size_t matching_close(size_t from) const {
    int depth = 1;
    for (size_t i = from; i < text_.size(); ++i) {
      if (text_[i] == '[') ++depth;
      if (text_[i] == ']' && --depth == 0) return i;
    }
    throw std::logic_error("unbalanced brackets in command syntax");
  }

  // A token with the value after it, a token alone, or a value.
  void value(std::vector<DocArgument>& out) {
    const std::string_view first = word();
    if (first.empty()) throw std::logic_error("unexpected character in command syntax");
    DocArgument argument;
    if (is_token(first)) {
      argument.token = first;
      const char next = peek();
      const size_t back = at_;
      const std::string_view second =
          next == '\0' || next == ']' || next == '|' || next == '[' || next == '<' || next == '>'
              ? std::string_view()
              : word();
      if (!second.empty() && !is_token(second)) {
        argument.name = second;
        argument.type = type_of_name(second);
      } else {
        at_ = back;
        argument.name = lower(first);
        argument.type = "pure-token";
      }
    } else {
      argument.name = first;
      argument.type = type_of_name(first);
    }
    out.push_back(std::move(argument));
  }

  std::string_view text_;
  size_t at_ = 0;
};

void reply_argument(protocol::ReplyWriter& r, const DocArgument& argument) {
  const bool flags = argument.optional || argument.multiple;
  const bool nested = !argument.arguments.empty();
  const bool display = !nested && argument.type != "pure-token";
  r.map(2 + (display ? 1u : 0) + (argument.type == "key" ? 1u : 0) + (argument.token.empty() ? 0u : 1u) +
        (flags ? 1u : 0) + (nested ? 1u : 0));
  r.bulk("name");
  r.bulk(argument.name);
  r.bulk("type");
  r.bulk(argument.type);
  if (display) {
    r.bulk("display_text");
    r.bulk(argument.name);
  }
  if (argument.type == "key") {
    r.bulk("key_spec_index");
    r.integer(0);
  }
  if (!argument.token.empty()) {
    r.bulk("token");
    r.bulk(argument.token);
  }
  if (flags) {
    r.bulk("flags");
    r.set((argument.optional ? 1u : 0) + (argument.multiple ? 1u : 0) + (argument.multiple_token ? 1u : 0));
    if (argument.optional) r.simple("optional");
    if (argument.multiple) r.simple("multiple");
    if (argument.multiple_token) r.simple("multiple_token");
  }
  if (nested) {
    r.bulk("arguments");
    r.array(argument.arguments.size());
    for (const DocArgument& inner : argument.arguments) reply_argument(r, inner);
  }
}

}  // namespace

std::vector<DocArgument> parse_syntax(std::string_view syntax) { return SyntaxParser(syntax).parse(); }

void reply_command_docs(protocol::ReplyWriter& r, const Command& command) {
  const CommandRow& row = *command.row;
  const std::vector<DocArgument> arguments = parse_syntax(row.syntax);
  r.map(4 + (arguments.empty() ? 0u : 1u) + (command.subcommands.empty() ? 0u : 1u));
  const auto line = [&](std::string_view name, std::string_view value) {
    r.bulk(name);
    r.bulk(value);
  };
  line("summary", row.summary);
  line("since", row.since);
  line("group", row.group);
  line("complexity", row.complexity);
  if (!arguments.empty()) {
    r.bulk("arguments");
    r.array(arguments.size());
    for (const DocArgument& argument : arguments) reply_argument(r, argument);
  }
  if (!command.subcommands.empty()) {
    r.bulk("subcommands");
    r.map(command.subcommands.size());
    for (const Command* sub : command.subcommands) {
      r.bulk(sub->full_name);
      reply_command_docs(r, *sub);
    }
  }
}

}  // namespace cloakroom::server
