#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cloakroom::server::test {

struct Reply {
  char type = 0;
  bool null = false;
  std::string text;
  std::vector<Reply> items;
  int64_t number() const { return null || text.empty() ? 0 : std::stoll(text); }
};

// A blocking RESP2 client over a raw socket.
class SocketClient {
 public:
  explicit SocketClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const sockaddr_in address = loopback(port);
    while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno != ECONNREFUSED && errno != EINTR) throw std::runtime_error("cannot connect");
      ::close(fd_);
      fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~SocketClient() {
    if (fd_ >= 0) ::close(fd_);
  }
  SocketClient(const SocketClient&) = delete;
  SocketClient& operator=(const SocketClient&) = delete;

  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  static std::string request(const std::vector<std::string>& words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return bytes;
  }
  void send(const std::vector<std::string>& words) { send_bytes(request(words)); }
  void send_bytes(const std::string& bytes) {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t sent = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("connection lost");
      at += static_cast<size_t>(sent);
    }
  }
  Reply call(const std::vector<std::string>& words) {
    send(words);
    return read();
  }
  // Several commands in one go; their replies.
  std::vector<Reply> pipeline(const std::vector<std::vector<std::string>>& commands) {
    for (const auto& words : commands) send(words);
    std::vector<Reply> replies;
    for (size_t i = 0; i < commands.size(); ++i) replies.push_back(read());
    return replies;
  }
  // The replies of a transaction; none when it was aborted.
  std::vector<Reply> transact(std::vector<std::vector<std::string>> commands) {
    commands.insert(commands.begin(), {"MULTI"});
    commands.push_back({"EXEC"});
    return pipeline(commands).back().items;
  }

  Reply read() {
    Reply reply;
    const std::string line = read_line();
    reply.type = line[0];
    reply.text = line.substr(1);
    if (reply.type == '$' || reply.type == '*') {
      const int64_t size = std::stoll(reply.text);
      reply.text.clear();
      reply.null = size < 0;
      if (reply.type == '$' && size >= 0) reply.text = read_bytes(static_cast<size_t>(size));
      for (int64_t i = 0; reply.type == '*' && i < size; ++i) reply.items.push_back(read());
    }
    return reply;
  }
  // Returns once the server has closed.
  void read_to_end() {
    char chunk[64 * 1024];
    while (::recv(fd_, chunk, sizeof chunk, 0) > 0) {
    }
  }
  // Closes with a reset, so that what the server sends from here on fails.
  void reset() {
    const linger at_once{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(std::exchange(fd_, -1));
  }
  bool at_end() {
    try {
      read_line();
    } catch (const std::runtime_error&) {
      return true;
    }
    return false;
  }

 private:
  void more() {
    char chunk[4096];
    const ssize_t got = ::recv(fd_, chunk, sizeof chunk, 0);
    if (got <= 0) throw std::runtime_error("connection lost");
    buffer_.append(chunk, static_cast<size_t>(got));
  }
  std::string read_line() {
    size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) more();
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
  }
  std::string read_bytes(size_t size) {
    while (buffer_.size() < size + 2) more();
    std::string bytes = buffer_.substr(0, size);
    buffer_.erase(0, size + 2);
    return bytes;
  }

  int fd_;
  std::string buffer_;
};

}  // namespace cloakroom::server::test
