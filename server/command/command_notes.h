#pragma once

#include <string_view>
#include <vector>

namespace cloakroom::server {

struct Deprecation {
  std::string_view command;
  std::string_view since;
  std::string_view replaced_by;
};

struct Change {
  std::string_view command;
  std::string_view version;
  std::string_view text;
};

// What COMMAND tells of a few commands beyond their rows. Commands by full name.
const Deprecation* deprecation_of(std::string_view command);      // null: not deprecated
bool is_system_command(std::string_view command);                 // "syscmd" among the doc_flags
std::vector<const Change*> history_of(std::string_view command);  // oldest first
std::string_view key_note_of(std::string_view command);  // "notes" of its only key specification; or empty

}  // namespace cloakroom::server
