#include "storage/value/set_draw.h"

#include <unordered_set>
#include <utility>

#include "storage/base/assert.h"
#include "storage/keyspace/session_index.h"
#include "storage/value/set_draft.h"
#include "storage/value/set_value.h"

namespace cloakroom::storage {
namespace {

// Redis' SPOP_MOVE_STRATEGY_MUL: what is left times this, compared to what is taken.
constexpr size_t kRebuildFactor = 5;
constexpr size_t kDrawFactor = 3;  // drawing until enough are different pays below a third of the set

size_t random_below(Access& access, size_t n) {
  return static_cast<size_t>(static_cast<unsigned __int128>(access.random()) * n >> 64);
}

// Calls fn(member, chosen) for every member, `count` of them chosen (selection sampling, Knuth 3.4.2 S).
template <class Fn>
void select(const Entry& set, Access& access, size_t count, Fn&& fn) {
  size_t left = set_size(set);
  size_t wanted = count;
  set_visit(set, [&](std::string_view member) {
    const bool chosen = random_below(access, left) < wanted;
    --left;
    wanted -= chosen;
    fn(member, chosen);
  });
}

}  // namespace

void set_random(const Entry& set, Access& access, std::string& out) {
  char text[kMaxUnpackedId];
  switch (set.kind()) {
    case Kind::kSetInts: {
      const IntSet ints(set.value());
      out.assign(text, format_i64(text, ints.at(random_below(access, ints.size()))));
      return;
    }
    case Kind::kSetIds: {
      const IdSet ids(set.value());
      out.assign(text, unpack_id(ids.at(random_below(access, ids.size())), text));
      return;
    }
    case Kind::kSetFlat: {
      const FlatSet flat(set.value());
      out = flat.at(random_below(access, flat.size()));
      return;
    }
    default:
      out = set_table(set).random([&] { return access.random(); }).member;
  }
}

void set_sample(const Entry& set, Access& access, size_t count,
                const std::function<bool(std::string_view)>& emit) {
  const size_t size = set_size(set);
  CLOAKROOM_ASSERT(count <= size);
  if (count < size && count * kDrawFactor <= size) {
    std::unordered_set<std::string> drawn;
    std::string member;
    while (drawn.size() < count) {
      set_random(set, access, member);
      if (drawn.insert(member).second && !emit(member)) return;
    }
    return;
  }
  bool going = true;
  select(set, access, count, [&](std::string_view member, bool chosen) {
    if (chosen && going) going = emit(member);
  });
}

std::vector<std::string> set_pop(Access& access, Found& found, const KeyRef& key, size_t count) {
  const size_t size = set_size(*found.entry);
  CLOAKROOM_ASSERT(count < size);
  std::vector<std::string> out;
  out.reserve(count);
  if ((size - count) * kRebuildFactor > count) {
    std::string member;
    for (size_t i = 0; i < count; ++i) {
      set_random(*found.entry, access, member);
      set_remove(access, found, key, member);
      out.push_back(member);
    }
    return out;
  }
  SetDraft rest(access);
  select(*found.entry, access, count, [&](std::string_view member, bool chosen) {
    if (chosen) {
      out.emplace_back(member);
    } else {
      rest.add(member);
    }
  });
  rest.put(found, key, Deadline::kKeep);
  for (const std::string& member : out) SessionIndex::removed(access, key, member);
  return out;
}

}  // namespace cloakroom::storage
