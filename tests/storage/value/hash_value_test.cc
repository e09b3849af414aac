#include "storage/value/hash_value.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/storage/fixture.h"

namespace cloakroom::storage {
namespace {

using test::Fixture;
using Fields = std::vector<std::pair<std::string, std::string>>;

// What Redis does: fields in order of insertion until the hash becomes a table, for good.
struct Model {
  Fields fields;
  bool table = false;

  auto find(std::string_view name) {
    return std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
  }
  size_t set(const Fields& pairs, size_t max_entries, size_t max_bytes) {
    size_t added = 0;
    for (const auto& [name, value] : pairs) {
      table = table || name.size() > max_bytes || value.size() > max_bytes;
    }
    for (const auto& [name, value] : pairs) {
      if (const auto at = find(name); at != fields.end()) {
        at->second = value;
      } else {
        fields.emplace_back(name, value);
        ++added;
      }
      table = table || fields.size() > max_entries;
    }
    return added;
  }
  size_t remove(std::string_view name) {
    const auto at = find(name);
    if (at == fields.end()) return 0;
    fields.erase(at);
    return 1;
  }
};

size_t set(Fixture& fixture, std::string_view name, const Fields& pairs) {
  std::vector<std::string_view> flat;
  for (const auto& [field, value] : pairs) flat.insert(flat.end(), {field, value});
  return fixture.with(name, [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    return hash_set(fixture.access, found, key, flat);
  });
}

// As HDEL: ends the key with its last field.
size_t remove(Fixture& fixture, std::string_view name, const std::vector<std::string_view>& fields) {
  return fixture.with(name, [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    const size_t removed = hash_remove(fixture.access, found, key, fields);
    if (hash_size(*found.entry) == 0) fixture.access.end(found, key, EndCause::kDeleted);
    return removed;
  });
}

Fields content(Fixture& fixture, std::string_view name) {
  return fixture.with(name, [&](const KeyRef& key) {
    Fields out;
    if (const Found found = fixture.access.read(key)) {
      hash_for_each(*found.entry, [&](HashField field) { out.emplace_back(field.name, field.value); });
      CHECK(out.size() == hash_size(*found.entry));
      for (const auto& [field, value] : out) {
        std::string_view stored;
        REQUIRE(hash_find(*found.entry, field, stored));
        CHECK(stored == value);
      }
    }
    return out;
  });
}

std::string encoding(Fixture& fixture, std::string_view name) {
  return fixture.with(name, [&](const KeyRef& key) {
    const Found found = fixture.access.peek(key);
    return std::string(found ? value_ops(found->kind()).encoding : "none");
  });
}

std::string text(std::mt19937_64& random, size_t length) {
  std::string out(length, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

Fields numbered(size_t count) {
  Fields out;
  for (size_t i = 0; i < count; ++i) out.emplace_back("field" + std::to_string(i), std::to_string(i));
  return out;
}

}  // namespace

TEST_CASE("a hash is an ordered map that becomes a table where Redis' does") {
  Fixture fixture;
  std::mt19937_64 random(21);
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    const size_t max_entries = std::vector<size_t>{0, 1, 8, 40, 128}[random() % 5];
    const size_t max_bytes = std::vector<size_t>{8, 64, 64, 200}[random() % 4];
    fixture.keyspace.settings().hash_max_flat_entries = static_cast<uint32_t>(max_entries);
    fixture.keyspace.settings().hash_max_flat_value_bytes = static_cast<uint32_t>(max_bytes);
    const size_t longest = random() % 3 == 0 ? max_bytes + 1 : max_bytes;
    const size_t names = 1 + random() % (2 * max_entries + 3);
    Model model;
    for (int step = 0; step < 300; ++step) {
      const auto field = [&] { return "f" + std::to_string(random() % names); };
      if (random() % 3 != 0) {
        Fields pairs;
        for (uint64_t n = 1 + random() % 4; n > 0; --n)
          pairs.emplace_back(field(), text(random, random() % (longest + 1)));
        if (random() % 4 == 0) pairs[0].second = std::string(3, 'x');
        REQUIRE(set(fixture, "h", pairs) == model.set(pairs, max_entries, max_bytes));
      } else if (!model.fields.empty()) {
        const std::string a = field();
        const std::string b = field();
        const size_t expected = model.remove(a) + model.remove(b);
        REQUIRE(remove(fixture, "h", {a, b}) == expected);
        if (model.fields.empty()) model.table = false;
      }
      Fields now = content(fixture, "h");
      Fields expected = model.fields;
      if (model.table) {
        std::sort(now.begin(), now.end());
        std::sort(expected.begin(), expected.end());
      }
      REQUIRE(now == expected);
      REQUIRE(encoding(fixture, "h") == (model.fields.empty() ? "none"
                                         : model.table        ? "hashtable"
                                                              : "listpack"));
    }
    fixture.erase("h");
  }
  CHECK(fixture.value_bytes() == 0);
}

TEST_CASE("the thresholds: 128 fields, 64 bytes") {
  Fixture fixture;
  set(fixture, "h", numbered(128));
  CHECK(encoding(fixture, "h") == "listpack");
  set(fixture, "h", {{"field5", "again"}});
  CHECK(encoding(fixture, "h") == "listpack");
  set(fixture, "h", {{"one more", ""}});
  CHECK(encoding(fixture, "h") == "hashtable");
  remove(fixture, "h", {"one more", "field1", "field2"});
  CHECK(encoding(fixture, "h") == "hashtable");
  CHECK(content(fixture, "h").size() == 126);

  const std::string limit(64, 'l');
  set(fixture, "value", {{"f", limit}});
  set(fixture, "name", {{limit, "v"}});
  CHECK(encoding(fixture, "value") == "listpack");
  CHECK(encoding(fixture, "name") == "listpack");
  set(fixture, "value", {{"f", limit + "l"}});
  set(fixture, "name", {{limit + "l", "v"}});
  CHECK(encoding(fixture, "value") == "hashtable");
  CHECK(encoding(fixture, "name") == "hashtable");
  set(fixture, "value", {{"f", "short"}});
  CHECK(encoding(fixture, "value") == "hashtable");
}

TEST_CASE("a few fields with a long value stay one block, more or longer ones become a table of their own") {
  Fixture fixture;
  const auto kind = [&] {
    return fixture.with("h", [&](const KeyRef& key) { return fixture.access.peek(key)->kind(); });
  };
  set(fixture, "h", {{"agent", std::string(110, 'a')}, {"ip", "::1"}});
  CHECK(kind() == Kind::kHashFlatLong);
  CHECK(encoding(fixture, "h") == "hashtable");
  CHECK(fixture.value_bytes() < 200);
  set(fixture, "h", numbered(62));
  CHECK(kind() == Kind::kHashFlatLong);
  set(fixture, "h", {{"one more", ""}});
  CHECK(kind() == Kind::kHashTable);
  CHECK(content(fixture, "h").size() == 65);
  fixture.erase("h");
  CHECK(fixture.value_bytes() == 0);

  set(fixture, "h", {{"a", std::string(2000, 'x')}});
  set(fixture, "h", {{"b", std::string(2000, 'x')}});
  CHECK(kind() == Kind::kHashFlatLong);
  set(fixture, "h", {{"c", std::string(100, 'x')}, {"d", "v"}});
  CHECK(kind() == Kind::kHashTable);
  CHECK(content(fixture, "h").size() == 4);
  fixture.erase("h");
  set(fixture, "h", {{"a", std::string(5000, 'x')}});
  CHECK(kind() == Kind::kHashTable);
}

TEST_CASE("limits changed at run time count from the next change on") {
  Fixture fixture;
  set(fixture, "many", numbered(20));
  set(fixture, "long", {{"f", std::string(60, 'x')}});
  fixture.keyspace.settings().hash_max_flat_entries = 10;
  fixture.keyspace.settings().hash_max_flat_value_bytes = 8;
  CHECK(encoding(fixture, "many") == "listpack");
  remove(fixture, "many", {"field3"});
  CHECK(encoding(fixture, "many") == "listpack");
  set(fixture, "many", {{"field4", "9"}});  // in place, and yet a change
  CHECK(encoding(fixture, "many") == "hashtable");
  set(fixture, "long", {{"g", "short"}});  // only what is written is measured
  CHECK(encoding(fixture, "long") == "listpack");
  CHECK(content(fixture, "many").size() == 19);
}

TEST_CASE("a value of the same length is written where the old one stands") {
  Fixture fixture;
  set(fixture, "h", {{"a", "first"}, {"b", "second"}, {"c", "third"}});
  const size_t before = fixture.value_bytes();
  fixture.with("h", [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    const char* value = found->value();
    const std::array<std::string_view, 4> pairs = {"b", "SECOND", "a", "FIRST"};
    CHECK(hash_set(fixture.access, found, key, pairs) == 0);
    CHECK(found->value() == value);
  });
  CHECK(content(fixture, "h") == Fields{{"a", "FIRST"}, {"b", "SECOND"}, {"c", "third"}});
  CHECK(fixture.value_bytes() == before);
}

TEST_CASE("a field named twice in one call gets the last value, and counts once") {
  Fixture fixture;
  CHECK(set(fixture, "h", {{"a", "1"}, {"b", "2"}, {"a", "three"}}) == 2);
  CHECK(content(fixture, "h") == Fields{{"a", "three"}, {"b", "2"}});
}

TEST_CASE("changing a hash keeps its deadline") {
  Fixture fixture;
  set(fixture, "h", numbered(3));
  const int64_t deadline = fixture.access.now_ms() + 1000;
  fixture.with("h", [&](const KeyRef& key) {
    Found found = fixture.access.write(key);
    fixture.access.set_deadline(found, key, deadline);
  });
  const auto shown = [&] {
    return fixture.with("h", [&](const KeyRef& key) { return fixture.access.peek(key)->deadline_ms(); });
  };
  set(fixture, "h", {{"longer", std::string(60, 'x')}});
  CHECK(shown() == deadline);
  set(fixture, "h", numbered(400));
  CHECK(encoding(fixture, "h") == "hashtable");
  CHECK(shown() == deadline);
  fixture.advance(1001);
  CHECK(content(fixture, "h").empty());
}

TEST_CASE("increments") {
  Fixture fixture;
  const auto add = [&](std::string_view field, int64_t by) {
    return fixture.with("h", [&](const KeyRef& key) {
      Found found = fixture.access.write(key);
      return hash_increment(fixture.access, found, key, field, by);
    });
  };
  const auto add_float = [&](std::string_view field, long double by) {
    return fixture.with("h", [&](const KeyRef& key) {
      Found found = fixture.access.write(key);
      return hash_increment_float(fixture.access, found, key, field, by);
    });
  };
  CHECK(add("n", 5).value == 5);
  CHECK(add("n", -7).value == -2);
  CHECK(add_float("n", 0.5L).value == "-1.5");
  CHECK(add("n", 1).status == Status::kHashNotInteger);
  CHECK(add_float("fresh", 3.0L).value == "3");
  set(fixture, "h", {{"most", "9223372036854775807"}, {"word", "abc"}, {"spaced", " 1"}, {"huge", "1e4932"}});
  CHECK(add("most", 1).status == Status::kIncrementOverflow);
  CHECK(add("word", 1).status == Status::kHashNotInteger);
  CHECK(add("spaced", 1).status == Status::kHashNotInteger);
  CHECK(add_float("word", 1).status == Status::kHashNotFloat);
  CHECK(add_float("huge", 1e4932L).status == Status::kNotFinite);
  CHECK(content(fixture, "h") == Fields{{"n", "-1.5"},
                                        {"fresh", "3"},
                                        {"most", "9223372036854775807"},
                                        {"word", "abc"},
                                        {"spaced", " 1"},
                                        {"huge", "1e4932"}});
}

TEST_CASE("copies are independent, moves keep the value, and all memory comes back") {
  Fixture fixture;
  for (const size_t fields : {5, 500}) {
    const std::string from = "from" + std::to_string(fields);
    set(fixture, from, numbered(fields));
    fixture.with_all([&] {
      const KeyRef a = fixture.key(from);
      const KeyRef b = fixture.key("copy");
      const KeyRef c = fixture.key("moved");
      Found source = fixture.access.write(a);
      DetachedValue copy = fixture.access.copy(source);
      Found target = fixture.access.write(b);
      fixture.access.attach(target, b, std::move(copy));
      source = fixture.access.write(a);
      DetachedValue moved = fixture.access.detach(source, a);
      target = fixture.access.write(c);
      fixture.access.attach(target, c, std::move(moved));
    });
    CHECK(content(fixture, from).empty());
    remove(fixture, "copy", {"field1"});
    CHECK(content(fixture, "copy").size() == fields - 1);
    CHECK(content(fixture, "moved").size() == fields);
    fixture.erase("copy");
    fixture.erase("moved");
    CHECK(fixture.value_bytes() == 0);
  }
}

TEST_CASE("every field of a hash can be drawn") {
  Fixture fixture;
  for (const size_t fields : {1, 7, 300}) {
    set(fixture, "h", numbered(fields));
    std::map<std::string, size_t> drawn;
    fixture.with("h", [&](const KeyRef& key) {
      const Found found = fixture.access.read(key);
      for (size_t i = 0; i < fields * 100; ++i)
        ++drawn[std::string(hash_random(*found.entry, fixture.access).name)];
    });
    CHECK(drawn.size() == fields);
    for (const auto& [name, count] : drawn) CHECK(count > 40);
    fixture.erase("h");
  }
}

TEST_CASE("a flat block of 65535 fields and more is counted by walking") {
  constexpr size_t kFields = 65'600;
  std::string block(FlatHash::kHeaderBytes, '\0');
  for (size_t i = 0; i < kFields; ++i) block.append("\1f\1v");
  const auto bytes = static_cast<uint32_t>(block.size());
  std::memcpy(block.data(), &bytes, sizeof bytes);
  std::memcpy(block.data() + sizeof bytes, &FlatHash::kUncounted, sizeof FlatHash::kUncounted);
  CHECK(FlatHash(block.data()).size() == kFields);
}

}  // namespace cloakroom::storage
