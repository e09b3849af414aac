// The life of a connection without sockets: every short sequence of what peers, timers and other clients may do
// to it, and each of those again with every single call of its socket failing.
#include "server/net/connection.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/server.h"
#include "server/stats/log.h"
#include "tests/storage/fixture.h"

namespace cloakroom::server::test {
namespace {

const std::string kPushed = "+pushed\r\n";
constexpr size_t kLimitBytes = 16 * 1024;
constexpr size_t kFloodBytes = 24 * 1024;

// The kernel and the peer behind it.
struct Wire {
  std::string sent;          // by the peer, not read yet
  std::string taken;         // by the peer
  size_t window = SIZE_MAX;  // bytes the peer still takes
  bool shut = false;         // the peer sends no more
  bool reset = false;        // the peer is gone
  bool refused = false;      // a send was not taken whole: room will be told
  bool open = true;
  int calls = 0;
  int failing_call = -1;
  bool failed = false;
};

class WireSocket final : public Socket {
 public:
  explicit WireSocket(Wire& wire) : wire_(wire) {}
  ~WireSocket() override { wire_.open = false; }

  ssize_t receive(std::span<char> room) override {
    REQUIRE(wire_.open);
    REQUIRE(!room.empty());
    if (fails()) return -ECONNRESET;
    if (wire_.sent.empty()) return wire_.shut ? 0 : -EAGAIN;
    const size_t n = std::min(room.size(), wire_.sent.size());
    std::memcpy(room.data(), wire_.sent.data(), n);
    wire_.sent.erase(0, n);
    return static_cast<ssize_t>(n);
  }

  ssize_t send(std::span<const iovec> pieces) override {
    REQUIRE(!pieces.empty());
    if (fails()) return -EPIPE;
    size_t n = 0;
    for (const iovec& piece : pieces) {
      const size_t part = std::min(piece.iov_len, wire_.window - n);
      wire_.taken.append(static_cast<const char*>(piece.iov_base), part);
      n += part;
      wire_.refused = part < piece.iov_len;
      if (wire_.refused) break;
    }
    if (wire_.window != SIZE_MAX) wire_.window -= n;
    return n == 0 ? -EAGAIN : static_cast<ssize_t>(n);
  }

  int descriptor() const override { return 7; }

 private:
  bool fails() {
    if (wire_.reset || wire_.failed || wire_.calls++ == wire_.failing_call) wire_.failed = true;
    return wire_.failed;
  }

  Wire& wire_;
};

enum class Step : uint8_t {
  kRequest,      // the peer sends a whole request
  kBig,          // ... one of more bytes than are read at once
  kHalf,         // ... the first half of one, or the rest of it
  kWrite,        // ... that changes a key, which the log is to have before it is answered
  kQuit,         // ... QUIT
  kStopsTaking,  // the peer takes one more byte of its replies
  kTakes,        // ... and goes on
  kShuts,        // the peer will send no more
  kResets,
  kTurns,   // the thread serves whoever has something
  kPause,   // CLIENT PAUSE begins
  kNoRoom,  // the same, but what is parked waits for memory
  kResume,  // ... and ends
  kPush,    // another client's message
  kFlood,   // ... so many that they pass the limit of output, where there is one
  kKill,
  kDurable,  // what was changed so far is in the log
  kCount,
};

// The ring of the server's log, as if appendfsync were always.
class Log final : public storage::EffectSink {
 public:
  explicit Log(Server& server) : server_(server) {
    server.append_log.state.sync = storage::LogSync::kAlways;
    server.append_log.on = true;
    server.keyspace->set_effect_sink(this);
  }
  uint64_t take_effects(const storage::Changes& changes) override {
    return server_.append_log.ring.append(changes);
  }
  void make_durable() {
    LogLink& log = server_.append_log;
    log.state.durable = log.state.written = log.ring.head();
    log.ring.free_before(log.ring.head());
    server_.threads.first().log_waiters.release();
  }

 private:
  Server& server_;
};

// One connection, and what is to be expected of it.
class Life {
 public:
  // `limited`: the server has a limit of output, and whoever passes it may be closed.
  Life(Server& server, Log& log, storage::test::ManualClock& clock, bool limited, int failing_call)
      : server_(server), log_(log), thread_(server.threads.first()), clock_(clock), limited_(limited) {
    wire_.failing_call = failing_call;
    auto connection =
        std::make_unique<Connection>(thread_, std::make_unique<WireSocket>(wire_), Client::Texts{});
    connection_ = connection.get();
    id_ = connection_->client().id;
    thread_.connection_count.fetch_add(1);
    thread_.connections.emplace(id_, std::move(connection));
    ready(false);  // as the poller tells of any new socket
  }

  ~Life() {
    if (alive()) connection_->close();
    server_.pause.mode = Pause::kNoPause;
    log_.make_durable();
    turns();
  }

  bool alive() const { return thread_.connections.contains(id_); }
  int calls() const { return wire_.calls; }

  void step(Step step) {
    switch (step) {
      case Step::kRequest:
        return send_whole(4);
      case Step::kBig:
        return send_whole(IoThread::kScratchBytes + 1);
      case Step::kHalf:
        return half_ ? send_rest() : send_half();
      case Step::kWrite:
        if (half_) send_rest();
        withheld_from_ = std::min(withheld_from_, due_.size());
        send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
        return expect("+OK\r\n", false);
      case Step::kQuit:
        if (half_) send_rest();
        send("*1\r\n$4\r\nQUIT\r\n");
        return expect("+OK\r\n", true);
      case Step::kStopsTaking:
        wire_.window = 1;
        return;
      case Step::kTakes:
        return take_all();
      case Step::kShuts:
        wire_.shut = true;
        return ready(true);
      case Step::kResets:
        wire_.reset = wire_.shut = true;
        if (alive()) connection_->on_writable();
        if (alive()) connection_->peer_closed();
        if (alive()) connection_->peer_gone();
        ready(false);
        turns();
        CHECK(!alive());
        return;
      case Step::kTurns:
        return turns();
      case Step::kPause:
        paused_ = true;
        return pause(false);
      case Step::kNoRoom:
        return pause(true);
      case Step::kResume:
        server_.pause.mode = Pause::kNoPause;
        if (alive() && connection_->client().is(Client::kParked)) connection_->resume();
        return;
      case Step::kPush:
        if (alive()) connection_->push({kPushed});
        return;
      case Step::kFlood:
        if (alive() && limited_) connection_->push({flood()});
        return;
      case Step::kKill:
        killed_ = true;
        if (alive()) connection_->close();
        return;
      case Step::kDurable:
        return make_durable();
      case Step::kCount:
        return;
    }
  }

  // Everything goes on; then nothing may be left undone, nor anything of one that is closed.
  void end() {
    step(Step::kResume);
    turns();
    CHECK(replies().size() - part_of_push() <= withheld_from_);
    make_durable();
    take_all();
    turns();
    make_durable();
    turns();
    const bool over_limit = limited_ && !alive();
    const bool cut = wire_.failed || wire_.reset || killed_ || over_limit;
    CHECK(alive() == !(cut || quit_ || wire_.shut));
    check_replies(!cut && !(wire_.shut && paused_));
    CHECK(wire_.open == alive());
    if (alive()) return;
    bool listed = false;
    server_.clients.visit(id_, [&](Client&) { listed = true; });
    CHECK(!listed);
    CHECK(server_.clients.size() == 0);
    CHECK(thread_.connection_count.load() == 0);
    CHECK(thread_.client_total_bytes.get() == 0);
    CHECK(thread_.client_own_bytes.get() == 0);
  }

 private:
  // ECHO of a number, in so many bytes.
  std::string request(size_t bytes) const { return "*2\r\n$4\r\nECHO\r\n" + bulk(bytes); }
  std::string bulk(size_t bytes) const {
    std::string number = std::to_string(number_);
    number.insert(0, bytes - number.size(), '0');
    return "$" + std::to_string(bytes) + "\r\n" + number + "\r\n";
  }
  void expect_echo(size_t bytes) {
    expect(bulk(bytes), false);
    ++number_;
  }
  // The reply to what the peer has just sent whole.
  void expect(const std::string& reply, bool last) {
    if (wire_.shut || quit_) return;
    due_ += reply;
    quit_ = last;
  }

  void send(const std::string& bytes) {
    if (wire_.shut) return;
    wire_.sent += bytes;
    ready(false);
  }
  void send_whole(size_t bytes) {
    if (half_) send_rest();
    send(request(bytes));
    expect_echo(bytes);
  }
  void send_half() {
    half_ = true;
    send(request(4).substr(0, kHalfBytes));
  }
  void send_rest() {
    half_ = false;
    send(request(4).substr(kHalfBytes));
    expect_echo(4);
  }
  void pause(bool no_room) {
    server_.pause.until_ms = clock_.monotonic_us() / 1000 + 1'000'000;
    server_.pause.mode = Pause::kPauseAll;
    if (alive()) connection_->client().set(Client::kWaitsForRoom, no_room);
  }

  static const std::string& flood() {
    static const std::string all = [] {
      std::string bytes;
      while (bytes.size() < kFloodBytes) bytes += kPushed;
      return bytes;
    }();
    return all;
  }
  void ready(bool end_of_stream) {
    if (alive() && end_of_stream) connection_->peer_closed();
    if (alive()) connection_->on_readable();
  }
  void make_durable() {
    withheld_from_ = SIZE_MAX;
    log_.make_durable();
  }
  void take_all() {
    wire_.window = SIZE_MAX;
    if (std::exchange(wire_.refused, false) && alive()) connection_->on_writable();
  }
  void turns() {
    thread_.context.restart();
    thread_.context.poll();
    std::memset(thread_.slots[0].scratch.get(), 'x', IoThread::kScratchBytes);  // others read into it too
  }

  std::string replies() const {
    std::string got;
    for (size_t at = 0, next = 0; next != std::string::npos; at = next + kPushed.size()) {
      next = wire_.taken.find(kPushed, at);
      got.append(wire_.taken, at, next - at);
    }
    return got;
  }

  // Bytes at the end of what it got that begin a message.
  size_t part_of_push() const {
    size_t n = kPushed.size() - 1;
    while (!wire_.taken.ends_with(kPushed.substr(0, n))) --n;
    return n;
  }

  // What the peer has got: the replies in order, between messages. When the connection was cut, a part; also of
  // a message when the peer shut its side, for nobody waits until those are out.
  void check_replies(bool whole) {
    const std::string got = replies();
    bool right = false;
    const size_t most = alive() ? 0 : kPushed.size() - 1;
    for (size_t pushed = 0; pushed <= most; ++pushed) {
      if (!got.ends_with(kPushed.substr(0, pushed))) continue;
      const std::string replies = got.substr(0, got.size() - pushed);
      right = right || (whole ? replies == due_ : due_.starts_with(replies));
    }
    CAPTURE(wire_.taken);
    CAPTURE(due_);
    CHECK(right);
  }

  static constexpr size_t kHalfBytes = 9;

  Server& server_;
  Log& log_;
  IoThread& thread_;
  storage::test::ManualClock& clock_;
  bool limited_;
  Wire wire_;
  Connection* connection_ = nullptr;
  uint64_t id_ = 0;
  std::string due_;                  // all replies
  size_t withheld_from_ = SIZE_MAX;  // of them, until the log is durable
  int number_ = 1000;                // of the next request
  bool half_ = false;
  bool quit_ = false;
  bool killed_ = false;
  bool paused_ = false;
};

using Steps = std::vector<Step>;

class Lives {
 public:
  // With short turns each has one command.
  explicit Lives(bool short_turns, uint64_t limit_bytes = 0)
      : limited_(limit_bytes != 0),
        server_(std::make_shared<ConfigStore>(one_thread(limit_bytes), ""), clock_) {
    server_.slice_cycles = short_turns ? 0 : UINT64_MAX / 2;
  }

  // How often the socket was called.
  int run(const Steps& steps, int failing_call = -1) {
    std::string names;
    for (const Step step : steps) names += std::string(kNames[static_cast<size_t>(step)]) + " ";
    CAPTURE(names);
    CAPTURE(failing_call);
    Life life(server_, log_, clock_, limited_, failing_call);
    for (const Step step : steps) life.step(step);
    life.end();
    return life.calls();
  }
  void run_with_failures(const Steps& steps) {
    const int calls = run(steps);
    for (int failing = 0; failing < calls; ++failing) run(steps, failing);
  }

 private:
  static constexpr std::array<const char*, static_cast<size_t>(Step::kCount)> kNames = {
      "request", "big",   "half",    "write",  "quit", "stops-taking", "takes", "shuts",  "resets",
      "turns",   "pause", "no-room", "resume", "push", "flood",        "kill",  "durable"};

  static Config one_thread(uint64_t limit_bytes) {
    Config config = *ConfigStore().snapshot();
    config.io_threads = 1;
    config.client_output_buffer_limits.of(protocol::ClientClass::kNormal).hard_bytes = limit_bytes;
    return config;
  }

  bool limited_;
  storage::test::ManualClock clock_;
  Server server_;
  Log log_{server_};
};

// Calls fn(steps) with every sequence of that many.
template <class Fn>
void for_all(size_t count, Fn fn) {
  Steps steps(count);
  constexpr auto kKinds = static_cast<size_t>(Step::kCount);
  size_t sequences = 1;
  for (size_t i = 0; i < count; ++i) sequences *= kKinds;
  for (size_t number = 0; number < sequences; ++number) {
    size_t rest = number;
    for (Step& step : steps) {
      step = static_cast<Step>(rest % kKinds);
      rest /= kKinds;
    }
    fn(steps);
  }
}

}  // namespace

TEST_CASE("whatever happens to a connection, its replies are whole and in order, or it is closed and gone") {
  for (const bool short_turns : {false, true}) {
    Lives lives(short_turns);
    for (size_t count = 0; count <= (short_turns ? 3 : 4); ++count) {
      for_all(count, [&](const Steps& steps) { lives.run(steps); });
    }
  }
}

TEST_CASE("whichever call of a socket fails, its connection closes and leaves nothing") {
  for (const bool short_turns : {false, true}) {
    Lives lives(short_turns);
    for (size_t count = 0; count <= 3; ++count) {
      for_all(count, [&](const Steps& steps) { lives.run_with_failures(steps); });
    }
  }
}

TEST_CASE("who lets too much wait is closed, and gets nothing that is cut in the middle of something") {
  Lives lives(false, kLimitBytes);
  configure_log("warning", "/dev/null");  // each of them is a line
  for (size_t count = 0; count <= 4; ++count) {
    for_all(count, [&](const Steps& steps) {
      if (std::find(steps.begin(), steps.end(), Step::kFlood) != steps.end()) lives.run(steps);
    });
  }
  configure_log("notice", "");
}

TEST_CASE("long lives of connections, with failures") {
  Lives lives(true);
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    Steps steps(20 + random() % 40);
    for (Step& step : steps) {
      const bool ends = random() % 16 == 0;  // else most lives are short
      do {
        step = static_cast<Step>(random() % static_cast<size_t>(Step::kCount));
      } while (!ends &&
               (step == Step::kQuit || step == Step::kShuts || step == Step::kResets || step == Step::kKill));
    }
    const int calls = lives.run(steps);
    if (calls > 0) lives.run(steps, static_cast<int>(random() % static_cast<uint64_t>(calls)));
  }
}

}  // namespace cloakroom::server::test
