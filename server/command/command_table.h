#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/command/command.h"

namespace cloakroom::server {

// Flags of COMMAND INFO as bits, in Redis' order of output.
enum CommandFlag : uint32_t {
  kWrite = 1 << 0,
  kReadonly = 1 << 1,
  kDenyOom = 1 << 2,
  kModule = 1 << 3,
  kAdmin = 1 << 4,
  kPubsub = 1 << 5,
  kNoScript = 1 << 6,
  kBlocking = 1 << 7,
  kLoading = 1 << 8,
  kStale = 1 << 9,
  kSkipMonitor = 1 << 10,
  kSkipSlowlog = 1 << 11,
  kAsking = 1 << 12,
  kFast = 1 << 13,
  kNoAuth = 1 << 14,
  kNoMandatoryKeys = 1 << 15,
  kNoAsyncLoading = 1 << 16,
  kNoMulti = 1 << 17,
  kMovableKeys = 1 << 18,
  kAllowBusy = 1 << 19,
};

// One key specification of a row, parsed (CommandRow::keys).
struct KeySpec {
  std::vector<std::string> flags;  // "RW", "ACCESS", ...
  std::string keyword;             // begin by keyword; empty: by index
  int begin = 0;                   // index, or where the search for the keyword starts
  bool keynum = false;
  int a = 0;  // range: last key, relative;   keynum: index of the number of keys, relative
  int b = 0;  // range: step;                 keynum: first key, relative
  int c = 0;  // range: limit;                keynum: step
  bool is_key() const { return flags.empty() || flags[0] != "not_key"; }  // else a shard channel
  bool writes() const { return !flags.empty() && (flags[0] == "RW" || flags[0] == "OW" || flags[0] == "RM"); }
};

// A key argument of a concrete command line.
struct KeyArg {
  uint32_t index;
  bool write;
  const KeySpec* spec;
};

struct Command {
  const CommandRow* row = nullptr;
  uint32_t number = 0;  // dense; indexes per-thread statistics
  uint32_t flags = 0;
  std::string full_name;  // "client|list" as statistics and errors name it
  std::vector<KeySpec> keys;
  // First key spec as first / last / step of old COMMAND INFO; 0 0 0 without keys.
  int first_key = 0;
  int last_key = 0;
  int key_step = 0;
  bool names_keys = false;
  bool one_key = false;  // exactly one key, at argument 1: the dispatcher's fast path
  std::vector<Command*> subcommands;
  const Command* parent = nullptr;

  bool is(CommandFlag flag) const { return (flags & flag) != 0; }
  bool has(uint32_t traits) const { return (row->traits & traits) != 0; }
};

// All commands by name; built once at start from the rows of the families (family/families.h), immutable and
// thread-safe afterwards.
class CommandTable {
 public:
  // Throws std::logic_error on a malformed row.
  explicit CommandTable(std::span<const CommandRows> families);

  // Case-insensitive; null when unknown. Containers are returned as such.
  const Command* find(std::string_view name) const;
  // Of a request, by its first two words at most; a container alone is returned as such.
  const Command* find_line(std::span<const std::string_view> line) const;
  // "get" or "config|get".
  const Command* find_full(std::string_view name) const;
  const std::vector<std::unique_ptr<Command>>& all() const {
    return commands_;
  }  // containers and subcommands too
  size_t size() const { return commands_.size(); }
  // rename-command; an empty `to` removes. False when there is no such command.
  bool rename(std::string_view from, std::string_view to);

 private:
  // Names of up to 8 bytes, folded to lower case in one word: what nearly every request names is found by one
  // multiply.
  struct ShortName {
    uint64_t word = 0;
    size_t size = 0;
    Command* command = nullptr;
  };
  static constexpr size_t kShortNames = 1024;  // several times the commands: probes are short

  void add(const CommandRow& row);
  void index_short_names();
  const Command* find_short(std::string_view name) const;
  const Command* find_sub(const Command& container, std::string_view name) const;
  void link_subcommands();

  struct NoCaseHash {
    size_t operator()(std::string_view name) const;
  };
  struct NoCaseEqual {
    bool operator()(std::string_view a, std::string_view b) const;
  };
  std::vector<std::unique_ptr<Command>> commands_;
  std::deque<std::string> names_;  // of renamed commands; views into it stay valid
  std::unordered_map<std::string_view, Command*, NoCaseHash, NoCaseEqual> by_name_;
  std::vector<ShortName> short_names_;
};

// Appends the key arguments of a command line to `out`; false when it is malformed (number of keys and the
// like): the handler will report that.
bool collect_keys(const Command& command, std::span<const std::string_view> args, std::vector<KeyArg>& out);

}  // namespace cloakroom::server
