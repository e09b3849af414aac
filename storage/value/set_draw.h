#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/keyspace/access.h"

namespace cloakroom::storage {

// Members drawn from a set that is not empty, each choice equally likely.

void set_random(const Entry& set, Access& access, std::string& out);
// Emits `count` different members, at most as many as there are, until `emit` answers false.
void set_sample(const Entry& set, Access& access, size_t count,
                const std::function<bool(std::string_view)>& emit);
// Takes out `count` different members, fewer than there are. Calls the session index's hooks. As in Redis, a
// set of which little is left is built anew, and may be an intset again.
std::vector<std::string> set_pop(Access& access, Found& found, const KeyRef& key, size_t count);

}  // namespace cloakroom::storage
