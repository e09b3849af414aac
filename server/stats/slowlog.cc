#include "server/stats/slowlog.h"

#include <algorithm>

namespace cloakroom::server {
namespace {

constexpr size_t kMaxArgs = 32;
constexpr size_t kMaxArgBytes = 128;

std::string shortened(std::string_view arg) {
  if (arg.size() <= kMaxArgBytes) return std::string(arg);
  std::string out(arg.substr(0, kMaxArgBytes));
  return out + "... (" + std::to_string(arg.size() - kMaxArgBytes) + " more bytes)";
}

}  // namespace

void Slowlog::add(int64_t unix_s, int64_t duration_us, std::span<const std::string_view> args,
                  std::string client_address, std::string client_name, size_t max_len) {
  Entry entry{0, unix_s, duration_us, {}, std::move(client_address), std::move(client_name)};
  const size_t shown = std::min(args.size(), kMaxArgs);
  for (size_t i = 0; i < shown; ++i) {
    if (i + 1 == kMaxArgs && args.size() > kMaxArgs) {
      entry.args.push_back("... (" + std::to_string(args.size() - kMaxArgs + 1) + " more arguments)");
    } else {
      entry.args.push_back(shortened(args[i]));
    }
  }
  const storage::Locked lock(mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > max_len) entries_.pop_back();
}

std::vector<Slowlog::Entry> Slowlog::newest(size_t count) const {
  const storage::Locked lock(mutex_);
  const size_t n = std::min(count, entries_.size());
  return {entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(n)};
}

size_t Slowlog::size() const {
  const storage::Locked lock(mutex_);
  return entries_.size();
}

void Slowlog::reset() {
  std::deque<Entry> gone;  // freed behind the lock
  const storage::Locked lock(mutex_);
  gone.swap(entries_);
}

}  // namespace cloakroom::server
