#include "storage/keyspace/effects.h"

#include <type_traits>

namespace cloakroom::storage {

Changes::Word Changes::copied(std::string_view text) {
  const size_t offset = text_.size();
  text_.append(text);
  return {nullptr, offset, text.size()};
}

void Changes::add_effect(uint32_t db, std::span<const EffectWord> words) {
  effects_.push_back({db, static_cast<uint32_t>(words.size()), words_.size()});
  for (const EffectWord& word : words) {
    if (word.owner == nullptr || word.text.size() <= kCopied) {
      words_.push_back(copied(word.text));
    } else {
      owners_.push_back(*word.owner);
      words_.push_back({word.text.data(), 0, word.text.size()});
    }
  }
}

void Changes::add_effect(uint32_t db, std::span<const std::string_view> words) {
  effects_.push_back({db, static_cast<uint32_t>(words.size()), words_.size()});
  for (const std::string_view word : words) words_.push_back(copied(word));
}

void Changes::add_event(EventClass event_class, std::string_view name, uint32_t db, std::string_view key) {
  events_.push_back({event_class, db, name, copied(key)});
}

void Changes::clear() {
  const auto empty = [](auto& items) {
    using Item = typename std::decay_t<decltype(items)>::value_type;
    items.clear();
    if (items.capacity() * sizeof(Item) > kKeptBytes) items.shrink_to_fit();
  };
  empty(text_);
  empty(owners_);
  empty(words_);
  empty(effects_);
  empty(events_);
  empty(marks_);
}

}  // namespace cloakroom::storage
