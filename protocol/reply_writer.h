#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "protocol/output_buffer.h"

namespace cloakroom::protocol {

// Values of this size or more go out by reference when their owner is known.
inline constexpr size_t kShareBytes = 16 * 1024;

// One interface for every RESP2 and RESP3 reply: a handler says what it means, the writer picks the
// protocol's form. Sizes of aggregates count elements (map and attribute: pairs); the elements follow as
// further calls.
class ReplyWriter {
 public:
  explicit ReplyWriter(OutputBuffer& out, int protocol = 2) : out_(&out), resp3_(protocol >= 3) {}

  void bind(OutputBuffer& out) { out_ = &out; }
  OutputBuffer& out() { return *out_; }
  int protocol() const { return resp3_ ? 3 : 2; }
  void set_protocol(int version) { resp3_ = version >= 3; }
  bool resp3() const { return resp3_; }

  // While muted (CLIENT REPLY OFF or SKIP) replies are counted but not written.
  void mute(bool yes) {
    if (muted_ && !yes) pending_ = 0;  // who saw it muted may have stopped in the middle
    muted_ = yes;
  }
  bool muted() const { return muted_; }

  // The reply has passed the limit of the buffer: the client will be closed.
  bool overflowed() const { return out_->overflowed(); }
  // False when nobody will read what is written from here on. A handler that makes more than the keyspace
  // holds, or than the request, asks before each element.
  bool wants_more() const { return !muted_ && !out_->overflowed(); }

  // Whole top-level replies begun so far, pushes and attributes not counted.
  uint64_t replies() const { return replies_; }
  // True between whole replies: no aggregate is waiting for elements.
  bool between_replies() const { return pending_ == 0; }
  // Error replies so far, nested ones included, and the first word of the last ("ERR", "WRONGTYPE").
  uint64_t errors() const { return errors_; }
  std::string_view last_error_code() const { return {error_code_, error_code_size_}; }

  void bulk(std::string_view value) { count(), put_bulk(value); }
  // As bulk(); from kShareBytes on without a copy: `owner` keeps `value` alive.
  void bulk_shared(SharedBytes owner, std::string_view value);
  void simple(std::string_view text);  // must not hold CR or LF
  void ok() { count(), put("+OK\r\n"); }
  void error(std::string_view text);  // without '-', e.g. "ERR syntax error"; CR and LF become spaces
  void integer(int64_t value) { count(), put_number(':', value); }
  void null() { count(), put(resp3_ ? "_\r\n" : "$-1\r\n"); }
  void null_array() { count(), put(resp3_ ? "_\r\n" : "*-1\r\n"); }
  void boolean(bool value);                      // RESP2: integer 1 or 0
  void double_value(double value);               // RESP2: bulk
  void long_double_text(std::string_view text);  // a number already formatted; RESP2: bulk
  void big_number(std::string_view digits);      // RESP2: bulk
  void verbatim(std::string_view text,
                std::string_view format);  // format: 3 characters; RESP2: bulk of the text
  void bulk_integer(int64_t value);        // a bulk of the decimal digits

  void array(size_t n) { aggregate('*', '*', n, n); }
  void map(size_t n) { aggregate('*', '%', n, 2 * n); }
  void set(size_t n) { aggregate('*', '~', n, n); }
  // Out of band. RESP2: array (as subscribe messages are).
  void push(size_t n);
  // Data about the reply that follows. RESP2 has none: returns false, and the pairs must not be written.
  bool attribute(size_t n);

  // Bytes that are whole elements already.
  void raw(std::string_view bytes, size_t elements = 1);

  // An aggregate whose length is not known yet. Call begin, write the elements, then end with the count
  // (pairs for a map). May nest; ends in reverse order.
  class Deferred {
    friend class ReplyWriter;
    size_t mark = 0;
    uint64_t pending = 0;
  };
  [[nodiscard]] Deferred begin_deferred();
  void end_array(const Deferred& begun, size_t n) { end_deferred(begun, '*', n); }
  void end_map(const Deferred& begun, size_t n) {
    end_deferred(begun, resp3_ ? '%' : '*', resp3_ ? n : 2 * n);
  }
  void end_set(const Deferred& begun, size_t n) { end_deferred(begun, resp3_ ? '~' : '*', n); }

 private:
  static constexpr size_t kHeaderBytes = 24;  // type, 20 digits, CR LF

  void count() {
    replies_ += pending_ == 0;
    pending_ -= pending_ != 0;
  }
  void put(std::string_view bytes) {
    if (!muted_) out_->append(bytes);
  }
  static char* write_number(char* at, char type, int64_t value);
  void put_number(char type, int64_t value);
  void put_bulk(std::string_view value);
  void put_text(char type, std::string_view text);
  void aggregate(char resp2, char resp3, size_t n, size_t elements);
  void end_deferred(const Deferred& begun, char type, size_t n);

  OutputBuffer* out_;
  uint64_t replies_ = 0;
  uint64_t pending_ = 0;  // elements that open aggregates still wait for
  uint64_t errors_ = 0;
  bool resp3_;
  bool muted_ = false;
  uint8_t error_code_size_ = 0;
  char error_code_[29] = {};
};

inline char* ReplyWriter::write_number(char* at, char type, int64_t value) {
  *at++ = type;
  const auto small = static_cast<uint32_t>(value);
  if (static_cast<uint64_t>(value) < 1000) {
    if (small >= 100) *at++ = static_cast<char>('0' + small / 100);
    if (small >= 10) *at++ = static_cast<char>('0' + small / 10 % 10);
    *at++ = static_cast<char>('0' + small % 10);
  } else {
    at = std::to_chars(at, at + 20, value).ptr;
  }
  std::memcpy(at, "\r\n", 2);
  return at + 2;
}

inline void ReplyWriter::put_number(char type, int64_t value) {
  if (muted_) return;
  char* begin = out_->reserve(kHeaderBytes);
  if (__builtin_expect(begin == nullptr, 0)) return;
  out_->commit(static_cast<size_t>(write_number(begin, type, value) - begin));
}

inline void ReplyWriter::put_bulk(std::string_view value) {
  if (muted_) return;
  char* begin = out_->reserve(kHeaderBytes + value.size() + 2);
  if (__builtin_expect(begin == nullptr, 0)) return;
  char* at = write_number(begin, '$', static_cast<int64_t>(value.size()));
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
  at += value.size();
  std::memcpy(at, "\r\n", 2);
  out_->commit(static_cast<size_t>(at + 2 - begin));
}

inline void ReplyWriter::aggregate(char resp2, char resp3, size_t n, size_t elements) {
  count();
  pending_ += elements;
  if (resp3_) {
    put_number(resp3, static_cast<int64_t>(n));
  } else {
    put_number(resp2, static_cast<int64_t>(elements));
  }
}

}  // namespace cloakroom::protocol
