#include "server/context.h"

namespace cloakroom::server {

const storage::KeyRef& KeyCache::get(std::string_view raw) {
  const auto same = [&](const storage::KeyRef& key) {
    return key.raw().data() == raw.data() && key.raw().size() == raw.size();
  };
  if (known_ != nullptr && same(*known_)) return *known_;
  for (size_t i = 0; i < used_; ++i) {
    if (same(keys_[i])) return keys_[i];
  }
  if (used_ == keys_.size()) keys_.emplace_back();
  storage::KeyRef& key = keys_[used_++];
  schema_->fill(key, raw);
  return key;
}

const storage::KeyRef& Context::key(size_t index) { return keys.get(args[index]); }

protocol::SharedBytes* Context::big(size_t index) { return request == nullptr ? nullptr : request->big(index); }

}  // namespace cloakroom::server
