#pragma once

// Bytes to requests (RESP arrays of bulks, and inline commands), as Redis 7.0.15 reads them.
//
// How a connection uses it:
//
//   std::span<char> room = parser.read_target(scratch);   // scratch: one buffer per thread, >= 16 KiB
//   n = recv(room); parser.received(n);
//   do {
//     status = parser.next(batch);                         // up to batch.max_requests() whole requests
//     for (const Request& r : batch) execute(r);           // views are valid until the next call below
//   } while (status == Status::kMore);
//   if (status == Status::kError) { reply(parser.error_text()), close after it; }
//   parser.keep();                                         // before anybody else uses scratch
//
// Bytes that wait for the rest of their request are kept by the parser (heap, only while there are any), so
// an idle connection costs sizeof(RequestParser). Progress inside a long request is kept too: total work is
// linear in the bytes. A bulk of kBigBulk bytes or more that is not yet whole gets a block of its own and
// read_target() points into it: the kernel writes it where storage will keep it.
//
// A request with such an argument is always alone in its batch, and before authentication every request is
// (the limits may change after each). Hence whatever follows request i of a batch is still in the input
// bytes, and unread_after(batch, i) can put it back when the connection has to stop there (a command that
// blocks).

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/byte_block.h"

namespace cloakroom::protocol {

class RequestBatch;
struct ParseProgress;

inline constexpr size_t kBigBulk = 32 * 1024;
inline constexpr size_t kMaxLineBytes = 64 * 1024;   // inline commands and length lines
inline constexpr int64_t kMaxArguments = INT32_MAX;  // of one request
inline constexpr int64_t kMaxArgumentsBeforeAuth = 10;
inline constexpr int64_t kMaxBulkBeforeAuth = 16384;

// Shared by all connections of a server; may change at run time (CONFIG SET) from any thread.
struct ParserLimits {
  std::atomic<int64_t> max_bulk_bytes{512ll << 20};  // proto-max-bulk-len
};

struct Request {
  std::span<const std::string_view> args;  // never empty
  size_t wire_bytes = 0;                   // of this request, all framing included

  // The owner of argument i when it was read into a block of its own, else null. The block holds at least
  // args[i].size() bytes from args[i].data(). Who wants to keep them takes a share: while the batch holds its
  // own, no other share may change or free what args[i] shows.
  const SharedBytes* big(size_t i) const;

 private:
  friend class RequestParser;
  char* end_ = nullptr;  // the byte after the request in the input
  RequestBatch* batch_ = nullptr;
};

// Where next() puts its requests. One per thread, reused: no allocation once warm. Not thread-safe.
class RequestBatch {
 public:
  explicit RequestBatch(size_t max_requests = 64);
  ~RequestBatch();
  RequestBatch(const RequestBatch&) = delete;
  RequestBatch& operator=(const RequestBatch&) = delete;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t max_requests() const { return max_requests_; }
  const Request& operator[](size_t i) const { return requests_[i]; }
  const Request* begin() const { return requests_.get(); }
  const Request* end() const { return requests_.get() + size_; }

  // Drops the requests and its shares of the big blocks. next() begins with it; call it also when the
  // thread goes idle, so that no block is held longer than its request.
  void clear();

 private:
  friend class RequestParser;
  friend struct Request;
  struct Big {
    size_t arg;
    SharedBytes bytes;
  };
  void reserve_args(size_t count);

  std::unique_ptr<Request[]> requests_;
  size_t max_requests_;
  size_t size_ = 0;
  std::unique_ptr<std::string_view[]> args_;
  size_t args_capacity_ = 0;
  size_t args_used_ = 0;
  std::vector<Big> bigs_;             // of the only request, ascending by arg
  std::deque<std::string> unquoted_;  // inline arguments that had quotes
  std::vector<std::string_view> words_;
  std::unique_ptr<ParseProgress> progress_;  // of a request parsed slowly that is whole in the end
};

class RequestParser {
 public:
  enum class Status : uint8_t {
    kMore,        // execute the batch, then call next() again
    kIncomplete,  // execute the batch (may be empty); then bytes are needed
    kError,       // execute the batch (may be empty), then answer error_text() and close
  };

  explicit RequestParser(const ParserLimits& limits);
  ~RequestParser();
  RequestParser(RequestParser&&) noexcept;
  RequestParser& operator=(RequestParser&&) noexcept;

  // While false, the limits for unauthenticated clients hold and every batch has at most one request.
  void set_authenticated(bool yes) { authenticated_ = yes; }

  // Where the next bytes are to be read: scratch itself (behind a short remainder, if any), the parser's own
  // storage, or the block of a big bulk. Never empty. Ends the validity of all views.
  std::span<char> read_target(std::span<char> scratch);
  // Whether read_target() would be the parser's own memory rather than scratch of that size.
  bool target_is_own(size_t scratch_bytes) const {
    return wants_big() || static_cast<size_t>(end_ - begin_) > scratch_bytes / 4;
  }
  // n bytes were written to the front of the last read_target().
  void received(size_t n);

  Status next(RequestBatch& batch);

  // Puts the requests after batch[i] back, to be parsed again. Their views become invalid.
  void unread_after(const RequestBatch& batch, size_t i);

  // Moves what is left out of scratch. Ends the validity of all views. Cheap when nothing is left.
  void keep();

  // After kError: the whole text without the leading '-', e.g. "ERR Protocol error: invalid bulk length".
  std::string error_text() const;

  // Bytes received and not yet handed out as requests, a partly filled big bulk included: compare with
  // client-query-buffer-limit.
  size_t buffered_bytes() const;
  // The same as Redis shows it (qbuf): while a big bulk arrives, its bytes alone.
  size_t query_bytes() const;
  // Heap held for them now: show as qbuf + qbuf-free.
  size_t memory_bytes() const;
  // True when the parser holds nothing: between requests, no bytes left.
  bool idle() const { return begin_ == end_ && pending_ == nullptr; }

 private:
  struct Pending;
  enum class Error : uint8_t {
    kNone,
    kBigInline,
    kQuotes,
    kBigCountLine,
    kBadCount,
    kCountBeforeAuth,
    kBigBulkLine,
    kNoDollar,
    kBadBulk,
    kBulkBeforeAuth,
  };
  enum class Step : uint8_t { kDone, kSkipped, kIncomplete, kBatchFull, kError };

  void parse_whole_requests(RequestBatch& batch, size_t max_requests);
  Step parse_slowly(RequestBatch& batch);
  Step parse_inline(RequestBatch& batch);
  Step parse_count(char** at, int64_t* count);
  Step parse_arguments(RequestBatch& batch, ParseProgress& progress);
  Step parse_bulk_length(char** at, size_t* length);
  Step begin_big(RequestBatch& batch, ParseProgress& progress, char* body, size_t length);
  void finish_big();
  void hand_out(RequestBatch& batch, ParseProgress& progress);
  std::string_view* add_request(RequestBatch& batch, size_t arguments, size_t flat_bytes);
  Step fail(Error error);
  Pending& pending();
  bool in_request() const;  // progress is kept in pending_
  bool wants_big() const;   // bytes of a big bulk are missing
  std::span<char> own_target();

  const ParserLimits* limits_;
  std::unique_ptr<Pending> pending_;  // only while a request is partial
  char* begin_ = nullptr;             // unconsumed bytes, in scratch or in pending_
  char* end_ = nullptr;
  Error error_ = Error::kNone;
  char unexpected_ = 0;
  bool authenticated_ = true;
  bool in_scratch_ = false;
};

static_assert(sizeof(RequestParser) <= 48);

}  // namespace cloakroom::protocol
