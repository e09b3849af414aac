#include "protocol/request_parser.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <utility>

#include "protocol/assert.h"
#include "protocol/inline_words.h"
#include "protocol/length_line.h"
#include "protocol/parse_progress.h"

namespace cloakroom::protocol {
namespace {

constexpr size_t kRoomBytes = 16 * 1024;    // offered to a read, at least, in the parser's own storage
constexpr size_t kReparseBytes = 2 * 1024;  // a request that got less far is read again instead of remembered
constexpr size_t kFirstArguments = 1024;    // of a batch; a request with more makes it grow
constexpr size_t kKeptArguments = 64 * 1024;  // beyond this a batch gives them back
// An announced length costs memory only as bytes arrive: blocks begin small and double.
constexpr size_t kWholeBlockBytes = 1024 * 1024;
constexpr size_t kFirstBlockBytes = 256 * 1024;

}  // namespace

// What a connection holds while a request is partial.
struct RequestParser::Pending {
  ParseProgress progress;
  ByteBlock storage;      // flat bytes
  ByteBlock block;        // of the big bulk being filled
  size_t block_size = 0;  // its length and the CR LF behind it; 0: none
  size_t block_filled = 0;
};

const SharedBytes* Request::big(size_t i) const {
  auto& bigs = batch_->bigs_;
  const auto found =
      std::lower_bound(bigs.begin(), bigs.end(), i, [](const auto& b, size_t arg) { return b.arg < arg; });
  return found != bigs.end() && found->arg == i ? &found->bytes : nullptr;
}

RequestBatch::RequestBatch(size_t max_requests)
    : requests_(std::make_unique<Request[]>(max_requests)),
      max_requests_(max_requests),
      progress_(std::make_unique<ParseProgress>()) {
  reserve_args(kFirstArguments);
}

RequestBatch::~RequestBatch() = default;

void RequestBatch::reserve_args(size_t count) {
  args_ = std::make_unique<std::string_view[]>(count);
  args_capacity_ = count;
}

void RequestBatch::clear() {
  size_ = 0;
  args_used_ = 0;
  if (!bigs_.empty()) bigs_.clear();
  if (!unquoted_.empty()) unquoted_.clear();
  if (args_capacity_ > kKeptArguments) [[unlikely]] {
    reserve_args(kFirstArguments);
    bigs_.shrink_to_fit();
    progress_ = std::make_unique<ParseProgress>();
  }
}

RequestParser::RequestParser(const ParserLimits& limits) : limits_(&limits) {}
RequestParser::~RequestParser() = default;
RequestParser::RequestParser(RequestParser&&) noexcept = default;
RequestParser& RequestParser::operator=(RequestParser&&) noexcept = default;

RequestParser::Pending& RequestParser::pending() {
  if (!pending_) pending_ = std::make_unique<Pending>();
  return *pending_;
}

bool RequestParser::in_request() const { return pending_ && pending_->progress.active(); }

bool RequestParser::wants_big() const { return pending_ && pending_->block_filled < pending_->block_size; }

std::span<char> RequestParser::read_target(std::span<char> scratch) {
  CLOAKROOM_PROTOCOL_ASSERT(scratch.size() >= kRoomBytes);
  if (wants_big()) {
    ByteBlock& block = pending_->block;
    if (pending_->block_filled == block.capacity()) {
      block.resize(std::min(pending_->block_size, 2 * block.capacity()));
    }
    return {block.data() + pending_->block_filled, block.capacity() - pending_->block_filled};
  }
  const auto left = static_cast<size_t>(end_ - begin_);
  if (left > scratch.size() / 4) return own_target();
  if (left != 0) std::memmove(scratch.data(), begin_, left);
  if (in_request()) {
    pending_->storage.resize(0);
  } else {
    pending_.reset();
  }
  begin_ = scratch.data();
  end_ = begin_ + left;
  in_scratch_ = true;
  return scratch.subspan(left);
}

std::span<char> RequestParser::own_target() {
  const auto left = static_cast<size_t>(end_ - begin_);
  ByteBlock& storage = pending().storage;
  if (in_scratch_) {
    storage.resize(2 * left + kRoomBytes);
    std::memcpy(storage.data(), begin_, left);
  } else {
    if (begin_ != storage.data()) std::memmove(storage.data(), begin_, left);
    if (storage.capacity() - left < kRoomBytes) storage.resize(2 * left + kRoomBytes);
  }
  begin_ = storage.data();
  end_ = begin_ + left;
  in_scratch_ = false;
  return {end_, storage.capacity() - left};
}

void RequestParser::received(size_t n) {
  if (wants_big()) {
    pending_->block_filled += n;
    CLOAKROOM_PROTOCOL_ASSERT(pending_->block_filled <= pending_->block.capacity());
  } else {
    end_ += n;
  }
}

void RequestParser::keep() {
  const auto left = static_cast<size_t>(end_ - begin_);
  if (left == 0) {
    CLOAKROOM_PROTOCOL_ASSERT(!in_request());
    pending_.reset();
    begin_ = end_ = nullptr;
    in_scratch_ = false;
    return;
  }
  ByteBlock& storage = pending().storage;
  if (in_scratch_) {
    storage.resize(left);
    std::memcpy(storage.data(), begin_, left);
  } else if (storage.capacity() > 2 * left + kRoomBytes) {
    std::memmove(storage.data(), begin_, left);
    storage.resize(left);
  } else {
    return;
  }
  begin_ = storage.data();
  end_ = begin_ + left;
  in_scratch_ = false;
}

void RequestParser::unread_after(const RequestBatch& batch, size_t i) {
  CLOAKROOM_PROTOCOL_ASSERT(i < batch.size());
  if (i + 1 == batch.size()) return;
  begin_ = batch[i].end_;
  error_ = Error::kNone;
  if (pending_) pending_->progress.clear();
}

size_t RequestParser::buffered_bytes() const {
  const auto flat = static_cast<size_t>(end_ - begin_);
  return pending_ ? flat + pending_->progress.block_bytes + pending_->block_filled : flat;
}

size_t RequestParser::query_bytes() const { return wants_big() ? pending_->block_filled : buffered_bytes(); }

size_t RequestParser::memory_bytes() const {
  if (!pending_) return 0;
  const ParseProgress& progress = pending_->progress;
  return sizeof(Pending) + pending_->storage.capacity() + pending_->block.capacity() + progress.block_bytes +
         progress.arguments.capacity() * sizeof(ParseProgress::Argument) +
         progress.blocks.capacity() * sizeof(SharedBytes);
}

RequestParser::Status RequestParser::next(RequestBatch& batch) {
  batch.clear();
  if (error_ != Error::kNone) return Status::kError;
  if (wants_big()) return Status::kIncomplete;
  if (pending_ && pending_->block_size != 0) finish_big();
  const size_t max_requests = authenticated_ ? batch.max_requests_ : 1;
  while (true) {
    if (!in_request()) parse_whole_requests(batch, max_requests);
    if (begin_ == end_) return Status::kIncomplete;
    if (batch.size_ == max_requests) return Status::kMore;
    switch (parse_slowly(batch)) {
      case Step::kDone:
        if (!batch.bigs_.empty()) return begin_ == end_ ? Status::kIncomplete : Status::kMore;
        break;
      case Step::kSkipped:
        break;
      case Step::kIncomplete:
        return Status::kIncomplete;
      case Step::kBatchFull:
        return Status::kMore;
      case Step::kError:
        return Status::kError;
    }
  }
}

// The hot path: requests that are whole, ordinary and not too large. Whatever is not leaves begin_ where it
// stands, for parse_slowly().
void RequestParser::parse_whole_requests(RequestBatch& batch, size_t max_requests) {
  const uint64_t count_cap = authenticated_ ? batch.args_capacity_ : uint64_t{kMaxArgumentsBeforeAuth};
  const int64_t bulk_limit = limits_->max_bulk_bytes.load(std::memory_order_relaxed);
  const auto bulk_cap =
      static_cast<uint64_t>(authenticated_ ? bulk_limit : std::min(bulk_limit, kMaxBulkBeforeAuth));
  const char* const end = end_;
  std::string_view* slot = batch.args_.get() + batch.args_used_;
  std::string_view* const slots_end = batch.args_.get() + batch.args_capacity_;
  while (batch.size_ < max_requests) {
    char* at = begin_;
    uint64_t count = 0;
    if (!read_short_length('*', at, end, &count)) break;
    if (count == 0 || count > count_cap || count > static_cast<uint64_t>(slots_end - slot)) break;
    std::string_view* const first = slot;
    std::string_view* const last = slot + count;
    do {
      uint64_t length = 0;
      if (!read_short_length('$', at, end, &length) || length > bulk_cap) break;
      if (static_cast<uint64_t>(end - at) < length + 2) break;
      *slot++ = {at, length};
      at += length + 2;
    } while (slot != last);
    if (slot != last) break;
    Request& request = batch.requests_[batch.size_++];
    request.args = {first, last};
    request.wire_bytes = static_cast<size_t>(at - begin_);
    request.end_ = at;
    request.batch_ = &batch;
    batch.args_used_ += count;
    begin_ = at;
  }
}

RequestParser::Step RequestParser::fail(Error error) {
  error_ = error;
  return Step::kError;
}

RequestParser::Step RequestParser::parse_slowly(RequestBatch& batch) {
  if (in_request()) return parse_arguments(batch, pending_->progress);
  if (*begin_ != '*') return parse_inline(batch);
  char* at = begin_;
  int64_t count = 0;
  const Step step = parse_count(&at, &count);
  if (step != Step::kDone) return step;
  if (count <= 0) {
    begin_ = at;
    return Step::kSkipped;
  }
  if (!batch.empty() && static_cast<uint64_t>(count) > batch.args_capacity_ - batch.args_used_) {
    return Step::kBatchFull;
  }
  batch.progress_->begin(count, static_cast<size_t>(at - begin_));
  return parse_arguments(batch, *batch.progress_);
}

RequestParser::Step RequestParser::parse_count(char** at, int64_t* count) {
  char* line_end = nullptr;
  switch (find_line(*at, end_, '\r', &line_end)) {
    case Line::kIncomplete:
      return Step::kIncomplete;
    case Line::kTooLong:
      return fail(Error::kBigCountLine);
    case Line::kWhole:
      break;
  }
  if (!parse_decimal({*at + 1, line_end}, count) || *count > kMaxArguments) return fail(Error::kBadCount);
  if (!authenticated_ && *count > kMaxArgumentsBeforeAuth) return fail(Error::kCountBeforeAuth);
  *at = line_end + 2;
  return Step::kDone;
}

RequestParser::Step RequestParser::parse_bulk_length(char** at, size_t* length) {
  char* line_end = nullptr;
  switch (find_line(*at, end_, '\r', &line_end)) {
    case Line::kIncomplete:
      return Step::kIncomplete;
    case Line::kTooLong:
      return fail(Error::kBigBulkLine);
    case Line::kWhole:
      break;
  }
  if (**at != '$') {
    unexpected_ = **at;
    return fail(Error::kNoDollar);
  }
  int64_t value = 0;
  if (!parse_decimal({*at + 1, line_end}, &value) || value < 0 ||
      value > limits_->max_bulk_bytes.load(std::memory_order_relaxed)) {
    return fail(Error::kBadBulk);
  }
  if (!authenticated_ && value > kMaxBulkBeforeAuth) return fail(Error::kBulkBeforeAuth);
  *length = static_cast<size_t>(value);
  *at = line_end + 2;
  return Step::kDone;
}

RequestParser::Step RequestParser::parse_arguments(RequestBatch& batch, ParseProgress& progress) {
  while (progress.missing != 0) {
    char* at = begin_ + progress.resume;
    size_t length = 0;
    Step step = parse_bulk_length(&at, &length);
    if (step == Step::kDone && static_cast<size_t>(end_ - at) < length + 2) {
      if (length >= kBigBulk) return begin_big(batch, progress, at, length);
      step = Step::kIncomplete;
    }
    if (step == Step::kIncomplete && !in_request() && progress.resume > kReparseBytes) {
      pending().progress = std::move(progress);
      return step;
    }
    if (step != Step::kDone) return step;
    progress.arguments.push_back({static_cast<size_t>(at - begin_), length});
    progress.resume = static_cast<size_t>(at - begin_) + length + 2;
    --progress.missing;
  }
  hand_out(batch, progress);
  return Step::kDone;
}

RequestParser::Step RequestParser::begin_big(RequestBatch& batch, ParseProgress& progress, char* body,
                                             size_t length) {
  if (!batch.empty()) return Step::kBatchFull;
  if (!in_request()) pending().progress = std::move(progress);
  Pending& state = *pending_;
  state.block_size = length + 2;
  state.block_filled = static_cast<size_t>(end_ - body);
  state.block.resize(state.block_size <= kWholeBlockBytes
                         ? state.block_size
                         : std::min(state.block_size, std::max(kFirstBlockBytes, 2 * state.block_filled)));
  std::memcpy(state.block.data(), body, state.block_filled);
  end_ = body;
  state.progress.resume = static_cast<size_t>(body - begin_);
  return Step::kIncomplete;
}

void RequestParser::finish_big() {
  Pending& state = *pending_;
  state.progress.arguments.push_back({ParseProgress::kInBlock, state.block_size - 2});
  state.progress.blocks.push_back(state.block.share());
  state.progress.block_bytes += state.block_size;
  --state.progress.missing;
  state.block_size = 0;
  state.block_filled = 0;
}

std::string_view* RequestParser::add_request(RequestBatch& batch, size_t arguments, size_t flat_bytes) {
  if (arguments > batch.args_capacity_ - batch.args_used_) {
    CLOAKROOM_PROTOCOL_ASSERT(batch.empty());
    batch.reserve_args(arguments);
  }
  std::string_view* const slots = batch.args_.get() + batch.args_used_;
  batch.args_used_ += arguments;
  begin_ += flat_bytes;
  Request& request = batch.requests_[batch.size_++];
  request.args = {slots, arguments};
  request.wire_bytes = flat_bytes;
  request.end_ = begin_;
  request.batch_ = &batch;
  return slots;
}

void RequestParser::hand_out(RequestBatch& batch, ParseProgress& progress) {
  char* const base = begin_;
  std::string_view* slot = add_request(batch, progress.arguments.size(), progress.resume);
  batch.requests_[batch.size_ - 1].wire_bytes += progress.block_bytes;
  size_t block = 0;
  for (size_t i = 0; i < progress.arguments.size(); ++i) {
    const auto [offset, size] = progress.arguments[i];
    if (offset == ParseProgress::kInBlock) {
      slot[i] = {progress.blocks[block].get(), size};
      batch.bigs_.push_back({i, std::move(progress.blocks[block++])});
    } else {
      slot[i] = {base + offset, size};
    }
  }
  progress.clear();
}

RequestParser::Step RequestParser::parse_inline(RequestBatch& batch) {
  char* line_end = nullptr;
  switch (find_line(begin_, end_, '\n', &line_end)) {
    case Line::kIncomplete:
      return Step::kIncomplete;
    case Line::kTooLong:
      return fail(Error::kBigInline);
    case Line::kWhole:
      break;
  }
  std::string_view line(begin_, static_cast<size_t>(line_end - begin_));
  if (line.ends_with('\r')) line.remove_suffix(1);
  batch.words_.clear();
  if (!split_inline(line, &batch.words_, &batch.unquoted_)) return fail(Error::kQuotes);
  const auto bytes = static_cast<size_t>(line_end + 1 - begin_);
  if (batch.words_.empty()) {
    begin_ += bytes;
    return Step::kSkipped;
  }
  if (!batch.empty() && batch.words_.size() > batch.args_capacity_ - batch.args_used_)
    return Step::kBatchFull;
  std::copy(batch.words_.begin(), batch.words_.end(), add_request(batch, batch.words_.size(), bytes));
  return Step::kDone;
}

std::string RequestParser::error_text() const {
  const std::string prefix = "ERR Protocol error: ";
  switch (error_) {
    case Error::kNone:
      break;
    case Error::kBigInline:
      return prefix + "too big inline request";
    case Error::kQuotes:
      return prefix + "unbalanced quotes in request";
    case Error::kBigCountLine:
      return prefix + "too big mbulk count string";
    case Error::kBadCount:
      return prefix + "invalid multibulk length";
    case Error::kCountBeforeAuth:
      return prefix + "unauthenticated multibulk length";
    case Error::kBigBulkLine:
      return prefix + "too big bulk count string";
    case Error::kNoDollar:
      return prefix + "expected '$', got '" + unexpected_ + "'";
    case Error::kBadBulk:
      return prefix + "invalid bulk length";
    case Error::kBulkBeforeAuth:
      return prefix + "unauthenticated bulk length";
  }
  return {};
}

}  // namespace cloakroom::protocol
