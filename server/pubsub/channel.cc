#include "server/pubsub/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "server/dispatch/client.h"
#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "storage/base/assert.h"

namespace cloakroom::server {
namespace {

// A block that is counted while anybody has it.
struct CountedBytes {
  CountedBytes(ServerState& the_server, std::string the_text)
      : server(the_server), text(std::move(the_text)) {
    server.message_bytes.fetch_add(text.capacity(), std::memory_order_relaxed);
  }
  ~CountedBytes() { server.message_bytes.fetch_sub(text.capacity(), std::memory_order_relaxed); }
  CountedBytes(const CountedBytes&) = delete;
  CountedBytes& operator=(const CountedBytes&) = delete;

  ServerState& server;
  std::string text;
};

void append_bulk(std::string& out, std::string_view text) {
  fmt::format_to(std::back_inserter(out), "${}\r\n", text.size());
  out += text;
}

}  // namespace

const Message::Body& Message::body() {
  if (body_.owner != nullptr) return body_;
  constexpr size_t kFrameBytes = 64;
  std::string text;
  text.reserve(channel_.size() + payload_.size() + kFrameBytes);
  append_bulk(text, channel_);
  text += "\r\n";
  append_bulk(text, payload_);
  const auto block = std::make_shared<CountedBytes>(server_, std::move(text));
  body_ = {protocol::SharedBytes(block, block->text.data()), block->text};
  return body_;
}

void Inbox::append(const Audience& audience, const Message::Body& body) {
  const storage::Locked lock(lock_);
  if (bytes_ != 0 && bytes_ + body.bytes.size() > kMostBytes) {
    for (const Subscription* subscription : audience.subscribers) missed_.insert(subscription->client.id);
    return;
  }
  bytes_ += body.bytes.size();
  letters_.push_back({&audience, body});
}

void Inbox::deliver() {
  CLOAKROOM_ASSERT(taken_.empty());
  std::unordered_set<uint64_t> missed;
  {
    const storage::Locked lock(lock_);
    taken_.swap(letters_);
    missed.swap(missed_);
    bytes_ = 0;
  }
  for (const Letter& letter : taken_) {
    const Channel& channel = letter.audience->channel;
    for (const Subscription* subscription : letter.audience->subscribers) {
      const Client& client = subscription->client;
      const bool resp3 = client.resp.load(std::memory_order_relaxed) == 3;
      client.link.push({channel.head(resp3), letter.body.bytes, &letter.body.owner, "\r\n"});
    }
  }
  constexpr size_t kKeptLetters = 1024;
  taken_.clear();
  if (taken_.capacity() > kKeptLetters) taken_.shrink_to_fit();
  for (const uint64_t id : missed) worker_.close_slow_client(id);
}

Channel::Channel(std::string_view word, const std::string* pattern) {
  const auto add = [&](char type) {
    heads_ += fmt::format("{}{}\r\n${}\r\n{}\r\n", type, pattern == nullptr ? 3 : 4, word.size(), word);
    if (pattern == nullptr) return;
    append_bulk(heads_, *pattern);
    heads_ += "\r\n";
  };
  add('*');
  add('>');
}

std::unique_ptr<Subscription> Channel::join(Client& client) {
  const auto of_thread = [&](const auto& audience) { return &audience->worker == &client.worker; };
  auto at = std::find_if(audiences_.begin(), audiences_.end(), of_thread);
  if (at == audiences_.end()) {
    audiences_.push_back(std::make_unique<Audience>(Audience{*this, client.worker, {}}));
    at = audiences_.end() - 1;
  }
  std::vector<Subscription*>& subscribers = (*at)->subscribers;
  auto subscription = std::make_unique<Subscription>(Subscription{client, *this, subscribers.size()});
  subscribers.push_back(subscription.get());
  ++size_;
  return subscription;
}

void Channel::leave(Subscription& subscription) {
  const auto of_thread = [&](const auto& audience) {
    return &audience->worker == &subscription.client.worker;
  };
  const auto at = std::find_if(audiences_.begin(), audiences_.end(), of_thread);
  CLOAKROOM_ASSERT(&subscription.channel == this && at != audiences_.end());
  std::vector<Subscription*>& subscribers = (*at)->subscribers;
  CLOAKROOM_ASSERT(subscribers[subscription.place] == &subscription);
  subscribers[subscription.place] = subscribers.back();
  subscribers[subscription.place]->place = subscription.place;
  subscribers.pop_back();
  if (subscribers.empty()) audiences_.erase(at);
  --size_;
}

}  // namespace cloakroom::server
