#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "storage/keyspace/access.h"
#include "storage/value/member_table.h"

namespace cloakroom::storage {

// A set being put together outside the keyspace: results of SUNIONSTORE and its like, a set changing its
// layout. What was added decides the encoding, as in Redis: one member that is no integer, or one too many,
// makes it a hashtable for good, even if that member is removed again.
class SetDraft {
 public:
  explicit SetDraft(Access& access);

  bool add(std::string_view member);  // true when it is new
  bool remove(std::string_view member) { return table_->erase(member); }
  bool contains(std::string_view member) const { return table_->contains(member); }
  size_t size() const { return table_->size(); }
  void keep_hashtable() { ints_ = false; }
  template <class Fn>  // fn(std::string_view)
  void for_each(Fn&& fn) const {
    table_->for_each([&](const MemberTable::Item& item) { fn(item.member); });
  }

  // Becomes the value of `key` in the smallest layout that holds it, whatever stands there. No hooks, no
  // report. The draft is not empty before and not to be used afterwards.
  void put(Found& found, const KeyRef& key, Deadline deadline);
  // As put, without deadline, and tells the session index what changed between the old set there, if any, and
  // this one.
  void store(Found& found, const KeyRef& key);

 private:
  void put_ints(Found& found, const KeyRef& key, Deadline deadline);
  bool put_ids(Found& found, const KeyRef& key, Deadline deadline);
  bool put_flat(Found& found, const KeyRef& key, Deadline deadline);
  void put_table(Found& found, const KeyRef& key, Deadline deadline);

  Access& access_;
  std::unique_ptr<MemberTable> table_;
  bool ints_ = true;
};

// How many integers a set may have as an intset.
size_t max_set_ints(Access& access);

}  // namespace cloakroom::storage
