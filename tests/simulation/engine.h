#pragma once

#include <map>
#include <set>
#include <string>

#include "tests/simulation/keyspace_model.h"
#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {

using Item = KeyspaceModel::Item;
using Hash = std::map<std::string, std::string>;
using Members = std::set<std::string>;
using Dump = std::map<KeyspaceModel::Name, Item>;

inline constexpr uint32_t kDatabases = 2;
inline constexpr int64_t kPendingMs = 400;
inline constexpr int64_t kNeverMs = 1'000'000'000'000;

inline Item item_of(const Entry& entry) {
  Item item{std::string(), entry.deadline_ms()};
  if (entry.type() == Type::kString) {
    char digits[kI64Chars];
    item.value = std::string(string_bytes(entry, digits));
  } else if (entry.type() == Type::kHash) {
    hash_for_each(entry, [&, fields = &item.value.emplace<Hash>()](HashField field) {
      (*fields)[std::string(field.name)] = field.value;
    });
  } else {
    set_visit(entry, [members = &item.value.emplace<Members>()](std::string_view m) { members->emplace(m); });
  }
  return item;
}

inline KeyspaceOptions options_of(uint32_t shards, bool index) {
  KeyspaceOptions options;
  options.shards = shards;
  options.databases = kDatabases;
  options.session_index = index;
  return options;
}

struct Engine : Fixture {
  Engine(uint32_t shards, bool index) : Fixture(options_of(shards, index)) {
    keyspace.settings().pending_ms = kPendingMs;
    keyspace.settings().hash_max_flat_entries = 4;
    keyspace.settings().set_max_int_entries = 4;
  }
  template <class Fn>  // fn(shard, table, entry) for all entries, expired ones too
  void for_all(Fn&& fn) {
    with_all([&] {
      for (Shard* shard : keyspace.shards()) {
        for (const auto& table : shard->tables) {
          if (table != nullptr)
            table->for_each([&](const Place& at) { fn(*shard, *table, *table->entry(at)); });
        }
      }
    });
  }
  Dump dump() {
    Dump out;
    for_all([&](Shard&, Table& table, Entry& entry) {
      out[{table.db(), keyspace.schema().text(entry.form(), entry.key())}] = item_of(entry);
    });
    return out;
  }
};

}  // namespace cloakroom::storage::test
