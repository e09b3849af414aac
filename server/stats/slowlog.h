#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/lock.h"

namespace cloakroom::server {

// The slow commands, newest first. Thread-safe; locked only by a slow command and by SLOWLOG.
class Slowlog {
 public:
  struct Entry {
    int64_t id;
    int64_t unix_s;
    int64_t duration_us;
    std::vector<std::string> args;  // shortened as Redis does: 32 arguments, 128 bytes each
    std::string client_address;
    std::string client_name;
  };

  void add(int64_t unix_s, int64_t duration_us, std::span<const std::string_view> args,
           std::string client_address, std::string client_name, size_t max_len);
  std::vector<Entry> newest(size_t count) const;  // SIZE_MAX: all
  size_t size() const;
  void reset();

 private:
  mutable storage::Mutex mutex_;
  std::deque<Entry> entries_ CLOAKROOM_GUARDED_BY(mutex_);
  int64_t next_id_ CLOAKROOM_GUARDED_BY(mutex_) = 0;
};

}  // namespace cloakroom::server
