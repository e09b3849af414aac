#include "storage/log/rewriter.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

#include "storage/base/assert.h"
#include "storage/value/hash_value.h"
#include "storage/value/set_value.h"
#include "storage/value/string_value.h"

namespace cloakroom::storage {
namespace {

constexpr size_t kMostMembers = 128;  // in one command

// Where the members of a large collection are: it is one of a table's kinds.
const MemberTable* table_of(const char* value) {
  const MemberTable* table;
  std::memcpy(&table, value, sizeof table);
  return table;
}

// Commands that add up to what an entry holds. `emit` gets the words of each.
template <class Emit>
class Statement {
 public:
  Statement(std::string_view key, Emit& emit) : key_(key), emit_(emit) {}

  void whole(const Entry& entry) {
    switch (entry.type()) {
      case Type::kString:
        return string(entry);
      case Type::kHash:
        begin("HSET");
        hash_for_each(entry, [&](HashField field) { add(field); });
        break;
      case Type::kSet:
        begin("SADD");
        set_visit(entry, [&](std::string_view member) { add(member); });
        break;
      default:
        CLOAKROOM_ASSERT(false);
    }
    end();
    deadline(entry);
  }
  // Some members of a table. Returns the next cursor, 0 at the end.
  uint64_t part(const Entry& entry, uint64_t cursor, size_t members) {
    const bool hash = entry.type() == Type::kHash;
    begin(hash ? "HSET" : "SADD");
    for (const size_t before = added_; added_ - before < members;) {
      cursor = hash ? hash_table(entry).scan(cursor,
                                             [&](const MemberTable::Item& item) {
                                               add(HashField{item.member, item.value});
                                             })
                    : set_table(entry).scan(cursor, [&](const MemberTable::Item& item) { add(item.member); });
      if (cursor == 0) break;
    }
    end();
    if (cursor == 0) deadline(entry);
    return cursor;
  }

 private:
  void string(const Entry& entry) {
    char digits[kI64Chars];
    const std::string_view text = string_bytes(entry, digits);
    const bool shared = entry.kind() == Kind::kStringShared;
    words_ = {"SET", key_, {text, shared ? &big_string(entry).bytes : nullptr}};
    const std::string at = std::to_string(entry.deadline_ms());
    if (entry.deadline_ms() != 0) words_.insert(words_.end(), {"PXAT", at});
    emit_(std::span<const EffectWord>(words_));
  }
  void deadline(const Entry& entry) {
    if (entry.deadline_ms() == 0) return;
    const std::string at = std::to_string(entry.deadline_ms());
    words_ = {"PEXPIREAT", key_, at};
    emit_(std::span<const EffectWord>(words_));
  }
  void begin(std::string_view command) { words_ = {command, key_}; }
  void add(HashField field) {
    ++added_;
    words_.emplace_back(field.name);
    words_.emplace_back(field.value);
    if (words_.size() >= 2 + 2 * kMostMembers) flush();
  }
  // The text of a packed member is good for the call only.
  void add(std::string_view member) {
    ++added_;
    words_.emplace_back(texts_.emplace_back(member));
    if (words_.size() >= 2 + kMostMembers) flush();
  }
  void flush() {
    emit_(std::span<const EffectWord>(words_));
    words_.erase(words_.begin() + 2, words_.end());
    texts_.clear();
  }
  void end() {
    if (words_.size() > 2) flush();
  }

  std::string_view key_;
  Emit& emit_;
  std::vector<EffectWord> words_;
  std::deque<std::string> texts_;
  size_t added_ = 0;  // members
};

}  // namespace

Rewriter::Rewriter(Keyspace& keyspace, LogRing& ring, const Limits& limits)
    : keyspace_(keyspace), ring_(ring), limits_(limits), large_(keyspace.shard_count()) {}

bool Rewriter::is_large(const Entry& entry) const {
  if (entry.kind() == Kind::kHashTable) return hash_size(entry) > limits_.large_members;
  return entry.kind() == Kind::kSetTable && set_size(entry) > limits_.large_members;
}

void Rewriter::end() {
  writes_ = false;
  keyspace_.set_restater(nullptr);
}

void Rewriter::begin() {
  writes_ = true;
  keyspace_.set_restater(this);
  keyspace_.turn_mark();
  ++round_;
  for (auto& of_shard : large_) of_shard.clear();
}

Rewriter::Turn Rewriter::turn(Access& access, Shard& shard) {
  access.read_clock();
  if (!access.guard().try_take(shard.index)) return Turn::kBusy;
  bool done = continue_large(access, shard);
  for (const auto& table : shard.tables) {
    if (!done) break;
    if (table != nullptr) done = walk(shard, *table);
  }
  done = done && large_[shard.index].empty();
  access.guard().release_unseen();
  return done ? Turn::kDone : Turn::kMore;
}

// True: all entries of the table are marked, or are among the large ones.
bool Rewriter::walk(Shard& shard, Table& table) {
  Table::Walk& progress = table.walk();
  if (progress.round != round_) progress = {round_, 0, false};
  Changes out;
  const auto emit = [&](std::span<const EffectWord> words) { out.add_effect(table.db(), words); };
  std::string text;
  for (size_t left = limits_.turn_buckets;
       !progress.done && left > 0 && out.effect_bytes() < limits_.turn_bytes; --left) {
    progress.cursor = table.scan(progress.cursor, [&](Entry& entry) {
      if (is_marked(entry)) return;
      if (!writes_) return mark(entry);
      const std::string_view key =
          keyspace_.schema().reference(entry.form(), entry.key(), table.hash_of(entry), text).raw();
      if (is_large(entry)) {
        large_[shard.index].push_back({std::string(key)});
        return;
      }
      Statement(key, emit).whole(entry);
      mark(entry);
    });
    progress.done = progress.cursor == 0;
  }
  write(out);
  return progress.done;
}

void Rewriter::write(const Changes& changes) {
  if (changes.has_effects()) ring_.append(changes);
}

// True: there are no large ones, or the first of them is done.
bool Rewriter::continue_large(Access& access, Shard& shard) {
  auto& waiting = large_[shard.index];
  if (waiting.empty()) return true;
  Large& large = waiting.front();
  const KeyRef key = keyspace_.schema().make(large.key);
  // SWAPDB may have moved it since.
  for (uint32_t db = 0; db < keyspace_.databases(); ++db) {
    access.select(db);
    const Found found = access.find_raw(key, true);
    if (!found || is_marked(*found.entry)) continue;
    if (!writes_) {
      mark(*found.entry);
      continue;
    }
    Changes out;
    const auto emit = [&](std::span<const EffectWord> words) { out.add_effect(db, words); };
    Statement statement(key.raw(), emit);
    if (!is_large(*found.entry)) {
      statement.whole(*found.entry);
      large.cursor = 0;
    } else {
      // Of another value than the last part was, however it came here, all is to be said.
      if (large.table != table_of(found->value())) large.cursor = 0;
      large.table = table_of(found->value());
      large.cursor = statement.part(*found.entry, large.cursor, limits_.part_members);
    }
    write(out);
    if (large.cursor == 0) mark(*found.entry);
    return false;
  }
  waiting.pop_front();
  return waiting.empty();
}

void Rewriter::discarded(const Shard& shard, const char* value) {
  for (Large& large : large_[shard.index]) {
    if (large.table == table_of(value)) large.table = nullptr;
  }
}

void Rewriter::restate(Access& access, const Found& found, const KeyRef& key) {
  CLOAKROOM_ASSERT(access.guard().holds(found.shard->index));
  if (is_marked(*found.entry)) return;
  const auto emit = [&](std::span<const EffectWord> words) { access.effect(words); };
  Statement(key.raw(), emit).whole(*found.entry);
  mark(*found.entry);
}

}  // namespace cloakroom::storage
