#include "storage/keyspace/effects.h"

#include <charconv>
#include <type_traits>

#include "storage/base/assert.h"

namespace cloakroom::storage {

void Changes::add_count(char kind, size_t count) {
  char line[24];
  line[0] = kind;
  char* end = line + 1;
  if (count < 10) {
    *end++ = static_cast<char>('0' + count);
  } else {
    end = std::to_chars(end, line + sizeof line - 2, count).ptr;
  }
  *end++ = '\r';
  *end++ = '\n';
  text_.append(line, static_cast<size_t>(end - line));
}

void Changes::add_word(std::string_view word) {
  add_count('$', word.size());
  text_.append(word);
  text_.append("\r\n", 2);
}

void Changes::begin_effect(uint32_t db, size_t words) {
  if (effects_++ == 0) {
    first_db_ = db;
  } else if (db != last_db_) {
    add_count('*', 2);
    add_word("SELECT");
    add_word(std::to_string(db));
  }
  last_db_ = db;
  add_count('*', words);
}

void Changes::add_effect(uint32_t db, std::span<const EffectWord> words) {
  begin_effect(db, words.size());
  for (const EffectWord& word : words) {
    if (word.owner == nullptr || word.text.size() <= kCopied) {
      add_word(word.text);
      continue;
    }
    add_count('$', word.text.size());
    shared_.push_back({text_.size(), word.text, *word.owner});
    shared_bytes_ += word.text.size();
    text_.append("\r\n", 2);
  }
}

void Changes::add_effect(uint32_t db, std::span<const std::string_view> words) {
  begin_effect(db, words.size());
  for (const std::string_view word : words) add_word(word);
}

void Changes::add_event(EventClass event_class, std::string_view name, uint32_t db, std::string_view key) {
  events_.push_back({event_class, db, name, keys_.size(), key.size()});
  keys_.append(key);
}

void Changes::clear() {
  const auto empty = [](auto& items) {
    using Item = typename std::decay_t<decltype(items)>::value_type;
    items.clear();
    if (items.capacity() * sizeof(Item) > kKeptBytes) items.shrink_to_fit();
  };
  empty(text_);
  empty(shared_);
  shared_bytes_ = 0;
  effects_ = 0;
  empty(keys_);
  empty(events_);
  empty(marks_);
}

// The number behind the letter at `at`; moves on behind its line.
size_t Changes::Reader::number() {
  size_t value = 0;
  const char* const begin = changes.text_.data() + at + 1;
  const auto [end, error] = std::from_chars(begin, changes.text_.data() + changes.text_.size(), value);
  CLOAKROOM_ASSERT(error == std::errc() && *end == '\r');
  at = static_cast<size_t>(end - changes.text_.data()) + 2;
  return value;
}

bool Changes::Reader::next_command() {
  words.clear();
  if (at == changes.text_.size()) return false;
  CLOAKROOM_ASSERT(changes.text_[at] == '*');
  for (size_t left = number(); left > 0; --left) {
    CLOAKROOM_ASSERT(changes.text_[at] == '$');
    const size_t size = number();
    if (shared < changes.shared_.size() && changes.shared_[shared].offset == at) {
      words.push_back(changes.shared_[shared++].text);
      at += 2;
    } else {
      words.push_back(std::string_view(changes.text_).substr(at, size));
      at += size + 2;
    }
  }
  return true;
}

bool Changes::Reader::next() {
  if (!next_command()) return false;
  if (words.size() != 2 || words[0] != "SELECT") return true;
  std::from_chars(words[1].data(), words[1].data() + words[1].size(), db);
  return next_command();
}

}  // namespace cloakroom::storage
