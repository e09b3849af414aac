#include "server/command/command_table.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "storage/base/nocase.h"
#include "storage/base/number.h"

namespace cloakroom::server {
namespace {

constexpr std::array<std::string_view, 20> kFlagNames = {"write",
                                                         "readonly",
                                                         "denyoom",
                                                         "module",
                                                         "admin",
                                                         "pubsub",
                                                         "noscript",
                                                         "blocking",
                                                         "loading",
                                                         "stale",
                                                         "skip_monitor",
                                                         "skip_slowlog",
                                                         "asking",
                                                         "fast",
                                                         "no_auth",
                                                         "no_mandatory_keys",
                                                         "no_async_loading",
                                                         "no_multi",
                                                         "movablekeys",
                                                         "allow_busy"};

// At most 8 bytes; upper-case letters become lower-case, other bytes stay.
uint64_t folded_word(std::string_view name) {
  uint64_t word = 0;
  std::memcpy(&word, name.data(), name.size());
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t low = word & ~(kOnes * 0x80);
  const uint64_t from_a = low + kOnes * (0x80 - 'A');       // bit 7 of a byte: it is at least 'A'
  const uint64_t above_z = low + kOnes * (0x80 - 'Z' - 1);  // ... it is past 'Z'
  const uint64_t upper = from_a & ~above_z & ~word & (kOnes * 0x80);
  return word | upper >> 2;
}

size_t short_slot(uint64_t word, size_t slots) { return (word * 0x9e3779b97f4a7c15 >> 40) % slots; }

uint32_t parse_flags(const CommandRow& row) {
  uint32_t flags = 0;
  std::istringstream words(row.flags);
  for (std::string word; words >> word;) {
    const auto at = std::find(kFlagNames.begin(), kFlagNames.end(), word);
    if (at == kFlagNames.end()) throw std::logic_error(std::string("unknown flag of command ") + row.name);
    flags |= 1u << (at - kFlagNames.begin());
  }
  return flags;
}

KeySpec parse_key_spec(const std::string& text, const char* command) {
  KeySpec spec;
  std::istringstream words(text);
  std::string word;
  bool begun = false;
  while (!begun && words >> word) {
    if (word[0] == '@') {
      spec.begin = std::stoi(word.substr(1));
      begun = true;
    } else if (word[0] == '~') {
      const size_t colon = word.find(':');
      spec.keyword = word.substr(1, colon - 1);
      spec.begin = std::stoi(word.substr(colon + 1));
      begun = true;
    } else {
      if (word.size() > 2) word = lower(word);  // RO stays, access
      spec.flags.push_back(word);
    }
  }
  if (!(words >> word >> spec.a >> spec.b >> spec.c) || (word != "range" && word != "keynum")) {
    throw std::logic_error(std::string("malformed keys of command ") + command);
  }
  spec.keynum = word == "keynum";
  return spec;
}

std::vector<KeySpec> parse_keys(const CommandRow& row) {
  std::vector<KeySpec> specs;
  std::istringstream parts(row.keys);
  for (std::string part; std::getline(parts, part, ';');) specs.push_back(parse_key_spec(part, row.name));
  return specs;
}

// The old single range of COMMAND INFO: of the first spec, stretched over further ranges that go on from it.
void set_legacy_range(Command& command) {
  if (command.keys.empty()) return;
  const KeySpec& first = command.keys[0];
  if (!first.keyword.empty() || first.keynum) return;
  command.first_key = first.begin;
  command.last_key = first.a >= 0 ? first.begin + first.a : first.a;
  command.key_step = first.b;
  for (size_t i = 1; i < command.keys.size(); ++i) {
    const KeySpec& next = command.keys[i];
    if (!next.keyword.empty() || next.keynum || command.last_key < 0 || next.begin != command.last_key + 1)
      break;
    command.last_key = next.a >= 0 ? next.begin + next.a : next.a;
    command.key_step = next.b;
  }
}

int resolve_begin(const KeySpec& spec, std::span<const std::string_view> args) {
  if (spec.keyword.empty()) return spec.begin;
  const auto count = static_cast<int>(args.size());
  const int step = spec.begin > 0 ? 1 : -1;
  for (int i = spec.begin > 0 ? spec.begin : count + spec.begin; i > 0 && i < count; i += step) {
    if (equals_nocase(args[static_cast<size_t>(i)], spec.keyword)) return i + 1;
  }
  return 0;
}

}  // namespace

size_t CommandTable::NoCaseHash::operator()(std::string_view name) const {
  size_t h = name.size();
  for (const char c : name) h = h * 31 + static_cast<unsigned char>(c | 0x20);
  return h ^ h >> 7;
}

bool CommandTable::NoCaseEqual::operator()(std::string_view a, std::string_view b) const {
  return equals_nocase(a, b);
}

CommandTable::CommandTable(std::span<const CommandRows> families) {
  for (const CommandRows rows : families) {
    for (const CommandRow& row : rows) add(row);
  }
  link_subcommands();
  index_short_names();
}

void CommandTable::add(const CommandRow& row) {
  auto command = std::make_unique<Command>();
  command->row = &row;
  command->number = static_cast<uint32_t>(commands_.size());
  command->flags = parse_flags(row);
  command->full_name = row.name;
  command->keys = parse_keys(row);
  set_legacy_range(*command);
  command->names_keys = std::any_of(command->keys.begin(), command->keys.end(),
                                    [](const KeySpec& spec) { return spec.is_key(); });
  command->one_key =
      command->names_keys && command->keys.size() == 1 && command->first_key == 1 && command->last_key == 1;
  if (!by_name_.emplace(command->full_name, command.get()).second) {
    throw std::logic_error(std::string("two rows for command ") + row.name);
  }
  commands_.push_back(std::move(command));
}

void CommandTable::link_subcommands() {
  for (const auto& command : commands_) {
    const size_t bar = command->full_name.find('|');
    if (bar == std::string::npos) continue;
    const auto parent = by_name_.find(std::string_view(command->full_name).substr(0, bar));
    if (parent == by_name_.end()) throw std::logic_error("no container of " + command->full_name);
    command->parent = parent->second;
    parent->second->subcommands.push_back(command.get());
  }
}

void CommandTable::index_short_names() {
  short_names_.assign(kShortNames, {});
  for (const auto& [name, command] : by_name_) {
    if (name.size() > sizeof(uint64_t) || command->parent != nullptr) continue;
    const uint64_t word = folded_word(name);
    size_t at = short_slot(word, kShortNames);
    while (short_names_[at].command != nullptr) at = (at + 1) % kShortNames;
    short_names_[at] = {word, name.size(), command};
  }
}

const Command* CommandTable::find_short(std::string_view name) const {
  const uint64_t word = folded_word(name);
  for (size_t at = short_slot(word, kShortNames); short_names_[at].command != nullptr;
       at = (at + 1) % kShortNames) {
    const ShortName& candidate = short_names_[at];
    if (candidate.word == word && candidate.size == name.size()) return candidate.command;
  }
  return nullptr;
}

const Command* CommandTable::find(std::string_view name) const {
  if (name.size() <= sizeof(uint64_t)) return find_short(name);
  const auto at = by_name_.find(name);
  return at == by_name_.end() || (at->second->parent != nullptr) ? nullptr : at->second;
}

const Command* CommandTable::find_line(std::span<const std::string_view> line) const {
  const Command* command = find(line[0]);
  if (command == nullptr || command->subcommands.empty() || line.size() < 2) return command;
  return find_sub(*command, line[1]);
}

const Command* CommandTable::find_sub(const Command& container, std::string_view name) const {
  for (const Command* sub : container.subcommands) {
    if (equals_nocase(std::string_view(sub->full_name).substr(container.full_name.size() + 1), name))
      return sub;
  }
  return nullptr;
}

const Command* CommandTable::find_full(std::string_view name) const {
  const size_t bar = name.find('|');
  const Command* command = find(name.substr(0, bar));
  return command == nullptr || bar == name.npos ? command : find_sub(*command, name.substr(bar + 1));
}

bool CommandTable::rename(std::string_view from, std::string_view to) {
  const auto at = by_name_.find(from);
  if (at == by_name_.end()) return false;
  Command* command = at->second;
  by_name_.erase(at);
  if (to.empty()) {
    index_short_names();
    return true;
  }
  names_.emplace_back(to);
  const bool fresh = by_name_.emplace(names_.back(), command).second;
  index_short_names();
  return fresh;
}

bool collect_keys(const Command& command, std::span<const std::string_view> args, std::vector<KeyArg>& out) {
  const auto count = static_cast<int>(args.size());
  for (const KeySpec& spec : command.keys) {
    if (!spec.is_key()) continue;
    const int begin = resolve_begin(spec, args);
    if (begin <= 0) continue;  // an optional keyword that is not there
    int first = begin;
    int last = 0;
    int step = spec.b;
    if (spec.keynum) {
      const int at = begin + spec.a;
      const auto keys = at < count ? storage::parse_i64(args[static_cast<size_t>(at)]) : std::nullopt;
      if (!keys || *keys < 0 || *keys > count) return false;
      first = begin + spec.b;
      step = spec.c;
      last = first + (static_cast<int>(*keys) - 1) * step;
    } else if (spec.a >= 0) {
      last = first + spec.a;
    } else {
      last = spec.c > 1 ? first + (count - first) / spec.c + spec.a : count + spec.a;
    }
    if (last >= count) return false;
    for (int i = first; i <= last; i += step) out.push_back({static_cast<uint32_t>(i), spec.writes(), &spec});
  }
  return true;
}

}  // namespace cloakroom::server
