// Large arguments become values without a copy: who looks at them afterwards must not read what others have
// freed or changed.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/concurrency/live_server.h"

namespace cloakroom::server::test {
namespace {

constexpr size_t kBytes = 1 << 20;  // read into a block of its own, and slow to free

// Writes values of one letter, which no other client uses, to keys that all use.
void write_values(LiveServer& live, SocketClient& client, char letter) {
  const std::string value(kBytes, letter);
  for (int i = 0; i < rounds(); ++i) {
    const std::string key = i % 4 == 3 ? "other" : "key";
    live.note(client.call({"SET", key, value}).text == "OK");
    if (i % 3 == 0) live.note(client.call({"APPEND", "tail", value}).number() > 0);
    if (i % 5 == 0) live.note(client.call({"SETRANGE", key, "40", value}).number() > 0);
    if (i % 7 == 0) client.call({"UNLINK", key, "tail"});
    if (i % 11 == 0) client.call({"SET", key, value, "PXAT", "1"});
    if (i % 13 == 0) client.transact({{"SET", key, value}, {"GETSET", key, value}, {"DEL", key}});
  }
}

bool one_letter(const std::string& argument) {
  const std::string shown = argument.substr(0, argument.find("... ("));
  return shown.find_first_not_of(shown[0]) == std::string::npos;
}

void read_slowlog(LiveServer& live, SocketClient& client) {
  for (int i = 0; i < rounds() / 5; ++i) {
    for (const Reply& entry : client.call({"SLOWLOG", "GET", "-1"}).items) {
      const std::vector<Reply>& words = entry.items[3].items;
      if (words[0].text == "SET" || words[0].text == "APPEND") live.note(one_letter(words[2].text));
    }
  }
}

}  // namespace

TEST_CASE("The slow log shows what each client sent, whatever became of the value") {
  LiveServer live;
  {
    SocketClient client(live.port);
    client.call({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
    client.call({"CONFIG", "SET", "slowlog-max-len", "64"});
    client.call({"CONFIG", "SET", "latency-monitor-threshold", "1"});
  }
  live.run({[&](SocketClient& c) { write_values(live, c, 'a'); },
            [&](SocketClient& c) { write_values(live, c, 'b'); },
            [&](SocketClient& c) { write_values(live, c, 'c'); },
            [&](SocketClient& c) { write_values(live, c, 'd'); },
            [&](SocketClient& c) { read_slowlog(live, c); },
            [&](SocketClient& c) { read_slowlog(live, c); }});
  CHECK(live.wrong == 0);
}

}  // namespace cloakroom::server::test
