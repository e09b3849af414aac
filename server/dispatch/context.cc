#include "server/dispatch/context.h"

#include <algorithm>

#include "server/dispatch/client.h"

namespace cloakroom::server {

const storage::KeyRef& KeyCache::get(size_t index, std::string_view raw) {
  if (known_ != nullptr && known_->raw().data() == raw.data() && known_->raw().size() == raw.size())
    return *known_;
  if (index >= by_argument_.size()) by_argument_.resize(std::max<size_t>(16, 2 * index));
  Slot& slot = by_argument_[index];
  if (slot.round == round_) return keys_[slot.key];
  if (used_ == keys_.size()) keys_.emplace_back();
  slot = {round_, used_};
  storage::KeyRef& key = keys_[used_++];
  schema_->fill(key, raw);
  return key;
}

void KeyCache::shrink() {  // assigning {} would keep the memory
  keys_ = std::deque<storage::KeyRef>();
  by_argument_ = std::vector<Slot>();
}

const storage::KeyRef& Context::key(size_t index) { return keys.get(index, args[index]); }

const protocol::SharedBytes* Context::big(size_t index) {
  return request == nullptr ? nullptr : request->big(index);
}

// The queue is still there, though the client has left MULTI.
bool Context::in_exec() const {
  const auto& transaction = client.transaction;
  return transaction != nullptr && transaction->queued() > 0 && !client.is(Client::kInMulti);
}

}  // namespace cloakroom::server
