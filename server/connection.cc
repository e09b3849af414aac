#include "server/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "protocol/reply_writer.h"
#include "server/io_thread.h"
#include "server/server.h"
#include "storage/assert.h"

namespace cloakroom::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kFirstReadBytes = 512;
constexpr size_t kApartBytes = 8 * 1024;
constexpr size_t kFlushBytes = 1 << 20;      // replies of one batch beyond this are sent before the next command
constexpr size_t kKeepOutBytes = 64 * 1024;  // kept by the thread's reply buffer between batches
constexpr int kMaxPieces = 64;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable_t<Connection::Executor>{});

// A buffer sequence of one, that notes whose read is being performed: Asio asks for it right before the system call.
struct ScratchBuffers {
  IoThread* thread;
  const Connection* owner;
  asio::mutable_buffer buffer;

  using value_type = asio::mutable_buffer;
  using const_iterator = const asio::mutable_buffer*;
  const_iterator begin() const {
    thread->scratch_owner = owner;
    return &buffer;
  }
  const_iterator end() const { return &buffer + 1; }
};

}  // namespace

Connection::Connection(IoThread& thread, Socket socket, Client::Texts texts)
    : thread_(thread),
      socket_(std::move(socket)),
      parser_(thread.server.parser_limits),
      client_(thread.server.clients.next_id(), thread, std::move(texts), thread.server.clock.wall_ms()) {
  client_.fd = socket_.native_handle();
  const bool open = thread.config().requirepass.empty();
  client_.set(Client::kAuthenticated, open);
  parser_.set_authenticated(open);
  thread.connections.emplace(client_.id, this);
  thread.server.clients.add(client_);
}

Connection::~Connection() {
  thread_.server.clients.remove(client_);
  thread_.connections.erase(client_.id);
  thread_.connection_count.fetch_sub(1, std::memory_order_relaxed);
  drop_client_state(thread_, client_);
}

void Connection::start() {
  asio::co_spawn(
      thread_.context, [self = shared_from_this()]() -> Awaitable { co_await self->serve(); }, asio::detached);
}

Connection::Awaitable Connection::serve() {
  error_code error;
  while (!closed_) {
    if (settled_ && parser_.idle() && !client_.is(Client::kMonitor)) {
      const std::span<char> scratch(thread_.scratch.get(), IoThread::kScratchBytes);
      const std::span<char> room = parser_.read_target(scratch);
      size_t n = 0;
      std::tie(error, n) = co_await socket_.async_read_some(
          ScratchBuffers{&thread_, this, asio::buffer(room.data(), room.size())}, kAwait);
      if (error || closed_) break;
      CLOAKROOM_ASSERT(thread_.scratch_owner == this);
      settled_ = n < room.size();
      parser_.received(n);
      thread_.stats.bytes_in.add(n);
      thread_.stats.reads.add();
    } else {
      co_await read_apart(error);
      if (error || closed_) break;
    }
    Next next = run_batches();
    while (next == Next::kDrain || next == Next::kPause) {
      co_await wait_for_signal();
      if (closed_) break;
      next = client_.is(Client::kCloseAfterReply) ? after_batches() : run_batches();
    }
    if (next == Next::kClose) break;
  }
  close();
}

// Reads into memory of this connection's own: a big bulk's block, or a buffer that lives for this read.
Connection::Awaitable Connection::read_apart(error_code& error) {
  size_t n = 0;
  if (parser_.target_is_own(IoThread::kScratchBytes)) {
    const std::span<char> room = parser_.read_target({thread_.scratch.get(), IoThread::kScratchBytes});
    std::tie(error, n) = co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), kAwait);
    if (error) co_return;
    settled_ = n < room.size();
    parser_.received(n);
  } else {
    const size_t size = std::exchange(first_read_, false) ? kFirstReadBytes : kApartBytes;
    const auto buffer = std::make_unique_for_overwrite<char[]>(size);
    std::tie(error, n) = co_await socket_.async_read_some(asio::buffer(buffer.get(), size), kAwait);
    if (error) co_return;
    settled_ = n < size;
    const std::span<char> room = parser_.read_target({thread_.scratch.get(), IoThread::kScratchBytes});
    CLOAKROOM_ASSERT(room.size() >= n);
    std::memcpy(room.data(), buffer.get(), n);
    parser_.received(n);
  }
  thread_.stats.bytes_in.add(n);
  thread_.stats.reads.add();
}

Connection::Next Connection::run_batches() {
  using Status = protocol::RequestParser::Status;
  client_.last_interaction_ms.store(thread_.now_ms(), std::memory_order_relaxed);
  protocol::RequestBatch& batch = thread_.batch;
  Next next = held_.empty() ? Next::kRead : run_held();
  Status status = Status::kMore;
  while (status == Status::kMore && next == Next::kRead) {
    status = parser_.next(batch);
    if (batch.size() > 0) next = run_batch();
  }
  batch.clear();
  if (status == Status::kError && next == Next::kRead) {
    protocol::ReplyWriter(thread_.out).error(parser_.error_text());
    client_.set(Client::kCloseAfterReply, true);
    next = Next::kClose;
  }
  if (parser_.buffered_bytes() > static_cast<size_t>(thread_.config().client_query_buffer_limit)) {
    over_limit("query buffer");
    return Next::kClose;
  }
  parser_.park();
  const Next after = after_batches();
  return after == Next::kRead ? next : after;
}

Connection::Next Connection::run_batch() {
  protocol::RequestBatch& batch = thread_.batch;
  protocol::ReplyWriter reply(thread_.out, client_.resp.load(std::memory_order_relaxed));
  thread_.dispatcher.begin_batch(client_, batch);
  for (size_t i = 0; i < batch.size(); ++i) {
    if (__builtin_expect(thread_.dispatcher.dispatch(client_, batch[i], i, reply) == Outcome::kPaused, 0)) {
      held_.assign(batch[i].args.begin(), batch[i].args.end());
      parser_.unread_after(batch, i);
      client_.set(Client::kPaused, true);
      return Next::kPause;
    }
    const Next next = after_request();
    if (__builtin_expect(next != Next::kRead, 0)) {
      parser_.unread_after(batch, i);
      return next;
    }
  }
  return Next::kRead;
}

Connection::Next Connection::after_request() {
  const uint32_t flags = client_.flags.load(std::memory_order_relaxed);
  if (__builtin_expect(flags & (Client::kCloseAfterReply | Client::kCloseNow), 0)) return Next::kClose;
  parser_.set_authenticated((flags & Client::kAuthenticated) != 0);
  if (__builtin_expect(thread_.out.size() <= kFlushBytes, 1)) return Next::kRead;
  send(thread_.out);
  return own_.empty() ? Next::kRead : Next::kDrain;
}

// The request that CLIENT PAUSE held back.
Connection::Next Connection::run_held() {
  const std::vector<std::string> args = std::exchange(held_, {});
  protocol::ReplyWriter reply(thread_.out, client_.resp.load(std::memory_order_relaxed));
  if (thread_.dispatcher.dispatch_held(client_, args, reply) == Outcome::kPaused) {
    held_ = args;
    client_.set(Client::kPaused, true);
    return Next::kPause;
  }
  return after_request();
}

// Sends the replies; says what to wait for when they did not all go out.
Connection::Next Connection::after_batches() {
  if (client_.is(Client::kCloseNow)) return Next::kClose;
  send(thread_.out);
  publish_sizes();
  if (closed_) return Next::kClose;
  if (!own_.empty()) return Next::kDrain;
  return client_.is(Client::kCloseAfterReply) ? Next::kClose : Next::kRead;
}

void Connection::send(protocol::OutputBuffer& out) {
  if (out.empty()) return;
  if (!own_.empty()) {
    own_.append(std::move(out));
    check_output_limit();
    return;
  }
  iovec pieces[kMaxPieces];
  while (!out.empty()) {
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = out.gather(pieces);
    const ssize_t n = ::sendmsg(client_.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        out.clear(kKeepOutBytes);
        close();
        return;
      }
      if (&out != &own_) own_.append(std::move(out));
      check_output_limit();
      if (!writing_) write_when_ready();
      return;
    }
    thread_.stats.bytes_out.add(static_cast<uint64_t>(n));
    thread_.stats.writes.add();
    out.consume(static_cast<size_t>(n), &out == &own_ ? 0 : kKeepOutBytes);
  }
}

void Connection::write_when_ready() {
  writing_ = true;
  settled_ = false;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](error_code error) {
    self->writing_ = false;
    if (error || self->closed_) return self->close();
    self->send_own();
  });
}

void Connection::send_own() {
  protocol::OutputBuffer pending;
  pending.swap(own_);
  send(pending);
  if (own_.empty()) signal();
}

void Connection::push(std::string_view bytes) {
  if (closed_) return;
  protocol::OutputBuffer out;
  out.append(bytes);
  send(out);
}

void Connection::check_output_limit() {
  const auto& limits = thread_.config().client_output_buffer_limits;
  const auto client_class = protocol::ClientClass::kNormal;
  const int64_t now_s = thread_.server.clock.monotonic_us() / 1'000'000;
  const auto action = client_.output_limit.step(limits.of(client_class), now_s, own_.memory_bytes());
  if (action == protocol::OutputLimitState::Action::kClose) over_limit("output buffer");
}

void Connection::over_limit(const char* which) {
  log(LogLevel::kWarning, std::string("A client was closed: its ") + which + " passed its limit");
  const bool output = which[0] == 'o';
  (output ? thread_.stats.output_limit_closes : thread_.stats.query_limit_closes).add();
  client_.set(Client::kCloseNow, true);
  close();
}

void Connection::publish_sizes() {
  client_.query_bytes.store(static_cast<uint32_t>(parser_.buffered_bytes()), std::memory_order_relaxed);
  client_.query_memory.store(static_cast<uint32_t>(parser_.memory_bytes()), std::memory_order_relaxed);
  client_.output_bytes.store(own_.memory_bytes(), std::memory_order_relaxed);
}

bool Connection::needs_tick() const { return !own_.empty() || thread_.config().timeout_s > 0; }

void Connection::tick(int64_t now_ms) {
  if (closed_) return;
  const int64_t timeout_s = thread_.config().timeout_s;
  const int64_t idle_ms = now_ms - client_.last_interaction_ms.load(std::memory_order_relaxed);
  const bool waits = client_.is(Client::kMonitor) || client_.is(Client::kPaused);
  if (timeout_s > 0 && idle_ms > timeout_s * 1000 && !waits) {
    log(LogLevel::kVerbose, "Closing idle client");
    close();
  } else if (!own_.empty()) {
    check_output_limit();
  }
}

Connection::Awaitable Connection::wait_for_signal() {
  if (signal_ == nullptr) signal_ = std::make_unique<asio::steady_timer>(thread_.context);
  signal_->expires_at(asio::steady_timer::time_point::max());
  const bool drained = !client_.is(Client::kPaused) && own_.empty();
  if (!drained && !closed_) co_await signal_->async_wait(kAwait);
}

void Connection::signal() {
  if (signal_ != nullptr) signal_->cancel();
}

void Connection::pause_ended() {
  if (!client_.is(Client::kPaused)) return;
  client_.set(Client::kPaused, false);
  signal();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
  own_.clear();
  signal();
}

}  // namespace cloakroom::server
