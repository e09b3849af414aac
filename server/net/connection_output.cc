// What goes out: replies and what is pushed, what the socket did not take, and how much may wait.
#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "server/dispatch/server_state.h"
#include "server/net/connection.h"

namespace cloakroom::server {
namespace {

constexpr size_t kFlushBytes = 1 << 20;  // replies of one batch beyond this are sent before the next command
constexpr uint64_t kMostReplyBytes = 1 << 30;  // of one command, when no limit is configured
// Up to here replies pass every limit: Redis keeps them outside its account of a client's output.
constexpr uint64_t kUncountedBytes = 16 * 1024;
// Of who has not authenticated: beyond what the socket took nothing should wait.
constexpr protocol::OutputLimit kLimitBeforeAuth{.hard_bytes = 1024, .soft_bytes = 0, .soft_seconds = 0};
constexpr size_t kMaxPieces = 64;
constexpr size_t kKeepPushBytes = 4 * 1024;  // by an empty buffer of what is pushed
constexpr size_t kSpareBuffers = 64;         // of those, by a thread
constexpr size_t kSharedPushBytes = 1024;    // copying less costs less

}  // namespace

const protocol::OutputLimit& Connection::output_limit() const {
  const bool subscriber = client_.is(Client::kSubscriber);
  return thread_.config().client_output_buffer_limits.of(subscriber ? protocol::ClientClass::kPubsub
                                                                    : protocol::ClientClass::kNormal);
}

// What one command may answer, whether or not the client reads it.
uint64_t Connection::output_budget() const {
  const uint64_t hard_bytes = output_limit().hard_bytes;
  if (hard_bytes != 0) return std::max(hard_bytes, kUncountedBytes);
  const auto maxmemory = static_cast<uint64_t>(thread_.config().maxmemory);
  return maxmemory == 0 ? kMostReplyBytes : std::max<uint64_t>(maxmemory / 2, kFlushBytes);
}

protocol::ReplyWriter Connection::begin_replies() {
  const uint64_t budget = output_budget();
  thread_.out.set_limit(budget);
  thread_.flush_bytes = std::min<size_t>(kFlushBytes, budget / 2);
  return protocol::ReplyWriter(thread_.out, client_.resp.load(std::memory_order_relaxed));
}

// Sends what the socket takes, first of what is unsent, then of `out`; the rest is unsent.
void Connection::send(protocol::OutputBuffer& out) {
  if (closed() || doomed_) return;
  if (unsent_.empty()) return write(out);
  if (!out.empty()) unsent_.append(std::move(out));
  socket_full_ ? check_output_limit() : write_unsent();
}

// The replies of the batch, or those there are so far.
void Connection::send_replies() {
  const uint64_t position = thread_.take_log_position();
  if (__builtin_expect(withheld_ == nullptr && !thread_.server.append_log.withholds(position), 1))
    return send(thread_.out);
  if (closed() || doomed_ || thread_.out.empty()) return;
  protocol::OutputBuffer& out = withhold(position);
  withheld_->bytes += thread_.out.size();
  out.append(std::move(thread_.out));
}

// Where to put what may not leave before this position is durable.
protocol::OutputBuffer& Connection::withhold(uint64_t position) {
  if (withheld_ == nullptr) withheld_ = std::make_unique<Withheld>();
  auto& parts = withheld_->parts;
  if (parts.empty() || parts.back().position < position) {
    parts.push_back({position, {}});
    thread_.log_waiters.wait_for_position(client_, position);
  }
  return parts.back().bytes;
}

void Connection::log_is_durable() {
  if (closed() || withheld_ == nullptr) return;
  auto& parts = withheld_->parts;
  while (!parts.empty() && !thread_.server.append_log.withholds(parts.front().position)) {
    withheld_->bytes -= parts.front().bytes.size();
    unsent_.append(std::move(parts.front().bytes));
    parts.pop_front();
  }
  if (parts.empty()) withheld_.reset();
  socket_full_ ? check_output_limit() : write_unsent();
  if (!closed()) publish_sizes();
  go_on_when_sent();
}

// What kept the connection from going on may have left.
void Connection::go_on_when_sent() {
  if (closed() || drains()) return;
  if (state_ == State::kClosing) {
    if (all_sent()) close();
  } else if (state_ == State::kDraining) {
    go_on();
  }
}

void Connection::write(protocol::OutputBuffer& out) {
  std::array<iovec, kMaxPieces> pieces;
  while (!out.empty()) {
    const ssize_t n = socket_->send(std::span(pieces).first(out.gather(pieces)));
    if (n >= 0) {
      thread_.stats.bytes_out.add(static_cast<uint64_t>(n));
      thread_.stats.writes.add();
      out.consume(static_cast<size_t>(n), &out == &unsent_ ? kKeepPushBytes : kKeepOutBytes);
      continue;
    }
    if (n != -EAGAIN) {
      out.clear(kKeepOutBytes);
      return close();
    }
    socket_full_ = true;
    if (&out != &unsent_) unsent_.append(std::move(out));
    return check_output_limit();
  }
}

// Subscribers have messages in turn: the memory of one's goes on to the next.
void Connection::write_unsent() {
  write(unsent_);
  if (closed() || !unsent_.empty()) return;
  if (unsent_.memory_bytes() != 0 && thread_.spare_buffers.size() < kSpareBuffers) {
    thread_.spare_buffers.push_back(std::move(unsent_));
  }
  unsent_.clear();
}

void Connection::on_writable() {
  socket_full_ = false;
  if (closed() || unsent_.empty()) return;
  write_unsent();
  if (!closed()) publish_sizes();
  go_on_when_sent();
}

void Connection::push(const Push& bytes) {
  if (closed() || doomed_ || state_ == State::kClosing || client_.is(Client::kCloseAfterReply)) return;
  const bool serving = thread_.serving == this;                    // then behind the replies of its batch
  const uint64_t position = thread_.server.append_log.position();  // behind what it may tell of
  if (serving) thread_.note_log_position(position);
  const bool waits = !serving && (withheld_ != nullptr || thread_.server.append_log.withholds(position));
  protocol::OutputBuffer& out = serving ? thread_.out : waits ? withhold(position) : unsent_;
  if (!serving && !waits && unsent_.memory_bytes() == 0 && !thread_.spare_buffers.empty()) {
    unsent_ = std::move(thread_.spare_buffers.back());
    thread_.spare_buffers.pop_back();
  }
  out.append(bytes.head);
  if (bytes.owner != nullptr && bytes.body.size() >= kSharedPushBytes) {
    out.append_shared(*bytes.owner, bytes.body);
  } else {
    out.append(bytes.body);
  }
  out.append(bytes.tail);
  if (serving) return;
  if (waits) withheld_->bytes += bytes.head.size() + bytes.body.size() + bytes.tail.size();
  if (unsent_.size() + (waits ? withheld_->bytes : 0) > output_budget()) {
    doomed_ = true;
    unsent_.clear();
    withheld_.reset();
    client_.set(Client::kCloseNow, true);
  }
  if (std::exchange(to_flush_, true)) return;
  thread_.flush_later(*this);
}

void Connection::flush() {
  to_flush_ = false;
  if (closed()) return;
  if (doomed_) return over_limit(true);
  if (socket_full_) {
    check_output_limit();
  } else {
    write_unsent();
  }
  const bool waited = client_.output_bytes.load(std::memory_order_relaxed) != 0;
  if (!closed() && (waited || !unsent_.empty())) publish_sizes();
}

void Connection::check_output_limit() {
  const int64_t now_s = thread_.server.clock.monotonic_us() / 1'000'000;
  const auto& limit = client_.is(Client::kAuthenticated) ? output_limit() : kLimitBeforeAuth;
  const auto action = client_.output_limit.step(limit, now_s, unsent_.memory_bytes());
  if (action == protocol::OutputLimitState::Action::kClose) over_limit(true);
}

}  // namespace cloakroom::server
