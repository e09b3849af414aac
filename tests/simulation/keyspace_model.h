#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace cloakroom::storage::test {

// What the keyspace should hold: plain maps, with the rules of expiry and of the session index spelled out.
// Keys go at their deadline at once; ids that wait for their session go when pending_due() says so.
class KeyspaceModel {
 public:
  using Value = std::variant<std::string, std::map<std::string, std::string>, std::set<std::string>>;
  struct Item {
    Value value;
    int64_t deadline_ms = 0;
    bool operator==(const Item&) const = default;
  };
  using Name = std::pair<uint32_t, std::string>;

  explicit KeyspaceModel(int64_t pending_ms) : pending_ms_(pending_ms) {}

  const std::map<Name, Item>& items() const { return items_; }
  Item* find(const Name& name) {
    const auto at = items_.find(name);
    return at == items_.end() ? nullptr : &at->second;
  }
  template <class T>
  T* find_as(const Name& name) {
    Item* item = find(name);
    return item == nullptr ? nullptr : std::get_if<T>(&item->value);
  }
  static bool is_session_key(const std::string& key) { return key.starts_with("session:"); }
  static bool is_user_key(const std::string& key) { return key.starts_with("user_sessions:"); }

  void set_now(int64_t now_ms) {
    now_ms_ = now_ms;
    for (auto at = items_.begin(); at != items_.end();) {
      const Name name = at->first;
      const bool gone = at->second.deadline_ms != 0 && now_ms > at->second.deadline_ms;
      ++at;
      if (!gone || find(name) == nullptr) continue;
      erase(name);
      at = items_.upper_bound(name);
    }
  }
  // The wall clock steps: deadlines stay, waiting goes on.
  void step(int64_t by_ms) {
    for (auto& [what, due] : pending_) due += by_ms;
    set_now(now_ms_ + by_ms);
  }
  void erase(const Name& name) {
    const auto at = items_.find(name);
    if (at == items_.end()) return;
    const bool session = is_session(name, at->second.value);
    items_.erase(at);
    if (session) leave_sets(name);
  }
  // Replaces or creates, whatever stood there.
  void put(const Name& name, Item item) {
    Item* old = find(name);
    const bool was = old != nullptr && is_session(name, old->value);
    const bool is = is_session(name, item.value);
    items_[name] = std::move(item);
    if (was && !is) leave_sets(name);
    if (is && !was) take_pending(name);
  }
  void add_member(const Name& set, const std::string& member) {
    if (find(set) == nullptr) items_[set] = {std::set<std::string>(), 0};
    std::get<std::set<std::string>>(find(set)->value).insert(member);
    note_member(set, member);
  }
  void remove_member(const Name& set, const std::string& member) {
    auto& members = std::get<std::set<std::string>>(find(set)->value);
    members.erase(member);
    pending_.erase({set, member});
    if (members.empty()) items_.erase(set);
  }
  // The members of a set that has been put whole.
  void note_members(const Name& set) {
    if (const auto* members = find_as<std::set<std::string>>(set)) {
      for (const std::string& member : *members) note_member(set, member);
    }
  }
  int64_t next_pending_ms() const {
    int64_t next = INT64_MAX;
    for (const auto& [what, due] : pending_) next = std::min(next, due);
    return next;
  }
  void drop_due_pending() {
    for (auto at = pending_.begin(); at != pending_.end();) {
      if (at->second >= now_ms_) {
        ++at;
        continue;
      }
      const auto [set, member] = at->first;
      at = pending_.erase(at);
      auto* members = find_as<std::set<std::string>>(set);
      if (members != nullptr && members->erase(member) > 0 && members->empty()) items_.erase(set);
    }
  }
  void flush(uint32_t db) {
    std::erase_if(items_, [&](const auto& item) { return item.first.first == db; });
    std::erase_if(pending_, [&](const auto& item) { return item.first.first.first == db; });
  }
  void swap(uint32_t a, uint32_t b) {
    const auto other = [&](uint32_t db) { return db == a ? b : db == b ? a : db; };
    std::map<Name, Item> items;
    for (auto& [name, item] : items_) items[{other(name.first), name.second}] = std::move(item);
    items_ = std::move(items);
    std::map<std::pair<Name, std::string>, int64_t> pending;
    for (auto& [what, due] : pending_)
      pending[{{other(what.first.first), what.first.second}, what.second}] = due;
    pending_ = std::move(pending);
  }

 private:
  static bool is_session(const Name& name, const Value& value) {
    return is_session_key(name.second) && !std::holds_alternative<std::set<std::string>>(value);
  }
  static std::string id_of(const Name& session) { return session.second.substr(8); }

  void leave_sets(const Name& session) {
    const std::string id = id_of(session);
    for (auto at = items_.lower_bound({session.first, "user_sessions:"}); at != items_.end();) {
      if (at->first.first != session.first || !is_user_key(at->first.second)) break;
      auto* members = std::get_if<std::set<std::string>>(&at->second.value);
      const bool emptied = members != nullptr && members->erase(id) > 0 && members->empty();
      at = emptied ? items_.erase(at) : std::next(at);
    }
  }
  void take_pending(const Name& session) {
    const std::string id = id_of(session);
    std::erase_if(pending_, [&](const auto& item) {
      return item.first.first.first == session.first && item.first.second == id;
    });
  }
  void note_member(const Name& set, const std::string& member) {
    if (!is_user_key(set.second)) return;
    const Name session{set.first, "session:" + member};
    const Item* item = find(session);
    if (item != nullptr && is_session(session, item->value)) return;
    pending_[{set, member}] = 0;
    for (auto& [what, due] : pending_) {  // an id waits as long for all its sets
      if (what.first.first == set.first && what.second == member) due = now_ms_ + pending_ms_;
    }
  }

  std::map<Name, Item> items_;
  std::map<std::pair<Name, std::string>, int64_t> pending_;
  int64_t pending_ms_;
  int64_t now_ms_ = 0;
};

}  // namespace cloakroom::storage::test
