#include "server/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "protocol/reply_writer.h"
#include "server/io_thread.h"
#include "server/server.h"

namespace cloakroom::server {
namespace {

using boost::system::error_code;

constexpr size_t kFlushBytes = 1 << 20;      // replies of one batch beyond this are sent before the next command
constexpr size_t kKeepOutBytes = 64 * 1024;  // kept by the thread's reply buffer between batches
constexpr size_t kMaxPieces = 64;
constexpr int kReadsPerTurn = 8;  // then other connections are served

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

Connection::~Connection() { close(); }

void Connection::start() {
  wait_readable();
  wait_readable();
}

void Connection::wait_readable() {
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code& error) {
    if (!error && !self->closed_) self->on_readable();
  });
}

void Connection::on_readable() {
  wait_readable();
  if (state_ == State::kReading) read_and_run();
}

void Connection::read_and_run() {
  for (int i = 0; i < kReadsPerTurn && state_ == State::kReading && !closed_; ++i) {
    const std::span<char> room = parser_.read_target({thread_.scratch.get(), IoThread::kScratchBytes});
    const ssize_t n = ::recv(client_.fd, room.data(), room.size(), MSG_DONTWAIT);
    if (n <= 0) {
      parser_.park();
      const bool later = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
      if (n < 0 && errno == EINTR) continue;
      if (!later) close();
      return;
    }
    parser_.received(static_cast<size_t>(n));
    thread_.stats.bytes_in.add(static_cast<uint64_t>(n));
    thread_.stats.reads.add();
    state_ = settle(run_batches());
    if (static_cast<size_t>(n) < room.size()) return;  // drained: the next bytes raise an event
  }
  if (state_ != State::kReading || closed_) return;
  boost::asio::post(thread_.context, [self = shared_from_this()] {
    if (!self->closed_ && self->state_ == State::kReading) self->read_and_run();
  });
}

Connection::State Connection::run_batches() {
  using Status = protocol::RequestParser::Status;
  client_.last_interaction_ms.store(thread_.now_ms(), std::memory_order_relaxed);
  protocol::RequestBatch& batch = thread_.batch;
  State state = held_.empty() ? State::kReading : run_held();
  Status status = Status::kMore;
  while (status == Status::kMore && state == State::kReading) {
    status = parser_.next(batch);
    if (!batch.empty()) state = run_batch();
  }
  batch.clear();
  if (status == Status::kError && state == State::kReading) {
    protocol::ReplyWriter(thread_.out).error(parser_.error_text());
    state = State::kClosing;
  }
  if (parser_.buffered_bytes() > static_cast<size_t>(thread_.config().client_query_buffer_limit)) {
    over_limit(false);
  } else {
    parser_.park();
  }
  return state;
}

Connection::State Connection::run_batch() {
  protocol::RequestBatch& batch = thread_.batch;
  protocol::ReplyWriter reply(thread_.out, client_.resp.load(std::memory_order_relaxed));
  thread_.dispatcher.begin_batch(client_, batch);
  for (size_t i = 0; i < batch.size(); ++i) {
    State state = State::kPaused;
    if (__builtin_expect(thread_.dispatcher.dispatch(client_, batch[i], i, reply) == Outcome::kPaused, 0)) {
      held_.assign(batch[i].args.begin(), batch[i].args.end());
      client_.set(Client::kPaused, true);
    } else {
      state = after_request();
    }
    if (__builtin_expect(state != State::kReading, 0)) {
      parser_.unread_after(batch, i);
      return state;
    }
  }
  return State::kReading;
}

Connection::State Connection::after_request() {
  const uint32_t flags = client_.flags.load(std::memory_order_relaxed);
  if (__builtin_expect(flags & (Client::kCloseAfterReply | Client::kCloseNow), 0)) return State::kClosing;
  parser_.set_authenticated((flags & Client::kAuthenticated) != 0);
  if (__builtin_expect(thread_.out.size() <= kFlushBytes, 1)) return State::kReading;
  send(thread_.out);
  return own_.empty() ? State::kReading : State::kDraining;
}

Connection::State Connection::run_held() {
  const std::vector<std::string> args = std::exchange(held_, {});
  protocol::ReplyWriter reply(thread_.out, client_.resp.load(std::memory_order_relaxed));
  if (thread_.dispatcher.dispatch_held(client_, args, reply) == Outcome::kPaused) {
    held_ = args;
    client_.set(Client::kPaused, true);
    return State::kPaused;
  }
  return after_request();
}

// After running batches: sends the replies and says what comes next.
Connection::State Connection::settle(State state) {
  thread_.wake_others();
  if (client_.is(Client::kCloseNow)) thread_.out.clear(kKeepOutBytes);
  send(thread_.out);
  publish_sizes();
  if (closed_ || (state == State::kClosing && own_.empty())) {
    close();
    return State::kClosing;
  }
  if (!own_.empty() && state == State::kReading) return State::kDraining;
  return state;
}

// What held the connection back is over: runs what is buffered, then reads on.
void Connection::resume() {
  state_ = settle(run_batches());
  if (state_ == State::kReading && !closed_) read_and_run();
}

void Connection::send(protocol::OutputBuffer& out) {
  if (out.empty() || closed_) return;
  if (!own_.empty() && &out != &own_) {
    own_.append(std::move(out));
    check_output_limit();
    return;
  }
  std::array<iovec, kMaxPieces> pieces;
  while (!out.empty()) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = out.gather(pieces);
    const ssize_t n = ::sendmsg(client_.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      thread_.stats.bytes_out.add(static_cast<uint64_t>(n));
      thread_.stats.writes.add();
      out.consume(static_cast<size_t>(n), &out == &own_ ? 0 : kKeepOutBytes);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (&out != &own_) own_.append(std::move(out));
      check_output_limit();
      write_when_ready();
      return;
    } else if (errno != EINTR) {
      if (&out != &own_) out.clear(kKeepOutBytes);
      close();
      return;
    }
  }
}

void Connection::write_when_ready() {
  if (writing_ || closed_) return;
  writing_ = true;
  socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const error_code& error) {
    self->writing_ = false;
    if (!error && !self->closed_) self->send_own();
  });
}

void Connection::send_own() {
  send(own_);
  if (closed_ || !own_.empty()) return;
  if (state_ == State::kClosing) {
    close();
  } else if (state_ == State::kDraining) {
    resume();
  }
}

void Connection::push(std::string_view bytes) {
  if (closed_) return;
  protocol::OutputBuffer out;
  out.append(bytes);
  send(out);
}

void Connection::check_output_limit() {
  const auto& limits = thread_.config().client_output_buffer_limits;
  const int64_t now_s = thread_.server.clock.monotonic_us() / 1'000'000;
  const auto action =
      client_.output_limit.step(limits.of(protocol::ClientClass::kNormal), now_s, own_.memory_bytes());
  if (action == protocol::OutputLimitState::Action::kClose) over_limit(true);
}

void Connection::over_limit(bool output) {
  log(LogLevel::kWarning, output ? "Client closed for overcoming of output buffer limits."
                                 : "Client closed: its requests passed client-query-buffer-limit.");
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
  const int64_t timeout_ms = thread_.config().timeout_s * 1000;
  const int64_t idle_ms = now_ms - client_.last_interaction_ms.load(std::memory_order_relaxed);
  const bool waits = client_.is(Client::kMonitor) || state_ == State::kPaused;
  if (timeout_ms > 0 && idle_ms > timeout_ms && !waits) {
    log(LogLevel::kVerbose, "Closing idle client");
    close();
  } else if (!own_.empty()) {
    check_output_limit();
  }
}

void Connection::pause_ended() {
  if (state_ != State::kPaused || closed_) return;
  client_.set(Client::kPaused, false);
  resume();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  thread_.server.clients.remove(client_);
  thread_.connections.erase(client_.id);
  thread_.connection_count.fetch_sub(1, std::memory_order_relaxed);
  drop_client_state(thread_, client_);
  error_code ignored;
  socket_.close(ignored);
  own_.clear();
}

}  // namespace cloakroom::server
