#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cloakroom::protocol {

// One reply as a tree. `type` is its first byte on the wire.
struct Reply {
  char type = '_';
  bool is_null = false;           // "_", "$-1", "*-1"
  int64_t integer = 0;            // ':' and '#' (1 or 0)
  double number = 0;              // ','
  std::string text;               // + - $ ( = (verbatim: with its "txt:") and the digits of , and :
  std::vector<Reply> items;       // * ~ > and, key and value alternating, %
  std::vector<Reply> attributes;  // '|' in front of this reply, key and value alternating

  bool operator==(const Reply&) const = default;
};

// Incremental reader of RESP2 and RESP3 replies, for tests and tools (not tuned).
class ReplyParser {
 public:
  enum class Status : uint8_t { kReply, kIncomplete, kError };

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  // The next whole reply, if there is one. kError is final: the bytes are not RESP.
  Status next(Reply* reply);
  size_t buffered_bytes() const { return buffer_.size() - at_; }

 private:
  Status parse(Reply* reply, size_t* at, int depth);
  Status parse_items(std::vector<Reply>* items, int64_t count, size_t* at, int depth);

  std::string buffer_;
  size_t at_ = 0;
};

}  // namespace cloakroom::protocol
