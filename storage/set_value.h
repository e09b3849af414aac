// Sets: the value's layouts and the operations on them. OBJECT ENCODING: kSetInts "intset", all others "hashtable" (7.0).
//
//   kSetInts   uint32_t size | width code | sorted integers (2, 4 or 8 bytes each), up to set-max-intset-entries
//   kSetIds    uint32_t size | codec, width | packed ids, up to 64 (session ids: 16 bytes instead of 36)
//   kSetFlat   uint32_t size | members with length prefixes, small sets of short members
//   kSetTable  SetTable* (member_table.h)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/access.h"
#include "storage/status.h"

namespace cloakroom::storage {

// Editing: `found` is null or a set. Creates the key on the first add. Calls the session index's hooks. Emits nothing:
// the caller reports with Access::changed() and ends a set that became empty with Access::end().
bool set_add(Access& access, Found& found, const KeyRef& key, std::string_view member);
bool set_remove(Access& access, Found& found, const KeyRef& key, std::string_view member);

// The same for an id in packed form, without the hooks: for the session index itself.
bool set_remove_id(Access& access, Found& found, const KeyRef& key, PackedId id);
bool set_contains_id(const Entry& set, PackedId id);

bool set_contains(const Entry& set, std::string_view member);
size_t set_size(const Entry& set);
// Every member once, as text. The view is valid during the call only.
void set_for_each(const Entry& set, const std::function<void(std::string_view)>& fn);
// Every member in packed form (raw when it does not pack).
void set_for_each_id(const Entry& set, const std::function<void(PackedId)>& fn);

}  // namespace cloakroom::storage
