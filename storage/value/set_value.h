// Sets: reading and changing them. OBJECT ENCODING: kSetInts "intset", all others "hashtable" (Redis 7.0).
//
//   kSetInts   sorted integers, up to set-max-intset-entries       (set_layout.h)
//   kSetIds    packed ids of one codec and width, up to 64         (set_layout.h)
//   kSetFlat   up to 128 members of up to 64 bytes                 (set_layout.h)
//   kSetTable  MemberTable*                                        (member_table.h)
//
// A set is kSetInts exactly while Redis' would be an intset: as long as it was only given integers in
// canonical form and never grew past the limit. The other three are chosen by what fits and only ever move
// down this list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "storage/base/status.h"
#include "storage/keyspace/access.h"
#include "storage/value/member_table.h"
#include "storage/value/set_layout.h"

namespace cloakroom::storage {

const ValueOps& set_value_ops(Kind kind);

// Editing: `found` is null or a set. Creates the key on the first add. Calls the session index's hooks, once
// per real change. Emits nothing: the caller reports with Access::changed() and ends a set that became empty
// with Access::end(). The member's text may not point into the set.
bool set_add(Access& access, Found& found, const KeyRef& key, std::string_view member);
bool set_remove(Access& access, Found& found, const KeyRef& key, std::string_view member);

bool set_contains(const Entry& set, std::string_view member);
size_t set_size(const Entry& set);

// The value part of a set, in its entry or taken out of it.
struct SetView {
  SetView(const Entry& set) : kind(set.kind()), value(set.value()) {}  // NOLINT(google-explicit-constructor)
  SetView(Kind set_kind, const char* set_value) : kind(set_kind), value(set_value) {}

  Kind kind;
  const char* value;
};

inline MemberTable& set_table(SetView set) {
  MemberTable* table;
  std::memcpy(&table, set.value, sizeof table);
  return *table;
}

// Calls fn(std::string_view) for every member once. The view is valid during the call only; the set must not
// change.
template <class Fn>
void set_visit(SetView set, Fn&& fn) {
  switch (set.kind) {
    case Kind::kSetInts: {
      const IntSet ints(set.value);
      char text[kI64Chars];
      for (size_t i = 0; i < ints.size(); ++i) fn(std::string_view(text, format_i64(text, ints.at(i))));
      break;
    }
    case Kind::kSetIds: {
      const IdSet ids(set.value);
      char text[kMaxUnpackedId];
      for (size_t i = 0; i < ids.size(); ++i) fn(std::string_view(text, unpack_id(ids.at(i), text)));
      break;
    }
    case Kind::kSetFlat:
      FlatSet(set.value).for_each(fn);
      break;
    default:
      set_table(set).for_each([&](const MemberTable::Item& item) { fn(item.member); });
  }
}
// One step of a walk: emits members and returns the next cursor, 0 at the end. Small sets are one step.
template <class Fn>
uint64_t set_scan(SetView set, uint64_t cursor, Fn&& emit) {
  if (set.kind == Kind::kSetTable) {
    return set_table(set).scan(cursor, [&](const MemberTable::Item& item) { emit(item.member); });
  }
  set_visit(set, emit);
  return 0;
}

// The same with a callback of fixed type, for callers off the reply path.
void set_for_each(const Entry& set, const std::function<void(std::string_view)>& fn);
// Every member in packed form (raw when it does not pack).
void set_for_each_id(const Entry& set, const std::function<void(PackedId)>& fn);

}  // namespace cloakroom::storage
