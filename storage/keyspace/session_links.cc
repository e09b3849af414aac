#include "storage/keyspace/session_links.h"

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstring>
#include <memory>

#include "storage/base/assert.h"

namespace cloakroom::storage {
namespace {

// The hashes are keyed and mixed already.
struct Identity {
  using is_avalanching = void;
  size_t operator()(uint64_t hash) const { return hash; }
};
using Links = boost::unordered_flat_set<uint64_t, Identity>;

constexpr size_t kAllocatorBytes = 32;
constexpr size_t kSmall = 32;  // links whose room is not worth giving back
constexpr size_t kSparse = 4;  // nor is one less than so many times what is needed

Links* many_links(const Entry& session) {
  CLOAKROOM_ASSERT(session.has(Entry::kHasLink) && session.has(Entry::kManyLinks));
  const uint64_t word = session.link();
  Links* links = nullptr;
  std::memcpy(&links, &word, sizeof links);
  return links;
}

void set_many_links(Entry& session, std::unique_ptr<Links> owned) {
  const Links* links = owned.release();
  uint64_t word = 0;
  std::memcpy(&word, &links, sizeof links);
  session.set_link(word);
  session.set_flag(Entry::kManyLinks, true);
}

void free_links(Entry& session) {
  if (session.has(Entry::kManyLinks)) {
    const std::unique_ptr<Links> freed(many_links(session));
    session.set_flag(Entry::kManyLinks, false);
  }
  session.set_link(0);
}

// Keeps the shard's account of what the links of a session take.
class AccountLinks {
 public:
  AccountLinks(Shard& shard, const Entry& session)
      : shard_(shard), session_(session), before_(link_bytes(session)) {}
  ~AccountLinks() { shard_.external_bytes += link_bytes(session_) - before_; }
  AccountLinks(const AccountLinks&) = delete;
  AccountLinks& operator=(const AccountLinks&) = delete;

 private:
  Shard& shard_;
  const Entry& session_;
  size_t before_;
};

}  // namespace

std::vector<uint64_t> links_of(const Entry& session) {
  if (session.has(Entry::kManyLinks)) {
    const Links& links = *many_links(session);
    return {links.begin(), links.end()};
  }
  if (session.link() == 0) return {};
  return {session.link()};
}

size_t link_count(const Entry& session) {
  if (session.has(Entry::kManyLinks)) return many_links(session)->size();
  return session.link() == 0 ? 0 : 1;
}

size_t link_bytes(const Entry& session) {
  if (!session.has(Entry::kManyLinks)) return 0;
  constexpr size_t kSlotBytes = sizeof(uint64_t) + 1;  // with the byte of its reduced hash
  return sizeof(Links) + kAllocatorBytes + many_links(session)->bucket_count() * kSlotBytes;
}

bool add_link(Shard& shard, Entry& session, uint64_t set_hash) {
  CLOAKROOM_ASSERT(session.has(Entry::kHasLink) && session.role() == KeyRole::kSession);
  const AccountLinks account(shard, session);
  if (session.has(Entry::kManyLinks)) {
    Links& links = *many_links(session);
    const size_t before = links.bucket_count();
    links.insert(set_hash);
    return links.bucket_count() != before;
  }
  if (session.link() == 0) {
    session.set_link(set_hash);
  } else if (session.link() != set_hash) {
    auto links = std::make_unique<Links>();
    links->insert(session.link());
    links->insert(set_hash);
    set_many_links(session, std::move(links));
  }
  return false;
}

void drop_link(Shard& shard, Entry& session, uint64_t set_hash) {
  if (!session.has(Entry::kManyLinks)) {
    if (session.link() == set_hash) session.set_link(0);
    return;
  }
  const AccountLinks account(shard, session);
  Links& links = *many_links(session);
  links.erase(set_hash);
  if (links.empty()) {
    free_links(session);
  } else if (links.bucket_count() > kSmall && links.bucket_count() > kSparse * links.size()) {
    links.rehash(0);
  }
}

void clear_links(Shard& shard, Entry& session) {
  const AccountLinks account(shard, session);
  free_links(session);
}

void move_links(Entry& from, Entry& to) {
  CLOAKROOM_ASSERT(from.has(Entry::kHasLink) && to.has(Entry::kHasLink) && to.link() == 0);
  to.set_link(from.link());
  to.set_flag(Entry::kManyLinks, from.has(Entry::kManyLinks));
  from.set_link(0);
  from.set_flag(Entry::kManyLinks, false);
}

}  // namespace cloakroom::storage
