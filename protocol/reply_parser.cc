#include "protocol/reply_parser.h"

#include <charconv>
#include <limits>

namespace cloakroom::protocol {
namespace {

constexpr int kMaxDepth = 64;

bool parse_integer(std::string_view text, int64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_double(std::string_view text, double* value) {
  if (text == "nan") {
    *value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

ReplyParser::Status ReplyParser::next(Reply* reply) {
  size_t at = at_;
  *reply = Reply();
  const Status status = parse(reply, &at, 0);
  if (status != Status::kReply) return status;
  at_ = at;
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  }
  return status;
}

ReplyParser::Status ReplyParser::parse_items(std::vector<Reply>* items, int64_t count, size_t* at,
                                             int depth) {
  for (; count > 0; --count) {
    const Status status = parse(&items->emplace_back(), at, depth + 1);
    if (status != Status::kReply) return status;
  }
  return Status::kReply;
}

ReplyParser::Status ReplyParser::parse(Reply* reply, size_t* at, int depth) {
  if (depth > kMaxDepth) return Status::kError;
  const size_t line_end = buffer_.find("\r\n", *at);
  if (line_end == std::string::npos) return Status::kIncomplete;
  if (line_end == *at) return Status::kError;
  reply->type = buffer_[*at];
  const std::string_view line = std::string_view(buffer_).substr(*at + 1, line_end - *at - 1);
  *at = line_end + 2;
  switch (reply->type) {
    case '+':
    case '-':
    case '(':
      reply->text = line;
      return Status::kReply;
    case '_':
      reply->is_null = true;
      return line.empty() ? Status::kReply : Status::kError;
    case '#':
      reply->integer = line == "t";
      return line == "t" || line == "f" ? Status::kReply : Status::kError;
    case ':':
      reply->text = line;
      return parse_integer(line, &reply->integer) ? Status::kReply : Status::kError;
    case ',':
      reply->text = line;
      return parse_double(line, &reply->number) ? Status::kReply : Status::kError;
    default:
      break;
  }
  int64_t length = 0;
  if (!parse_integer(line, &length) || length < -1) return Status::kError;
  switch (reply->type) {
    case '$':
    case '=': {
      reply->is_null = length < 0;
      if (reply->is_null) return Status::kReply;
      const auto size = static_cast<size_t>(length);
      if (buffer_.size() - *at < size + 2) return Status::kIncomplete;
      reply->text = buffer_.substr(*at, size);
      *at += size + 2;
      return buffer_.compare(*at - 2, 2, "\r\n") == 0 ? Status::kReply : Status::kError;
    }
    case '*':
    case '~':
    case '>':
      reply->is_null = length < 0;
      return parse_items(&reply->items, length, at, depth);
    case '%':
      return parse_items(&reply->items, 2 * length, at, depth);
    case '|': {
      std::vector<Reply> attributes;
      const Status status = parse_items(&attributes, 2 * length, at, depth);
      if (status != Status::kReply) return status;
      *reply = Reply();
      const Status rest = parse(reply, at, depth + 1);
      reply->attributes.insert(reply->attributes.begin(), attributes.begin(), attributes.end());
      return rest;
    }
    default:
      return Status::kError;
  }
}

}  // namespace cloakroom::protocol
