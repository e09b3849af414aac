#include "server/net/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "protocol/reply_writer.h"
#include "server/dispatch/client_memory.h"
#include "server/dispatch/server_state.h"
#include "server/net/io_thread.h"
#include "server/stats/log.h"
#include "storage/base/assert.h"

namespace cloakroom::server {
namespace {

constexpr int kReadsAhead = 8;  // then others have their turn

}  // namespace

Connection::Connection(IoThread& thread, std::unique_ptr<Socket> socket, Client::Texts texts)
    : thread_(thread),
      socket_(std::move(socket)),
      parser_(thread.server.parser_limits),
      client_(thread.server.clients.next_id(), thread, *this, std::move(texts), thread.steady_ms()) {
  client_.fd = socket_->descriptor();
  thread.refresh_config();  // a password may just have been set
  const bool open = thread.config().requirepass.empty();
  client_.set(Client::kAuthenticated, open);
  parser_.set_authenticated(open);
  publish_sizes();
  thread.server.clients.add(client_);
}

Connection::~Connection() { CLOAKROOM_ASSERT(closed()); }

void Connection::on_readable() {
  more_ = true;
  if (state_ == State::kReading) {
    ask_for_turn(false);
  } else if (parked_by_pause()) {
    read_ahead();
  }
}

void Connection::ask_for_turn(bool goes_on) {
  if (closed() || std::exchange(queued_, true)) return;
  thread_.queue_turn(*this, goes_on);
}

bool Connection::fetch(Slot& slot) {
  CLOAKROOM_ASSERT(queued_);
  queued_ = false;
  if (closed() || state_ != State::kReading) return false;
  if (std::exchange(unparsed_, false)) {
    parse(slot);
    if (!slot.batch.requests.empty() || slot.status != protocol::RequestParser::Status::kIncomplete) {
      return true;
    }
  }
  return more_ && receive(slot);
}

// Reads once. False: there was nothing; it may be closed.
bool Connection::receive(Slot& slot) {
  const Read got = read_into({slot.scratch.get(), IoThread::kScratchBytes});
  if (got == Read::kEnd) end_of_stream();
  if (got != Read::kBytes) return false;
  parse(slot);
  return true;
}

// The peer sends no more; what the log keeps from it still goes out.
void Connection::end_of_stream() {
  if (withheld_ == nullptr) return close();
  state_ = State::kClosing;
}

// Reads once into the parser's memory or `scratch`. What failed is closed.
Connection::Read Connection::read_into(std::span<char> scratch) {
  const std::span<char> room = parser_.read_target(scratch);
  const ssize_t n = socket_->receive(room);
  if (n <= 0) {
    parser_.keep();
    more_ = false;
    if (n < 0 && n != -EAGAIN) close();
    return n == 0 ? Read::kEnd : Read::kNothing;
  }
  more_ = static_cast<size_t>(n) == room.size() || peer_closed_;
  parser_.received(static_cast<size_t>(n));
  thread_.stats.bytes_in.add(static_cast<uint64_t>(n));
  thread_.stats.reads.add();
  return Read::kBytes;
}

void Connection::parse(Slot& slot) {
  client_.query_bytes.store(parser_.query_bytes(), std::memory_order_relaxed);
  slot.status = parser_.next(slot.batch.requests);
  slot.prefetched = false;
  thread_.dispatcher.prepare(client_, slot.batch);
}

void Connection::serve(Slot& slot) {
  if (closed()) return;
  CLOAKROOM_ASSERT(state_ == State::kReading && thread_.out.empty());
  thread_.slice.begin(thread_.server.slice_cycles.load(std::memory_order_relaxed));
  const auto goes_on = [&] { return !closed() && state_ == State::kReading; };
  do {
    settle(run_batches(slot));
  } while (goes_on() && !unparsed_ && more_ && !thread_.slice.over(cycle_count()) && receive(slot));
  if (goes_on() && (unparsed_ || more_)) ask_for_turn(true);
}

// Runs the slot's batch and those after it in the bytes that were read, as long as the turn lasts.
Connection::State Connection::run_batches(Slot& slot) {
  using Status = protocol::RequestParser::Status;
  thread_.serving = this;
  thread_.take_log_position();  // what others have seen is not for this one to wait for
  client_.last_interaction_ms.store(thread_.access.steady_ms(), std::memory_order_relaxed);
  protocol::RequestBatch& batch = slot.batch.requests;
  State state = State::kReading;
  for (;;) {
    if (!batch.empty()) state = run_batch(slot);
    if (slot.status != Status::kMore || state != State::kReading || unparsed_) break;
    parse(slot);
  }
  batch.clear();
  if (slot.status == Status::kError && state == State::kReading && !unparsed_) {
    protocol::ReplyWriter(thread_.out).error(parser_.error_text());
    state = State::kClosing;
  }
  if (closed()) return state;
  const auto limit = static_cast<size_t>(thread_.config().client_query_buffer_limit);
  if (!unparsed_ && parser_.buffered_bytes() > limit) {
    over_limit(false);
  } else {
    parser_.keep();
  }
  return state;
}

Connection::State Connection::run_batch(Slot& slot) {
  PreparedBatch& batch = slot.batch;
  protocol::ReplyWriter reply = begin_replies();
  for (size_t i = 0; i < batch.requests.size(); ++i) {
    if (i % Dispatcher::kWindow == 0 && (i > 0 || !slot.prefetched)) {
      thread_.dispatcher.prefetch_entries(client_, batch, i);
    }
    CLOAKROOM_ASSERT(!closed());
    const bool large = batch.requests[i].wire_bytes > IoThread::kScratchBytes;
    if (__builtin_expect(large, 0) && !affords(batch.requests[i])) return State::kClosing;
    State state = State::kParked;
    if (__builtin_expect(thread_.dispatcher.dispatch(client_, batch, i, reply) == Outcome::kParked, 0)) {
      const auto args = batch.requests[i].args;
      park({args.begin(), args.end()});
    } else {
      state = after_request();
    }
    const bool over = thread_.slice.over_after_command(thread_.dispatcher.last_cycles());
    if (__builtin_expect(state != State::kReading || over, 0)) {
      unparsed_ =
          i + 1 < batch.requests.size() || slot.status != protocol::RequestParser::Status::kIncomplete;
      parser_.unread_after(batch.requests, i);
      return state;
    }
  }
  return State::kReading;
}

// What a large request takes counts for maxmemory-clients before it runs. False: it has closed the connection.
bool Connection::affords(const protocol::Request& request) {
  if (thread_.server.client_limit_bytes.load(std::memory_order_relaxed) == 0) return true;
  publish_sizes(request.wire_bytes - std::min(request.wire_bytes, parser_.memory_bytes()));
  evict_clients(thread_);
  return !closed();
}

// What comes next; also when sending has closed the connection.
Connection::State Connection::after_request() {
  const uint32_t flags = client_.flags.load(std::memory_order_relaxed);
  if (__builtin_expect(flags & (Client::kCloseAfterReply | Client::kCloseNow), 0)) {
    return thread_.out.overflowed() ? after_long_reply() : State::kClosing;
  }
  parser_.set_authenticated((flags & Client::kAuthenticated) != 0);
  const bool little = thread_.out.size() <= thread_.flush_bytes && !thread_.out.overflowed();
  return __builtin_expect(little, 1) ? State::kReading : after_long_reply();
}

Connection::State Connection::after_long_reply() {
  const bool limited = output_limit().hard_bytes != 0;
  if (thread_.out.overflowed() || (limited && thread_.out.size() > output_budget())) {
    over_limit(true);
  } else {
    send_replies();
  }
  if (closed()) return State::kClosing;
  return drains() ? State::kDraining : State::kReading;
}

// A request may have very many arguments: what they take is counted here, not whenever sizes are published.
void Connection::park(std::vector<std::string> args) {
  CLOAKROOM_ASSERT(parked_.empty() && !args.empty());
  parked_ = std::move(args);
  parked_bytes_ = 0;
  for (const std::string& arg : parked_) parked_bytes_ += sizeof(std::string) + arg.capacity();
  client_.set(Client::kParked, true);
}

std::vector<std::string> Connection::take_parked() {
  parked_bytes_ = 0;
  return std::exchange(parked_, {});
}

Connection::State Connection::run_parked() {
  std::vector<std::string> args = take_parked();
  thread_.serving = this;
  thread_.take_log_position();
  protocol::ReplyWriter reply = begin_replies();
  if (thread_.dispatcher.dispatch_parked(client_, args, reply) == Outcome::kParked) {
    park(std::move(args));
    return State::kParked;
  }
  return after_request();
}

// After running batches: sends the replies and sets what comes next.
void Connection::settle(State state) {
  CLOAKROOM_ASSERT(parked_.empty() == (state != State::kParked));
  state_ = state;
  thread_.wake_others();
  if (doomed_ && !closed()) {
    over_limit(true);
  } else if (client_.is(Client::kCloseNow) || (state == State::kParked && peer_gone_)) {
    close();
  }
  leave_pause();
  const bool waited = !unsent_.empty();
  if (!closed()) publish_sizes();  // before the replies: who has them sees what they have left behind
  send_replies();
  thread_.serving = nullptr;
  thread_.out.clear(kKeepOutBytes);  // what a closed client will not read
  if (closed()) return;
  if (waited || !unsent_.empty()) publish_sizes();
  if (state_ == State::kClosing && all_sent()) {
    close();
  } else if (drains() && state_ == State::kReading) {
    state_ = State::kDraining;
  } else if (parked_by_pause()) {
    read_ahead();
  }
}

// What kept the connection waiting is over: runs what is parked; what is buffered and unread has its turn.
void Connection::go_on() {
  state_ = State::kReading;
  CLOAKROOM_ASSERT(thread_.out.empty());
  if (!parked_.empty()) {
    thread_.dispatcher.begin_turn();
    settle(run_parked());
  }
  if (state_ == State::kReading && (unparsed_ || more_)) ask_for_turn(true);
}

void Connection::over_limit(bool output) {
  log(LogLevel::kWarning, output ? "Client closed for overcoming of output buffer limits."
                                 : "Client closed: its requests passed client-query-buffer-limit.");
  (output ? thread_.stats.output_limit_closes : thread_.stats.query_limit_closes).add();
  client_.set(Client::kCloseNow, true);
  close();
}

// `request_bytes`: of a request that is about to run, outside the parser's memory.
void Connection::publish_sizes(size_t request_bytes) {
  const size_t multi = client_.transaction == nullptr ? 0 : client_.transaction->memory_bytes();
  const size_t query = parser_.memory_bytes() + request_bytes;
  client_.query_bytes.store(parser_.query_bytes(), std::memory_order_relaxed);
  client_.query_memory.store(query, std::memory_order_relaxed);
  client_.parked_bytes.store(parked_bytes_, std::memory_order_relaxed);
  client_.multi_bytes.store(multi, std::memory_order_relaxed);
  client_.output_bytes.store(unsent_.memory_bytes(), std::memory_order_relaxed);
  const size_t subscriptions = client_.subscription_bytes.load(std::memory_order_relaxed);
  const size_t rest = client_base_bytes(client_) + query + parked_bytes_ + multi + subscriptions;
  publish_sums(rest + unsent_.memory_bytes(), rest + unsent_.own_bytes());
}

void Connection::publish_sums(uint64_t total, uint64_t own) {
  if (total == published_total_ && own == published_own_) return;
  thread_.client_total_bytes.add(total - published_total_);
  thread_.client_own_bytes.add(own - published_own_);
  published_total_ = total;
  published_own_ = own;
}

bool Connection::needs_tick() const { return !unsent_.empty() || thread_.config().timeout_s > 0; }

void Connection::tick(int64_t now_ms) {
  if (closed()) return;
  const int64_t timeout_ms = thread_.config().timeout_s * 1000;
  const int64_t idle_ms = now_ms - client_.last_interaction_ms.load(std::memory_order_relaxed);
  const bool waits =
      client_.is(Client::kMonitor) || client_.is(Client::kSubscriber) || state_ == State::kParked;
  if (timeout_ms > 0 && idle_ms > timeout_ms && !waits) {
    log(LogLevel::kVerbose, "Closing idle client");
    close();
  } else if (!unsent_.empty()) {
    check_output_limit();
  }
}

void Connection::peer_closed() {
  peer_closed_ = true;
  leave_pause();
  if (state_ == State::kClosing && all_sent()) close();
}

// One that waits for memory or for a turn is not paused: it may only have closed its sending side, and waits
// for its reply.
bool Connection::parked_by_pause() const {
  return !closed() && state_ == State::kParked && !client_.is(Client::kWaitsForRoom) &&
         !client_.is(Client::kWaitsForTurn);
}

// As Redis: at the end of the stream what a pause keeps waiting is dropped; what was answered before still
// goes out.
void Connection::leave_pause() {
  if (!parked_by_pause() || !peer_closed_) return;
  take_parked();
  client_.set(Client::kParked, false);
  state_ = State::kClosing;
}

// While a pause keeps the connection waiting, what comes is read and kept, for the end of the stream is
// behind it.
void Connection::read_ahead() {
  std::array<char, IoThread::kScratchBytes> scratch;
  const auto limit = static_cast<size_t>(thread_.config().client_query_buffer_limit);
  for (int i = 0; more_ && parked_by_pause(); ++i) {
    if (i == kReadsAhead) {
      boost::asio::post(thread_.context, [&thread = thread_, id = client_.id] {
        const auto at = thread.connections.find(id);
        if (at != thread.connections.end()) at->second->read_ahead();
      });
      return;
    }
    const Read got = read_into(scratch);
    if (got == Read::kEnd) return peer_closed();
    if (got != Read::kBytes) return;
    parser_.keep();
    unparsed_ = true;
    if (parser_.buffered_bytes() > limit) return over_limit(false);
    publish_sizes();
  }
}

void Connection::peer_gone() {
  peer_closed_ = true;
  peer_gone_ = true;
  if (state_ == State::kParked || withheld_ != nullptr) close();  // nobody waits for the answer
}

void Connection::resume() {
  if (state_ != State::kParked || closed()) return;
  client_.set(Client::kParked, false);
  go_on();
}

void Connection::close() {
  if (closed()) return;
  doomed_ = true;
  unsent_.clear();
  withheld_.reset();
  publish_sums(0, 0);
  thread_.server.clients.remove(client_);
  thread_.connection_count.fetch_sub(1, std::memory_order_relaxed);
  thread_.forget(client_);
  socket_.reset();  // last: who sees it closed finds nothing of the client
  auto self = thread_.connections.extract(client_.id);
  thread_.closed.push_back(std::move(self.mapped()));
}

}  // namespace cloakroom::server
