// One client's connection: a state machine on one I/O thread that reads, runs batches and writes (what goes
// out: connection_output.cc). The thread tells it when its socket is ready (socket_poller.h); the connection
// asks for a turn (IoThread::queue_turn). A turn is bounded: what is left then, parsed or not, read or not,
// has the next one behind the others that wait. The thread fetches the requests of several connections, and
// then has each serve its own. An idle connection holds no buffer: bytes are read into a slot of the thread's
// and kept only when a request is partial or the turn was over.
//
//                      a request is parked (CLIENT PAUSE, memory, what is due)
//              +-----------------------------------------------> kParked --+
//              |                            resume()                       |
//   begin -> kReading <------------------------------------------ + -------+
//              |   |   <-- all was taken ------- kDraining        |        |
//              |   +--- the socket is full ----->    |            | peer   | peer gone
//              |                                     |            | closed | or close()
//              +--- QUIT, protocol error ... --> kClosing <-------+        v
//                                                    +--- all is sent --> closed
//
// With appendfsync always, what depends on changes that are not durable yet is withheld, and all that follows
// it (withheld_); where above a reply is sent, it goes there. Beyond 1 MiB of it the connection is kDraining.
//
// close() leads to closed from anywhere. Kept between turns: a request that may not begin (parked_), bytes
// that are parsed no further (the parser, unparsed_), replies the socket did not take (unsent_).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/output_buffer.h"
#include "protocol/reply_writer.h"
#include "protocol/request_parser.h"
#include "server/dispatch/client.h"
#include "server/dispatch/client_link.h"
#include "server/net/io_thread.h"
#include "server/net/socket.h"

namespace cloakroom::server {

// All members belong to the connection's own thread.
class Connection final : public ClientLink {
 public:
  Connection(IoThread& thread, std::unique_ptr<Socket> socket, Client::Texts texts);
  ~Connection();  // it is closed
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Client& client() { return client_; }

  // The socket may be readable: asks for a turn.
  void on_readable();
  // A turn begins: prepares a batch in the slot, of what the last turn left or else of one read. False: there
  // is nothing to serve.
  bool fetch(IoThread::Slot& slot);
  // The peer will send no more: what it sent is read to its end, as no further event will tell.
  // It closes one that CLIENT PAUSE keeps waiting.
  void peer_closed();
  // The peer neither sends nor reads any more.
  void peer_gone();
  // Runs what fetch() prepared, answers, and reads on while bytes keep coming and the turn lasts.
  void serve(IoThread::Slot& slot);
  void on_writable();
  // Drops what is not yet sent and forgets the client everywhere. It may happen in any send(): whoever sends
  // looks at closed() before it goes on.
  void close() override;
  bool closed() const { return socket_ == nullptr; }
  void push(const Push& bytes) override;
  // Sends what was pushed.
  void flush();
  bool needs_tick() const;
  void tick(int64_t now_ms);  // once a second: idle timeout, output limits
  void resume() override;
  void log_is_durable() override;
  size_t base_bytes() const override { return sizeof(Connection) + sizeof(KernelSocket); }

 private:
  static constexpr size_t kMostWithheldBytes = 1 << 20;
  static constexpr size_t kKeepOutBytes = 64 * 1024;  // by the thread's reply buffer between batches

  using Slot = IoThread::Slot;
  enum class State : uint8_t {
    kReading,
    kDraining,  // the client must take its replies before more is read
    kParked,    // parked_ may not begin yet
    kClosing,   // closes once the replies are out
  };

  State run_batches(Slot& slot);
  State run_batch(Slot& slot);
  State run_parked();
  bool affords(const protocol::Request& request);
  State after_request();
  State after_long_reply();
  protocol::ReplyWriter begin_replies();
  const protocol::OutputLimit& output_limit() const;
  uint64_t output_budget() const;
  void settle(State state);
  void park(std::vector<std::string> args);
  std::vector<std::string> take_parked();
  bool parked_by_pause() const;
  void leave_pause();
  void read_ahead();
  bool receive(Slot& slot);
  void end_of_stream();
  enum class Read : uint8_t { kBytes, kNothing, kEnd };
  Read read_into(std::span<char> scratch);
  void parse(Slot& slot);
  void ask_for_turn(bool goes_on);
  void go_on();
  // What waits for the log, in its order, each part until a position is durable.
  struct Withheld {
    struct Part {
      uint64_t position;
      protocol::OutputBuffer bytes;
    };
    std::deque<Part> parts;
    size_t bytes = 0;
  };

  void send(protocol::OutputBuffer& out);
  void send_replies();
  void go_on_when_sent();
  protocol::OutputBuffer& withhold(uint64_t position);
  bool all_sent() const { return unsent_.empty() && withheld_ == nullptr; }
  // More waits to go out than a client is read on with.
  bool drains() const {
    return !unsent_.empty() || (withheld_ != nullptr && withheld_->bytes > kMostWithheldBytes);
  }
  void write(protocol::OutputBuffer& out);
  void write_unsent();
  void over_limit(bool output);
  void check_output_limit();
  void publish_sizes(size_t request_bytes = 0);
  void publish_sums(uint64_t total, uint64_t own);

  IoThread& thread_;
  std::unique_ptr<Socket> socket_;  // null when it is closed
  protocol::RequestParser parser_;
  Client client_;
  protocol::OutputBuffer unsent_;  // what the socket did not take yet
  std::unique_ptr<Withheld> withheld_;
  std::vector<std::string> parked_;  // a request that may not begin yet
  size_t parked_bytes_ = 0;          // of it
  State state_ = State::kReading;
  // What was last published to the thread's sums.
  uint64_t published_total_ = 0;
  uint64_t published_own_ = 0;
  bool queued_ = false;       // waits for its turn
  bool to_flush_ = false;     // among the thread's
  bool socket_full_ = false;  // until on_writable()
  bool doomed_ = false;       // let too much wait: sends and takes no more, and closes when that is possible
  bool unparsed_ = false;     // the parser may hold whole requests
  bool more_ = false;         // the socket may hold bytes, and no event will tell
  bool peer_closed_ = false;  // end of stream or error seen by the poller
  bool peer_gone_ = false;    // and nobody reads either
};

}  // namespace cloakroom::server
