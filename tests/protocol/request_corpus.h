#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cloakroom::tests {

using namespace std::string_literals;

inline std::string request_of(const std::vector<std::string>& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) out += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  return out;
}

// Short inputs, each split at every byte by the tests. Valid and invalid, and the oddities Redis 7.0.15 lets
// pass.
inline const std::vector<std::string>& request_corpus() {
  static const std::vector<std::string> corpus = {
      request_of({"PING"}),
      request_of({"SET", "key", ""}),
      request_of({"", "", ""}),
      request_of({"SET", "k\0\r\n$3\r\n"s, "\xff\x00\n*1\r\n"s}),
      request_of({"GET", std::string(44, 'k')}) + request_of({"SETEX", "k", "1800", std::string(311, 'v')}),
      request_of({"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L"}),
      "\r\n\n\r\n" + request_of({"PING"}) + "\r\n" + request_of({"ECHO", "x"}) + "PING\r\n\r\n",
      "*0\r\n*-1\r\n*-10\r\n*-9223372036854775808\r\n" + request_of({"PING"}),
      "*1\rx$4\ryPINGzz*1\r\n$4\r\nPONG\r\n",
      "PING\r\nPING\nSET  a   b \r\n  GET a\r\n\tGET\vb\f\r\n",
      "SET \"a b\" 'c d'\r\n\"\\x41\\x4\\xzz\\n\\r\\t\\b\\a\\\\\\\"\" '\\'\\n'\r\n \"\" ''\r\nfoo\"bar\"\r\n",
      "PING\r\r\nPI\rNG\r\n",
      "SET \"a\r\n",
      "SET 'a\r\n",
      "SET \"a\"b\r\n",
      "SET 'a'b\r\n",
      "SET \"a\\\r\n",
      request_of({"PING"}) + "*\r\n",
      request_of({"PING"}) + "*a\r\n",
      "*3000000000\r\n",
      "*2147483647\r\n$1\r\na\r\n",
      "*2147483648\r\n",
      "*9223372036854775808\r\n",
      "*99999999999999999999999\r\n",
      "*01\r\n",
      "*00\r\n",
      "*-0\r\n",
      "*+1\r\n",
      "* 1\r\n",
      "*1 \r\n",
      "*-\r\n",
      "*1\n$4\r\nPING\r\n",
      "*1\r\n\r\n",
      "*1\r\nPING\r\n",
      "*1\r\n:4\r\nPING\r\n",
      "*1\r\n$-1\r\n",
      "*1\r\n$ 4\r\nPING\r\n",
      "*1\r\n$+4\r\nPING\r\n",
      "*1\r\n$04\r\nPING\r\n",
      "*1\r\n$00\r\n\r\n",
      "*1\r\n$\r\n",
      "*1\r\n$4x\r\nPING\r\n",
      "*1\r\n$536870913\r\n",
      "*1\r\n$18446744073709551616\r\n",
      "*1\r\n$4\r\nPINGPONG*1\r\n$4\r\nPING\r\n",
      "*1\0\r\n$4\r\nPING\r\n"s,
      "*1\r\n$4\0\r\nPING\r\n"s,
      "PI\0NG\r\nPING\r\n"s,
      "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
      "*1\r\n$4\r\nPIN",
      "*2\r\n$4\r\nECHO\r\n$99999\r\nabc",
  };
  return corpus;
}

}  // namespace cloakroom::tests
