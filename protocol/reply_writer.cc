#include "protocol/reply_writer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "protocol/assert.h"

namespace cloakroom::protocol {
namespace {

constexpr uint64_t kUnknownElements = uint64_t{1} << 62;

// RFC-less: RESP3 and Redis 7.0 write 17 significant digits, and the words inf, -inf, nan.
std::string_view format_double(double value, char (&text)[40]) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const int size = std::snprintf(text, sizeof text, "%.17g", value);
  return {text, static_cast<size_t>(size)};
}

}  // namespace

void ReplyWriter::bulk_shared(SharedBytes owner, std::string_view value) {
  if (value.size() < kShareBytes || muted_) return bulk(value);
  count();
  put_number('$', static_cast<int64_t>(value.size()));
  out_->append_shared(std::move(owner), value);
  put("\r\n");
}

void ReplyWriter::put_text(char type, std::string_view text) {
  if (muted_) return;
  char* at = out_->reserve(text.size() + 3);
  if (__builtin_expect(at == nullptr, 0)) return;
  *at = type;
  if (!text.empty()) std::memcpy(at + 1, text.data(), text.size());
  std::memcpy(at + 1 + text.size(), "\r\n", 2);
  out_->commit(text.size() + 3);
}

void ReplyWriter::simple(std::string_view text) {
  count();
  put_text('+', text);
}

void ReplyWriter::error(std::string_view text) {
  count();
  ++errors_;
  const std::string_view code = text.substr(0, std::min(text.find(' '), sizeof error_code_));
  std::memcpy(error_code_, code.data(), code.size());
  error_code_size_ = static_cast<uint8_t>(code.size());
  if (muted_) return;
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n')) text.remove_suffix(1);
  put_text('-', text);
  // The text is already in the buffer: put right there what would end the line early.
  if (out_->overflowed()) return;
  char* line = out_->reserve(0) - text.size() - 2;
  std::replace_if(
      line, line + text.size(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
}

void ReplyWriter::boolean(bool value) {
  count();
  if (resp3_) {
    put(value ? "#t\r\n" : "#f\r\n");
  } else {
    put(value ? ":1\r\n" : ":0\r\n");
  }
}

void ReplyWriter::double_value(double value) {
  char text[40];
  long_double_text(format_double(value, text));
}

void ReplyWriter::long_double_text(std::string_view text) {
  count();
  if (resp3_) {
    put_text(',', text);
  } else {
    put_bulk(text);
  }
}

void ReplyWriter::big_number(std::string_view digits) {
  count();
  if (resp3_) {
    put_text('(', digits);
  } else {
    put_bulk(digits);
  }
}

void ReplyWriter::verbatim(std::string_view text, std::string_view format) {
  CLOAKROOM_PROTOCOL_ASSERT(format.size() == 3);
  if (!resp3_) return bulk(text);
  count();
  put_number('=', static_cast<int64_t>(text.size() + 4));
  put(format);
  put(":");
  put(text);
  put("\r\n");
}

void ReplyWriter::bulk_integer(int64_t value) {
  char digits[20];
  const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  bulk({digits, static_cast<size_t>(end - digits)});
}

void ReplyWriter::push(size_t n) {
  pending_ += n;
  put_number(resp3_ ? '>' : '*', static_cast<int64_t>(n));
}

bool ReplyWriter::attribute(size_t n) {
  if (!resp3_) return false;
  pending_ += 2 * n;
  put_number('|', static_cast<int64_t>(n));
  return true;
}

void ReplyWriter::raw(std::string_view bytes, size_t elements) {
  for (; elements != 0; --elements) count();
  put(bytes);
}

ReplyWriter::Deferred ReplyWriter::begin_deferred() {
  count();
  Deferred begun;
  begun.mark = out_->mark();
  begun.pending = std::exchange(pending_, kUnknownElements);
  return begun;
}

void ReplyWriter::end_deferred(const Deferred& begun, char type, size_t n) {
  pending_ = begun.pending;
  if (muted_) return;
  char header[kHeaderBytes];
  const char* end = write_number(header, type, static_cast<int64_t>(n));
  out_->insert(begun.mark, {header, static_cast<size_t>(end - header)});
}

}  // namespace cloakroom::protocol
