#include "protocol/output_buffer.h"

#include <algorithm>
#include <utility>

#include "protocol/assert.h"

namespace cloakroom::protocol {
namespace {

constexpr size_t kFirstBytes = 1024;
constexpr size_t kDoubledBytes = 64 * 1024;  // from here by quarters: what a limit counts is what is held
constexpr size_t kCompactBytes = 64 * 1024;
constexpr size_t kCompactRefs = 1024;
constexpr size_t kTakeBytes = 64 * 1024;  // copying more costs more than to begin with new memory

}  // namespace

OutputBuffer& OutputBuffer::operator=(OutputBuffer&& other) noexcept {
  OutputBuffer taken(std::move(other));
  swap(taken);
  return *this;
}

void OutputBuffer::swap(OutputBuffer& other) noexcept {
  std::swap(block_, other.block_);
  std::swap(used_, other.used_);
  std::swap(head_, other.head_);
  std::swap(refs_, other.refs_);
}

size_t OutputBuffer::memory_bytes() const {
  if (!refs_) return block_.capacity();
  return block_.capacity() + sizeof(Refs) + refs_->list.capacity() * sizeof(Ref) + refs_->bytes;
}

char* OutputBuffer::grow(size_t n) {
  if (overflowed_ || n > limit_ || size() > limit_ - n) {
    overflow();
    return nullptr;
  }
  const size_t most = limit_ < SIZE_MAX - head_ ? head_ + limit_ : SIZE_MAX;
  const size_t more = block_.capacity() < kDoubledBytes ? block_.capacity() : block_.capacity() / 4;
  block_.resize(std::max(used_ + n, std::min(std::max(kFirstBytes, block_.capacity() + more), most)));
  return block_.data() + used_;
}

void OutputBuffer::overflow() {
  clear();
  overflowed_ = true;
}

void OutputBuffer::append_shared(SharedBytes owner, std::string_view bytes) {
  if (bytes.empty() || overflowed_) return;
  const bool first = !refs_ || refs_->bytes == 0;
  if (!first && (bytes.size() > limit_ || size() > limit_ - bytes.size())) return overflow();
  if (!refs_) refs_ = std::make_unique<Refs>();
  refs_->list.push_back({used_, std::move(owner), bytes});
  refs_->bytes += bytes.size();
}

void OutputBuffer::append(OutputBuffer&& other) {
  CLOAKROOM_PROTOCOL_ASSERT(this != &other && !other.overflowed_);
  if (empty() && !overflowed_ && other.used_ - other.head_ > kTakeBytes) return take(other);
  size_t from = other.head_;
  if (other.refs_) {
    for (size_t i = other.refs_->first; i < other.refs_->list.size(); ++i) {
      Ref& ref = other.refs_->list[i];
      append({other.block_.data() + from, ref.at - from});
      from = ref.at;
      append_shared(std::move(ref.owner), ref.bytes);
    }
  }
  append({other.block_.data() + from, other.used_ - from});
  other.clear(SIZE_MAX);
}

// Without a second copy of all that a slow client has not taken.
void OutputBuffer::take(OutputBuffer& other) {
  CLOAKROOM_PROTOCOL_ASSERT(other.size() <= limit_);
  clear();
  std::swap(block_, other.block_);
  std::swap(used_, other.used_);
  std::swap(head_, other.head_);
  std::swap(refs_, other.refs_);
  compact();
  block_.resize(used_);
}

void OutputBuffer::truncate(size_t mark) {
  if (overflowed_) return;
  CLOAKROOM_PROTOCOL_ASSERT(mark >= head_ && mark <= used_);
  used_ = mark;
  if (!refs_) return;
  // A reference standing exactly at the mark is taken for one appended after it: marks are set before a
  // reply, and every reply with a reference ends in copied bytes.
  while (refs_->list.size() > refs_->first && refs_->list.back().at >= mark) {
    refs_->bytes -= refs_->list.back().bytes.size();
    refs_->list.pop_back();
  }
}

void OutputBuffer::insert(size_t mark, std::string_view bytes) {
  if (overflowed_) return;
  CLOAKROOM_PROTOCOL_ASSERT(mark >= head_ && mark <= used_);
  const size_t behind = used_ - mark;
  if (reserve(bytes.size()) == nullptr) return;
  CLOAKROOM_PROTOCOL_ASSERT(used_ - behind == mark);
  char* at = block_.data() + mark;
  if (behind != 0) std::memmove(at + bytes.size(), at, behind);
  std::memcpy(at, bytes.data(), bytes.size());
  used_ += bytes.size();
  if (!refs_) return;
  for (size_t i = refs_->list.size(); i > refs_->first && refs_->list[i - 1].at >= mark; --i) {
    refs_->list[i - 1].at += bytes.size();
  }
}

size_t OutputBuffer::gather(std::span<iovec> out) const {
  size_t count = 0;
  size_t from = head_;
  const auto add = [&](const char* data, size_t size) {
    if (size != 0 && count < out.size()) out[count++] = {const_cast<char*>(data), size};
  };
  if (refs_) {
    for (size_t i = refs_->first; i < refs_->list.size() && count < out.size(); ++i) {
      const Ref& ref = refs_->list[i];
      add(block_.data() + from, ref.at - from);
      from = ref.at;
      add(ref.bytes.data(), ref.bytes.size());
    }
  }
  add(block_.data() + from, used_ - from);
  return count;
}

void OutputBuffer::consume(size_t n, size_t keep_bytes) {
  CLOAKROOM_PROTOCOL_ASSERT(n <= size());
  if (n == size()) return clear(keep_bytes);
  if (refs_) {
    while (n != 0 && refs_->first < refs_->list.size()) {
      Ref& ref = refs_->list[refs_->first];
      const size_t copied = std::min(n, ref.at - head_);
      head_ += copied;
      n -= copied;
      const size_t shared = std::min(n, ref.bytes.size());
      ref.bytes.remove_prefix(shared);
      refs_->bytes -= shared;
      n -= shared;
      if (!ref.bytes.empty()) break;
      ref.owner.reset();
      ++refs_->first;
    }
  }
  head_ += n;
  const bool many_refs = refs_ && refs_->first > kCompactRefs && refs_->first > refs_->list.size() / 2;
  if (many_refs || (head_ > kCompactBytes && head_ > used_ - head_)) compact();
}

// Without this the buffer of a reader that is slow but never stops would only grow.
void OutputBuffer::compact() {
  if (head_ == 0) return;
  std::memmove(block_.data(), block_.data() + head_, used_ - head_);
  used_ -= head_;
  if (refs_) {
    refs_->list.erase(refs_->list.begin(), refs_->list.begin() + static_cast<ptrdiff_t>(refs_->first));
    refs_->first = 0;
    for (Ref& ref : refs_->list) ref.at -= head_;
  }
  head_ = 0;
}

void OutputBuffer::clear(size_t keep_bytes) {
  used_ = 0;
  head_ = 0;
  overflowed_ = false;
  refs_.reset();
  if (block_.capacity() > keep_bytes) block_.resize(0);
}

}  // namespace cloakroom::protocol
