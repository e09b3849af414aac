// What concerns a database as a whole: its keys listed, counted, drawn, flushed, swapped.
//
// Reading functions walk the shards in order and hold one guard at a time; when the caller already holds
// guards (EXEC, a script: then all of them) they take and release nothing. What changes the whole (flush,
// swap) needs all guards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/keyspace/access.h"

namespace cloakroom::storage {

// Texts one after the other in one buffer: what is found under a guard and written to the reply after it.
class TextList {
 public:
  std::string& buffer() { return bytes_; }  // append a text here, then close()
  void close() { ends_.push_back(bytes_.size()); }
  void clear() {
    bytes_.clear();
    ends_.clear();
  }
  size_t size() const { return ends_.size(); }
  size_t memory_bytes() const { return bytes_.size() + ends_.size() * sizeof(size_t); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

// Keys that match a glob. Most keys are packed session ids: a pattern that begins with (or differs from) the
// literal text of their prefix is decided by the role in the entry's header, without building the key's text.
class KeyFilter {
 public:
  static constexpr uint8_t kAnyType = 0xff;

  // `pattern` must outlive it; "*" takes everything, even the empty key. `types`: bit 1 << Type.
  KeyFilter(const KeySchema& schema, std::string_view pattern, uint8_t types = kAnyType);

  // Appends the text of the entry's key and closes it, when the entry is alive and fits.
  void take(const Entry& entry, int64_t now_ms, TextList& out) const;

 private:
  enum class Answer : uint8_t { kNever, kAlways, kByText };

  Answer decide(KeyRole role) const;

  const KeySchema& schema_;
  std::string_view pattern_;
  std::string_view literal_;  // the pattern up to its first special character
  bool all_;
  bool only_prefix_;  // the pattern is literal_ followed by one star
  uint8_t types_;
  Answer by_role_[3];
};

// DBSIZE of the selected database. With `alive_only` keys that have expired and are not yet reclaimed do not
// count.
uint64_t count_keys(Access& access, bool alive_only);

// KEYS: calls `emit` with the matching keys of one shard after the other until it answers false, no guard
// held (unless it was before).
void list_keys(Access& access, const KeyFilter& filter, const std::function<bool(const TextList&)>& emit);

// A step of SCAN and SSCAN ends when it has found as much, whatever its COUNT.
inline constexpr size_t kMostScanBytes = 16 << 20;

// SCAN: appends the matching keys of the next part, looking at about `count` keys, and returns the next
// cursor, 0 at the end. Any number is a safe cursor. Cursors are below 2^48:  shard 10 bits | Table::scan's
// cursor 38 bits.
uint64_t scan_keys(Access& access, uint64_t cursor, uint64_t count, const KeyFilter& filter, TextList& out);

// A key drawn at random, all live keys about equally likely. False when there is none.
bool random_key(Access& access, std::string& out);

// FLUSHDB of the selected database. All guards are held. The tables are set aside in constant time; their
// entries are freed by reclaim_leftovers(), and sessions are counted as ended then. Returns how many keys
// went.
uint64_t flush_db(Access& access);
uint64_t flush_all(Access& access);

// SWAPDB. All guards are held; a and b are existing databases.
void swap_databases(Access& access, uint32_t a, uint32_t b);

// Frees at most about `budget` entries of flushed tables and members of ended sets. The shard's guard is
// held, others are tried; what values own outside goes to the access' garbage. Returns how many were done
// with; the shard is clean when `detached` and `departed` are empty.
size_t reclaim_leftovers(Access& access, Shard& shard, size_t budget);

// Frees all flushed tables in slices, so that the account of memory is true afterwards. No guard is held.
void reclaim_flushed(Access& access);

}  // namespace cloakroom::storage
