#include "storage/log/log_writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <utility>

#include "storage/base/assert.h"

namespace cloakroom::storage {
namespace {

constexpr size_t kMostPieces = 64;  // in one call
constexpr int64_t kCopyUs = 20;

}  // namespace

LogWriter::LogWriter(LogRing& ring, LogFiles& files, LogState& state, const Clock& clock, bool hidden)
    : ring_(ring),
      files_(files),
      state_(state),
      clock_(clock),
      hidden_(hidden),
      taken_(ring.freed()),
      synced_(ring.freed()) {
  CLOAKROOM_ASSERT(files.file() != nullptr);
  file_bytes_ = static_cast<uint64_t>(std::max<int64_t>(files.file()->size(), 0));
  synced_bytes_ = file_bytes_;
  state_.file_bytes = file_bytes_;
  state_.other_bytes = files.bytes_of_others();
  state_.durable = synced_;
  state_.written = synced_;
  if (hidden) keep_from_ = files.file_number();
  buffer_.reserve(kBufferBytes + LogRing::kMostCopied);
}

LogWriter::Next LogWriter::step() {
  const int64_t now_us = clock_.monotonic_us();
  if (mode_ == Mode::kFailed) {
    if (now_us >= retry_us_) repair();
    return next_step(now_us);
  }
  ring_.prepare();
  note_age(now_us);
  if (!pending()) fill(now_us);
  if (pending()) {
    write();
  } else if (sync_is_due(now_us)) {
    sync();
  } else if (mode_ == Mode::kRepairing) {
    finish_repair();
  } else if (rotate_at_.load(std::memory_order_acquire) == taken_) {
    rotate();
  } else if (drop_is_due(now_us)) {
    drop_old();
  }
  return next_step(now_us);
}

// Since when the oldest group waits that is not durable, seen from here: what came between two looks came after the
// first of them.
void LogWriter::note_age(int64_t now_us) {
  const uint64_t head = ring_.head();
  while (marks_.size() > 1 && marks_[1].position <= synced_) marks_.pop_front();
  if (head == synced_) marks_.clear();
  if (head > synced_ && marks_.empty()) marks_.push_back({synced_, now_us});
  if (!marks_.empty() && marks_.back().position < head) marks_.push_back({head, now_us});
  state_.oldest_us.store(marks_.empty() ? 0 : marks_.front().us, std::memory_order_relaxed);
}

// Takes ready groups, as many as fit the buffer or one that lies in a block.
void LogWriter::fill(int64_t now_us) {
  buffer_.clear();
  pieces_.clear();
  piece_ = 0;
  const uint64_t rotate_at = rotate_at_.load(std::memory_order_acquire);
  LogRing::Group group;
  while (buffer_.size() < kBufferBytes && taken_ != rotate_at && ring_.read(taken_, group)) {
    if (state_.timestamps.load(std::memory_order_relaxed)) {
      const int64_t second = clock_.wall_ms() / 1000;
      if (std::exchange(stamped_s_, second) != second) buffer_ += "#TS:" + std::to_string(second) + "\r\n";
    }
    take(group);
    if (!pieces_.empty()) break;
  }
  if (pieces_.empty() && !buffer_.empty()) pieces_.push_back(buffer_);
  if (!pieces_.empty()) note_age(now_us);
}

void LogWriter::take(const LogRing::Group& group) {
  if (group.first_db != db_) add_preamble(group.first_db);
  db_ = group.last_db;
  taken_ = group.end;
  if (group.pieces == nullptr) {
    buffer_.append(group.text[0]).append(group.text[1]);
    return;
  }
  if (!buffer_.empty()) pieces_.push_back(buffer_);
  pieces_.insert(pieces_.end(), group.pieces->begin(), group.pieces->end());
}

void LogWriter::add_preamble(uint32_t db) {
  const std::string number = std::to_string(db);
  buffer_ += "*2\r\n$6\r\nSELECT\r\n$" + std::to_string(number.size()) + "\r\n" + number + "\r\n";
}

void LogWriter::write() {
  std::array<iovec, kMostPieces> gathered;
  size_t count = 0;
  for (size_t i = piece_; i < pieces_.size() && count < kMostPieces; ++i) {
    gathered[count++] = {const_cast<char*>(pieces_[i].data()), pieces_[i].size()};
  }
  const ssize_t n = files_.file()->append(std::span(gathered).first(count));
  if (n <= 0) return fail(n < 0 ? static_cast<int>(-n) : EIO);
  consume(static_cast<size_t>(n));
  state_.file_bytes.store(file_bytes_, std::memory_order_relaxed);
  if (pending()) return;
  state_.written.store(taken_, std::memory_order_release);
  if (mode_ == Mode::kRunning && policy() == LogSync::kNever) {  // the kernel has it: that is all it asks for
    synced_ = taken_;
    synced_bytes_ = file_bytes_;
    publish_durable(synced_);
  }
}

void LogWriter::consume(size_t bytes) {
  file_bytes_ += bytes;
  while (bytes > 0) {
    const size_t n = std::min(bytes, pieces_[piece_].size());
    pieces_[piece_].remove_prefix(n);
    bytes -= n;
    if (pieces_[piece_].empty()) ++piece_;
  }
}

bool LogWriter::sync_is_due(int64_t now_us) const {
  if (taken_ == synced_) return false;
  if (mode_ == Mode::kRepairing || policy() == LogSync::kAlways) return true;
  if (rotate_at_.load(std::memory_order_acquire) == taken_ ||
      drop_at_.load(std::memory_order_acquire) <= taken_) {
    return true;
  }
  return policy() == LogSync::kEverySecond &&
         (now_us - marks_.front().us >= kSyncAfterUs || taken_ - synced_ >= kMostUnsynced);
}

void LogWriter::sync() {
  CLOAKROOM_ASSERT(!pending());
  state_.syncing_since_us.store(clock_.monotonic_us(), std::memory_order_relaxed);
  const int error = files_.file()->sync();
  state_.syncing_since_us.store(0, std::memory_order_relaxed);
  if (error != 0) return fail(error);
  state_.syncs.fetch_add(1, std::memory_order_relaxed);
  synced_ = taken_;
  if (mode_ == Mode::kRepairing) return;
  synced_bytes_ = file_bytes_;
  publish_durable(synced_);
}

void LogWriter::publish_durable(uint64_t position) {
  note_age(clock_.monotonic_us());
  state_.durable.store(position, std::memory_order_release);
  ring_.free_before(position);
}

void LogWriter::rotate() {
  CLOAKROOM_ASSERT(taken_ == synced_);
  const uint64_t closed_bytes = file_bytes_;
  int error = files_.begin_increment();
  if (error != 0) return fail(error);
  begin_file();
  synced_bytes_ = 0;
  if (!hidden_) error = files_.list_increment();
  if (error != 0) return fail_unlisted(error);
  state_.other_bytes.fetch_add(closed_bytes, std::memory_order_relaxed);
  state_.file_bytes.store(0, std::memory_order_relaxed);
  keep_from_ = files_.file_number();
  rotate_at_.store(kNone, std::memory_order_release);
}

void LogWriter::begin_file() {
  db_ = UINT32_MAX;
  stamped_s_ = 0;
  file_bytes_ = 0;
}

// Files that could not be removed are removed the next time.
void LogWriter::drop_old() {
  const int error = files_.drop_before(keep_from_);
  if (error == 0 || files_.manifest().increments.front().number >= keep_from_) {
    state_.other_bytes.store(files_.bytes_of_others(), std::memory_order_relaxed);
    drop_at_.store(kNone, std::memory_order_release);
    drop_wait_us_ = 0;
    hidden_ = false;
  } else {
    drop_wait_us_ = std::min(std::max(2 * drop_wait_us_, kRetryUs), kLongestWaitUs);
    drop_after_us_ = clock_.monotonic_us() + drop_wait_us_;
  }
  state_.drop_error.store(error, std::memory_order_relaxed);
}

bool LogWriter::drop_is_due(int64_t now_us) const {
  return drop_at_.load(std::memory_order_acquire) <= synced_ && now_us >= drop_after_us_;
}

void LogWriter::fail(int error) {
  if (mode_ == Mode::kRepairing) files_.forget_increment();
  files_.close();
  mode_ = Mode::kFailed;
  pieces_.clear();
  piece_ = 0;
  retry_us_ = clock_.monotonic_us() + kRetryUs;
  state_.write_error.store(error, std::memory_order_release);
}

// The manifest may list the new increment or not: the file stays, and all that is left to do is to list it.
void LogWriter::fail_unlisted(int error) {
  mode_ = Mode::kRunning;
  unlisted_ = true;
  fail(error);
}

// The old file ends with what is durable; all else is in the ring and goes to a new one.
void LogWriter::repair() {
  if (unlisted_) return repair_listing();
  int error = files_.cut_last(synced_bytes_);
  if (error == 0) error = files_.begin_increment();
  if (error != 0) return fail(error);
  mode_ = Mode::kRepairing;
  taken_ = synced_ = state_.durable.load(std::memory_order_relaxed);
  begin_file();
}

void LogWriter::repair_listing() {
  int error = files_.list_increment();
  if (error == 0) error = files_.open_last();
  if (error != 0) return fail(error);
  unlisted_ = false;
  db_ = UINT32_MAX;
  resume();
}

void LogWriter::finish_repair() {
  synced_bytes_ = file_bytes_;
  const int error = hidden_ ? 0 : files_.list_increment();
  if (error != 0) return fail_unlisted(error);
  resume();
}

void LogWriter::resume() {
  mode_ = Mode::kRunning;
  state_.other_bytes.store(files_.bytes_of_others(), std::memory_order_relaxed);
  state_.file_bytes.store(file_bytes_, std::memory_order_relaxed);
  state_.written.store(taken_, std::memory_order_release);
  publish_durable(synced_);
  state_.write_error.store(0, std::memory_order_release);
}

LogWriter::Next LogWriter::next_step(int64_t now_us) const {
  if (mode_ == Mode::kFailed) return {retry_us_, false};
  if (pending() || mode_ == Mode::kRepairing || sync_is_due(now_us)) return {0, false};
  if (rotate_at_.load(std::memory_order_acquire) == taken_ || drop_is_due(now_us)) return {0, false};
  LogRing::Group group;
  if (ring_.read(taken_, group)) return {0, false};
  if (ring_.head() != taken_) return {now_us + kCopyUs, false};  // one is being copied
  if (taken_ == synced_ || policy() == LogSync::kNever) return {INT64_MAX, true};
  return {marks_.front().us + kSyncAfterUs, true};
}

}  // namespace cloakroom::storage
