#include "server/command/command_syntax.h"

#include <algorithm>
#include <stdexcept>

#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

constexpr std::string_view kKeys[] = {"key", "newkey", "source", "destination", "key1", "key2"};
constexpr std::string_view kIntegers[] = {"seconds",       "milliseconds", "count",
                                          "cursor",        "index",        "index1",
                                          "index2",        "offset",       "start",
                                          "end",           "increment",    "decrement",
                                          "numkeys",       "limit",        "db",
                                          "timeout",       "slot",         "start-slot",
                                          "end-slot",      "port",         "bits",
                                          "version",       "protover",     "numreplicas",
                                          "client-id",     "config-epoch", "cluster_bus_port",
                                          "destination-db"};

template <size_t n>
bool among(const std::string_view (&list)[n], std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

std::string_view type_of_name(std::string_view name) {
  if (among(kKeys, name)) return "key";
  if (among(kIntegers, name)) return "integer";
  if (name == "pattern") return "pattern";
  return name.starts_with("unix-time") ? "unix-time" : "string";
}

bool is_token(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) &&
         std::none_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

class SyntaxParser {
 public:
  explicit SyntaxParser(std::string_view text) : text_(text) {}

  std::vector<DocArgument> parse() {
    std::vector<DocArgument> out = sequence();
    if (at_ != text_.size()) fail();
    return out;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::logic_error("malformed command syntax: " + std::string(text_));
  }

  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool adjacent(std::string_view mark) {
    if (!text_.substr(at_).starts_with(mark)) return false;
    at_ += mark.size();
    return true;
  }
  void expect(char c) {
    if (peek() != c) fail();
    ++at_;
  }
  std::string_view word() {
    peek();
    const size_t begin = at_;
    while (at_ < text_.size() && std::string_view(" []<>()|{}+").find(text_[at_]) == std::string_view::npos &&
           !text_.substr(at_).starts_with("...")) {
      ++at_;
    }
    if (at_ == begin) fail();
    return text_.substr(begin, at_ - begin);
  }

  // Up to a closing bracket, a bar or the end.
  std::vector<DocArgument> sequence() {
    std::vector<DocArgument> out;
    for (char c = peek(); c != '\0' && c != ']' && c != '>' && c != ')' && c != '|'; c = peek()) {
      out.push_back(c == '[' ? optional() : element());
    }
    return out;
  }

  DocArgument optional() {
    expect('[');
    DocArgument argument = element();
    expect(']');
    argument.optional = true;
    return argument;
  }

  DocArgument element() {
    const std::string_view first = word();
    if (!is_token(first)) return value(first);
    const bool multiple_token = adjacent("+");
    const size_t back = at_;
    if (at_ < text_.size() && text_[at_] == ' ' &&
        std::string_view("[]<>()|").find(peek()) == std::string_view::npos && at_ < text_.size()) {
      const std::string_view second = word();
      if (!is_token(second)) {
        DocArgument argument = value(second);
        argument.token = first;
        argument.multiple_token = multiple_token;
        return argument;
      }
      at_ = back;
    }
    DocArgument argument;
    argument.name = lower(first);
    argument.type = "pure-token";
    argument.token = first;
    facts(argument);
    return argument;
  }

  // A value, choice or block whose name has been read.
  DocArgument value(std::string_view name) {
    DocArgument argument;
    argument.name = name;
    if (adjacent("<")) {
      argument.type = "oneof";
      do argument.arguments.push_back(alternative());
      while (peek() == '|' && adjacent("|"));
      expect('>');
    } else if (adjacent("(")) {
      argument.type = "block";
      argument.arguments = sequence();
      expect(')');
    } else {
      argument.type = type_of_name(name);
    }
    facts(argument);
    return argument;
  }

  DocArgument alternative() { return peek() == '[' ? optional() : element(); }

  void facts(DocArgument& argument) {
    if (adjacent("{")) {
      const size_t end = text_.find('}', at_);
      if (end == text_.npos) fail();
      for (std::string_view rest = text_.substr(at_, end - at_); !rest.empty();) {
        const size_t comma = std::min(rest.find(','), rest.size());
        fact(argument, rest.substr(0, comma));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
      }
      at_ = end + 1;
    }
    argument.multiple = adjacent("...");
  }

  static void fact(DocArgument& argument, std::string_view text) {
    const size_t equals = text.find('=');
    if (equals == text.npos) {
      argument.type = text;
      return;
    }
    const std::string_view name = text.substr(0, equals);
    (name == "since"   ? argument.since
     : name == "until" ? argument.deprecated_since
                       : argument.name) = text.substr(equals + 1);
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::vector<DocArgument> parse_syntax(std::string_view syntax) { return SyntaxParser(syntax).parse(); }

}  // namespace cloakroom::server
