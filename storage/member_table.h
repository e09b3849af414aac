// Big sets and hashes: a table of members, each optionally with a value, one heap block a member.
// (Contract; see member_table.cc for the layout.) Grows and shrinks in bounded steps: no call moves more than one
// segment. SCAN cursors stay valid across growth and shrinking, with the guarantees of Redis' SCAN.
// Owns its memory wholly, so that RENAME moves a pointer and dropping it needs no guard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "storage/hash.h"

namespace cloakroom::storage {

class MemberTable {
 public:
  struct Item {
    std::string_view member;
    std::string_view value;
  };

  explicit MemberTable(HashKey hash_key);
  ~MemberTable();
  MemberTable(const MemberTable&) = delete;
  MemberTable& operator=(const MemberTable&) = delete;

  size_t size() const;
  bool contains(std::string_view member) const;
  // Pointer to the item's value, or false.
  bool find(std::string_view member, std::string_view& value) const;
  // Inserts or replaces; true when the member is new.
  bool put(std::string_view member, std::string_view value = {});
  bool erase(std::string_view member);

  void for_each(const std::function<void(const Item&)>& fn) const;
  // Emits the members of one step and returns the next cursor (below 2^48), 0 at the end.
  uint64_t scan(uint64_t cursor, const std::function<void(const Item&)>& emit) const;
  // A uniformly drawn item; `random` is called for random numbers. Not empty.
  Item random(const std::function<uint64_t()>& random) const;

  size_t memory_bytes() const;  // all of it, exact up to the allocator's rounding; O(1)
  std::unique_ptr<MemberTable> clone() const;

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace cloakroom::storage
