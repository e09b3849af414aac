#include "storage/keyspace/key.h"

#include <doctest/doctest.h>

#include <random>
#include <set>
#include <stdexcept>
#include <string>

namespace cloakroom::storage {
namespace {

KeySchema schema() {
  KeyPattern session;
  KeyPattern users;
  REQUIRE(KeyPattern::parse("session:{id}", session));
  REQUIRE(KeyPattern::parse("user_sessions:{user}", users));
  return {HashKey{}, session, users};
}

struct Packed {
  IdCodec codec;
  size_t bytes;
};

Packed pack(std::string_view text) {
  char buffer[kMaxPackedId];
  const PackedId id = pack_id(text, buffer);
  std::string back;
  append_unpacked(id, back);
  CHECK(back == text);
  CHECK(unpacked_size(id) == text.size());
  return {id.codec, id.bytes.size()};
}

}  // namespace

TEST_CASE("ids are packed where that is loss-free") {
  const auto is = [](std::string_view text, IdCodec codec, size_t bytes) {
    const Packed packed = pack(text);
    CHECK(packed.codec == codec);
    CHECK(packed.bytes == bytes);
  };
  is("123e4567-e89b-42d3-a456-426614174000", IdCodec::kUuid, 16);
  is("0123456789abcdef0123456789abcdef", IdCodec::kHex, 16);
  is(std::string(64, 'a'), IdCodec::kHex, 32);
  is("abcdefghijklmnopqrstuA", IdCodec::kBase64Url, 16);  // 22 digits, last with four zero bits
  is("Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2Fyc", IdCodec::kRaw, 41);
  is("123E4567-E89B-42D3-A456-426614174000", IdCodec::kBase64Url, 27);  // '-' is a digit there
  is("123e4567-e89b-42d3-a456-42661417400g", IdCodec::kBase64Url, 27);
  is("abc", IdCodec::kRaw, 3);
  is("", IdCodec::kRaw, 0);
  is(std::string(200, 'a'), IdCodec::kRaw, 200);
}

TEST_CASE("A stored key is referred to as it was when a command named it") {
  const KeySchema keys = schema();
  for (const std::string& raw :
       {std::string("plain"), std::string(), std::string("session:123e4567-e89b-42d3-a456-426614174000"),
        std::string("session:"), std::string("session:not packed"), "session:" + std::string(64, 'a'),
        std::string("user_sessions:7"), "user_sessions:" + std::string(300, 'x')}) {
    const KeyRef named = keys.make(raw);
    std::string text = "before";
    const KeyRef referred = keys.reference(named.form(), named.stored(), named.hash(), text);
    CHECK(referred.raw() == raw);
    CHECK(referred.stored() == named.stored());
    CHECK(referred.form() == named.form());
    CHECK(referred.hash() == named.hash());
  }
}

TEST_CASE("every digit of an id is checked") {
  const std::string uuid = "123e4567-e89b-42d3-a456-426614174000";
  const std::string hex = "00112233445566778899aabbccddeeff0123456789ab";  // 32 digits at once, then the rest
  for (const std::string& id : {uuid, hex}) {
    const IdCodec codec = id == uuid ? IdCodec::kUuid : IdCodec::kHex;
    for (size_t i = 0; i < id.size(); ++i) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text = id;
        text[i] = static_cast<char>(byte);
        const bool fits =
            id[i] == '-' ? byte == '-' : (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
        CHECK((pack(text).codec == codec) == fits);
      }
    }
  }
}

TEST_CASE("random texts over small alphabets come back unchanged") {
  std::mt19937 random(1);
  const std::string alphabets[] = {"0123456789abcdef", "0123456789abcdef-", "ABCab01-_",
                                   std::string("\0\xff-a", 4)};
  for (int i = 0; i < 200'000; ++i) {
    const std::string& alphabet = alphabets[random() % 4];
    std::string text(random() % 70, ' ');
    for (char& c : text) c = alphabet[random() % alphabet.size()];
    if (random() % 4 == 0 && text.size() == 36) text[8] = text[13] = text[18] = text[23] = '-';
    char buffer[kMaxPackedId];
    std::string back;
    append_unpacked(pack_id(text, buffer), back);
    REQUIRE(back == text);
  }
}

TEST_CASE("different texts never share a stored form") {
  const KeySchema s = schema();
  std::mt19937 random(2);
  std::set<std::string> texts;
  std::set<std::pair<uint16_t, std::string>> stored;
  for (int i = 0; i < 50'000; ++i) {
    std::string text = random() % 2 ? "session:" : random() % 2 ? "user_sessions:" : "";
    const size_t size = random() % 5 ? random() % 4 : 22 + random() % 16;
    for (size_t k = 0; k < size; ++k) text += "01ab-"[random() % 5];
    const KeyRef key = s.make(text);
    CHECK(s.text(key.form(), key.stored()) == text);
    const bool fresh = texts.insert(text).second;
    CHECK(stored.emplace(key.form().bits(), key.stored()).second == fresh);
  }
}

TEST_CASE("roles follow the patterns") {
  const KeySchema s = schema();
  CHECK(s.make("session:x").role() == KeyRole::kSession);
  CHECK(s.make("session:").role() == KeyRole::kSession);  // an empty id is one too
  CHECK(s.make("session").role() == KeyRole::kPlain);
  CHECK(s.make("sessions:x").role() == KeyRole::kPlain);
  CHECK(s.make("user_sessions:7").role() == KeyRole::kUserSessions);
  CHECK(s.make("user_sessions").role() == KeyRole::kPlain);
  char buffer[kMaxPackedId];
  const std::string id = "123e4567-e89b-42d3-a456-426614174000";
  CHECK(s.session_hash(pack_id(id, buffer)) == s.make("session:" + id).hash());
}

TEST_CASE("a key that fits both patterns belongs to the longer one; equal patterns are refused") {
  const auto make = [](const char* session_text, const char* users_text) {
    KeyPattern session;
    KeyPattern users;
    REQUIRE(KeyPattern::parse(session_text, session));
    REQUIRE(KeyPattern::parse(users_text, users));
    return KeySchema({}, session, users);
  };
  const KeySchema all = make("s:{id}", "s:{user}:all");
  CHECK(all.make("s:7").role() == KeyRole::kSession);
  CHECK(all.make("s:7:all").role() == KeyRole::kUserSessions);
  CHECK(make("session:{id}", "session:{user}:sessions").make("session:u:sessions").role() ==
        KeyRole::kUserSessions);
  CHECK(make("s:{id}:data", "s:{user}").make("s:7:data").role() == KeyRole::kSession);
  CHECK_THROWS_AS(make("s:{id}", "s:{user}"), std::invalid_argument);
  CHECK(make("ab{id}", "a{user}b").make("ab1b").role() == KeyRole::kSession);
  CHECK(make("{id}:a", "b:{user}").make("b:1:a").role() == KeyRole::kUserSessions);
  CHECK(make("a:{id}", "b:{user}").make("b:1").role() == KeyRole::kUserSessions);
  CHECK(make("a:{id}:x", "a:{user}:y").make("a:1:y").role() == KeyRole::kUserSessions);
}

TEST_CASE("patterns may have a suffix, and the longer one wins") {
  KeyPattern session;
  KeyPattern users;
  REQUIRE(KeyPattern::parse("s:{id}:data", session));
  REQUIRE(KeyPattern::parse("s:user:{user}", users));
  const KeySchema s({}, session, users);
  CHECK(s.make("s:1:data").role() == KeyRole::kSession);
  CHECK(s.make("s:1:datax").role() == KeyRole::kPlain);
  CHECK(s.make("s::data").role() == KeyRole::kSession);
  CHECK(s.make("s:data").role() == KeyRole::kPlain);
  CHECK(s.make("s:user:1:data").role() == KeyRole::kUserSessions);
  CHECK(s.text(s.make("s:1:data").form(), "1") == "s:1:data");
  KeyPattern bad;
  for (const char* text : {"{id}", "session:", "a{b}c{d}", "a}b{", ""})
    CHECK_FALSE(KeyPattern::parse(text, bad));
}

}  // namespace cloakroom::storage
