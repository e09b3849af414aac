#include "tests/simulation/effect_replay.h"

#include <charconv>
#include <functional>
#include <map>
#include <stdexcept>

#include "storage/keyspace/keyspace_walk.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/hash_value.h"
#include "storage/value/set_value.h"
#include "storage/value/string_value.h"

namespace cloakroom::storage::test {
namespace {

int64_t number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) throw std::invalid_argument(text);
  return value;
}

class Replay {
 public:
  Replay(Access& access, const Effect& effect) : access_(access), db_(effect.db), words_(effect.words) {}

  void run() {
    using Handler = void (Replay::*)();
    static const std::map<std::string_view, Handler> kHandlers = {
        {"SET", &Replay::set},         {"DEL", &Replay::del},           {"SADD", &Replay::sadd},
        {"SREM", &Replay::srem},       {"HSET", &Replay::hset},         {"HDEL", &Replay::hdel},
        {"PERSIST", &Replay::persist}, {"PEXPIREAT", &Replay::expire},  {"RENAME", &Replay::rename},
        {"COPY", &Replay::copy},       {"MOVE", &Replay::move},         {"FLUSHDB", &Replay::flush_db},
        {"SWAPDB", &Replay::swap_dbs}, {"FLUSHALL", &Replay::flush_all}};
    const auto handler = kHandlers.find(words_[0]);
    if (handler == kHandlers.end()) throw std::invalid_argument("no such effect: " + words_[0]);
    access_.guard().take_all();
    access_.select(db_);
    (this->*handler->second)();
    access_.finish();
  }

 private:
  KeyRef key(size_t i) { return access_.schema().make(words_[i]); }
  Found find(const KeyRef& ref) { return access_.find_raw(ref, true); }
  Found find_of(const KeyRef& ref, Type type) {
    const Found found = find(ref);
    if (found && found->type() != type) throw std::invalid_argument("wrong type for " + words_[0]);
    return found;
  }

  void set() {
    const KeyRef ref = key(1);
    Found found = find(ref);
    string_set(access_, found, ref, {words_[2]}, Deadline::kClear);
    if (words_.size() == 3) return;
    if (words_.size() != 5 || words_[3] != "PXAT") throw std::invalid_argument("SET " + words_[3]);
    access_.set_deadline(found, ref, number(words_[4]));
  }
  void del() {
    const KeyRef ref = key(1);
    if (Found found = find(ref)) end(found, ref);
  }
  void end(Found& found, const KeyRef& ref) {
    hooks(ref, false);
    access_.end(found, ref, EndCause::kDeleted);
  }
  void sadd() {
    const KeyRef ref = key(1);
    Found found = find_of(ref, Type::kSet);
    for (size_t i = 2; i < words_.size(); ++i) set_add(access_, found, ref, words_[i]);
  }
  void srem() {
    const KeyRef ref = key(1);
    Found found = find_of(ref, Type::kSet);
    for (size_t i = 2; i < words_.size() && found; ++i) {
      if (set_remove(access_, found, ref, words_[i]) && set_size(*found.entry) == 0) end(found, ref);
    }
  }
  void hset() {
    const KeyRef ref = key(1);
    Found found = find_of(ref, Type::kHash);
    const std::vector<std::string_view> pairs(words_.begin() + 2, words_.end());
    hash_set(access_, found, ref, pairs);
  }
  void hdel() {
    const KeyRef ref = key(1);
    Found found = find_of(ref, Type::kHash);
    if (!found) return;
    const std::vector<std::string_view> names(words_.begin() + 2, words_.end());
    hash_remove(access_, found, ref, names);
    if (hash_size(*found.entry) == 0) end(found, ref);
  }
  void persist() { expire_at(0); }
  void expire() { expire_at(number(words_[2])); }
  void expire_at(int64_t deadline_ms) {
    const KeyRef ref = key(1);
    if (Found found = find(ref)) access_.set_deadline(found, ref, deadline_ms);
  }

  void hooks(const KeyRef& ref, bool arrives) {
    const Found found = find(ref);
    if (!found || found->type() != Type::kSet || !SessionIndex::concerns(access_, ref)) return;
    set_for_each_id(*found.entry, [&](PackedId id) {
      arrives ? SessionIndex::member_added(access_, ref, id) : SessionIndex::member_removed(access_, ref, id);
    });
  }
  void put(const KeyRef& ref, DetachedValue&& value) {
    hooks(ref, false);
    Found found = find(ref);
    access_.attach(found, ref, std::move(value));
    hooks(ref, true);
  }
  DetachedValue take(const KeyRef& ref) {
    Found found = find(ref);
    if (!found) throw std::invalid_argument(words_[0] + " of nothing");
    hooks(ref, false);
    return access_.detach(found, ref);
  }
  void rename() { put(key(2), take(key(1))); }
  void copy() {
    const Found source = find(key(1));
    if (!source) throw std::invalid_argument("COPY of nothing");
    DetachedValue value = access_.copy(source);
    access_.select(static_cast<uint32_t>(number(words_[4])));
    put(key(2), std::move(value));
  }
  void move() {
    DetachedValue value = take(key(1));
    access_.select(static_cast<uint32_t>(number(words_[2])));
    put(key(1), std::move(value));
  }
  void flush_db() { storage::flush_db(access_); }
  void flush_all() { storage::flush_all(access_); }
  void swap_dbs() {
    swap_databases(access_, static_cast<uint32_t>(number(words_[1])),
                   static_cast<uint32_t>(number(words_[2])));
  }

  Access& access_;
  uint32_t db_;
  const std::vector<std::string>& words_;
};

}  // namespace

void replay(Access& access, const Effect& effect) { Replay(access, effect).run(); }

}  // namespace cloakroom::storage::test
