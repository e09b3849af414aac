#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/keyspace/access.h"
#include "storage/keyspace/guard_plan.h"
#include "storage/keyspace/keyspace_walk.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/hash_value.h"
#include "storage/value/set_draft.h"
#include "storage/value/set_value.h"
#include "storage/value/string_value.h"

namespace cloakroom::storage::test {

// Commands on a keyspace as the server's families run them (guards, events, effects), without a server. One
// thread's own, as its Access.
class Commands {
 public:
  explicit Commands(Access& own_access) : access(own_access) {}

  enum KeyMode : uint8_t { kReads, kChanges, kEnds };

  // Runs fn() under the guards of `keys` and of the sessions `members`; again when it needs more. fn must not
  // change anything it captured before it is through with the keyspace.
  template <class Fn>
  auto run(std::initializer_list<std::string_view> keys, KeyMode mode, Fn&& fn,
           std::span<const std::string_view> members = {}) {
    return run(std::span(keys.begin(), keys.size()), mode, std::forward<Fn>(fn), members);
  }
  template <class Fn>
  auto run(std::span<const std::string_view> keys, KeyMode mode, Fn&& fn,
           std::span<const std::string_view> members = {}) {
    std::vector<KeyRef> refs;
    std::vector<KeyUse> uses;
    refs.reserve(keys.size());
    uses.reserve(keys.size());
    for (const std::string_view text : keys) refs.push_back(access.schema().make(text));
    for (const KeyRef& ref : refs) uses.push_back({&ref, mode != kReads, access.db()});
    const GuardPlan plan{.keys = uses, .members = members, .ends_keys = mode == kEnds || keys.size() > 1};
    const uint32_t db = access.db();
    while (!take_guards(access, plan)) {
    }
    for (;;) {
      try {
        const Finish finish{access};
        return fn();
      } catch (const GuardsNeeded& needed) {
        access.select(db);
        while (!take_guards_again(access, plan, needed.shards)) {
        }
      }
    }
  }
  // Under all guards; the keys may be touched in this database and in `other_db`.
  template <class Fn>
  auto run_all(std::initializer_list<std::string_view> keys, Fn&& fn, uint32_t other_db = 0) {
    std::vector<KeyRef> refs;
    std::vector<KeyUse> uses;
    refs.reserve(keys.size());
    uses.reserve(keys.size());
    for (const std::string_view text : keys) refs.push_back(access.schema().make(text));
    for (const KeyRef& ref : refs) {
      uses.push_back({&ref, true, access.db()});
      uses.push_back({&ref, true, other_db});
    }
    while (!take_guards(access, {.keys = uses, .members = {}, .ends_keys = true, .everything = true})) {
    }
    const Finish finish{access};
    return fn();
  }

  KeyRef key(std::string_view text) const { return access.keyspace().schema().make(text); }

  // --- under guards
  std::optional<std::string> text_at(std::string_view name);
  void put(std::string_view name, std::string_view value, int64_t deadline_ms, bool keep);
  void report_set(const KeyRef& ref, const Found& found, std::string_view value);
  void end_if_empty(Found& found, const KeyRef& ref);

  // --- whole commands
  std::optional<std::string> get(std::string_view name);
  std::set<std::string> members(std::string_view name);
  bool exists(std::string_view name);
  void set(std::string_view name, std::string_view value, int64_t deadline_ms = 0, bool keep = false);
  bool set_if_absent(std::string_view name, std::string_view value, int64_t deadline_ms = 0);
  int64_t increment(std::string_view name, int64_t by);
  bool del(std::string_view name);
  bool sadd(std::string_view name, std::string_view member);  // false also when it is no set
  bool srem(std::string_view name, std::string_view member);
  bool hset(std::string_view name, std::string_view field, std::string_view value);
  bool hdel(std::string_view name, std::string_view field);
  bool expire_at(std::string_view name, int64_t deadline_ms);
  bool persist(std::string_view name);
  bool rename(std::string_view from, std::string_view to);
  bool copy(std::string_view from, uint32_t to_db, std::string_view to);
  bool move(std::string_view name, uint32_t to_db);
  // SUNIONSTORE of one source.
  bool store(std::string_view to, std::string_view from);
  void flush_db();
  void flush_all();
  void swap_dbs(uint32_t a, uint32_t b);

  Access& access;

 private:
  struct Finish {
    Access& access;
    ~Finish() { access.finish(); }
  };
  bool is_set(const Found& found) const { return found->type() == Type::kSet; }
  void set_hooks(const KeyRef& ref, bool arrives);
  void put_in(const KeyRef& ref, DetachedValue&& value);
};

}  // namespace cloakroom::storage::test
