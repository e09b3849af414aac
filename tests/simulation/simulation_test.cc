// A seeded run of random commands, clock steps and turns of expiry on a keyspace and on a model of plain
// maps. Every few hundred steps everything is compared: what reads answer, counts, memory, the index's links,
// and a second keyspace rebuilt from the effects alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/keyspace/expiry.h"
#include "storage/log/rewriter.h"
#include "tests/simulation/effect_replay.h"
#include "tests/simulation/engine.h"
#include "tests/simulation/keyspace_model.h"
#include "tests/simulation/ring_log.h"
#include "tests/storage/commands.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {
namespace {

class Simulation {
 public:
  Simulation(uint64_t seed, uint64_t steps)
      : seed_(seed), steps_(steps), random_(seed), engine_(1u << seed % 4, true), replica_(2, seed % 2 == 0) {
    engine_.keyspace.set_effect_sink(&log_);
    // What the replica reads later, when a session had expired, may wait for it though it has come back since.
    replica_.keyspace.settings().pending_ms = kNeverMs;
    for (int i = 0; i < 6; ++i) {
      keys_.push_back("k" + std::to_string(i));
      ids_.push_back(i == 0 ? "0f8fad5b-d9cb-469f-a165-70867728950e" : std::to_string(i * 7));
      users_.push_back("user_sessions:" + std::to_string(i));
    }
    ids_.push_back("Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5");
    ids_.push_back(std::string(90, 'x'));
    for (const std::string& id : ids_) keys_.push_back("session:" + id);
    keys_.insert(keys_.end(), users_.begin(), users_.end());
    move_clock(0);
  }

  void run() {
    const char* every = std::getenv("CLOAKROOM_CHECK_EVERY");  // 1 finds the step that went wrong
    const uint64_t check_every =
        every != nullptr && *every != '\0' ? std::strtoull(every, nullptr, 10) : 50 + random_() % 400;
    for (step_ = 0; step_ < steps_; ++step_) {
      act();
      if (step_ % check_every == 0 || step_ + 1 == steps_) check();
    }
    engine_.keyspace.set_effect_sink(nullptr);
    engine_.keyspace.set_restater(nullptr);
  }
  int rewrites() const { return rewrites_; }
  std::string where() const { return "seed " + std::to_string(seed_) + " step " + std::to_string(step_); }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }
  const std::string& any(const std::vector<std::string>& of) { return of[below(of.size())]; }
  const std::string& any_key() { return any(keys_); }
  const std::string& user() { return any(users_); }
  const std::string& id() { return any(ids_); }
  std::string session() { return "session:" + id(); }
  // A key fit for a set more often than not.
  const std::string& set_key() { return below(8) == 0 ? any_key() : user(); }
  KeyspaceModel::Name name(const std::string& key) const { return {engine_.access.db(), key}; }
  int64_t now() const { return engine_.clock.wall_ms(); }
  int64_t deadline() { return now() + 1 + static_cast<int64_t>(below(below(4) == 0 ? 20'000 : 300)); }
  std::string value() {
    const uint64_t kind = below(10);
    if (kind == 0) return std::string(2000 + below(3000), 'L');
    if (kind < 4) return std::to_string(below(1'000'000));
    return std::string(below(80), static_cast<char>('a' + below(26)));
  }
  void expect(bool same, const char* what) {
    if (same) return;
    FAIL(where() << ": " << std::string(what));
  }

  void move_clock(int64_t ms) {
    engine_.advance(ms);
    model_.set_now(now());
  }
  void step_wall() {
    const int64_t by_ms = static_cast<int64_t>(below(2'000'000)) - 1'000'000;
    if (std::abs(by_ms) <= 16) return;
    check();  // the replica knows all: a step ends what is due
    engine_.step_wall(by_ms);
    replica_.step_wall(by_ms);
    engine_.access.read_clock();
    model_.step(by_ms);
  }
  // A crowd of keys fills several segments; a run of homes of it goes at once, as when keys are removed in
  // the order of a scan.
  void come_in_crowds() {
    if (crowd_.empty()) {
      for (int i = 0; i < 1500; ++i) crowd_.push_back("crowd:" + std::to_string(i));
      for (const std::string& key : crowd_) {
        cmd_.set(key, "v");
        model_.put(name(key), {std::string("v"), 0});
      }
      return;
    }
    const uint64_t first = below(kHomeBuckets);
    const uint64_t last = first + below(kHomeBuckets);
    std::erase_if(crowd_, [&](const std::string& key) {
      const uint32_t home = home_of(engine_.key(key).hash());
      if (home < first || home > last) return false;
      expect(cmd_.del(key) == (model_.find(name(key)) != nullptr), "DEL");
      model_.erase(name(key));
      return true;
    });
  }
  void full_turn() {
    const uint32_t db = engine_.access.db();
    for (Shard* shard : engine_.keyspace.shards()) {
      while (expiry_turn(engine_.access, *shard, 1 + static_cast<uint32_t>(below(1000))) ==
             ExpiryTurn::kMore) {
      }
    }
    while (!end_all_due(engine_.access)) {
    }
    engine_.access.select(db);
    model_.drop_due_pending();
  }
  void small_turn() {
    const uint32_t db = engine_.access.db();
    Shard& shard = engine_.keyspace.shard(static_cast<uint32_t>(below(engine_.keyspace.shard_count())));
    expiry_turn(engine_.access, shard, 1 + static_cast<uint32_t>(below(8)));
    engine_.access.select(db);
  }

  void act() {
    if (rewriting_ && below(4) == 0) rewrite_turn();
    if (model_.next_pending_ms() < now()) full_turn();  // ids that wait leave then or at any later time
    engine_.access.select(static_cast<uint32_t>(below(8) == 0));
    const uint64_t dice = below(1000);
    if (dice < 150) return move_clock(static_cast<int64_t>(below(below(10) == 0 ? 2000 : 30)));
    if (dice < 230) return small_turn();
    if (dice < 480) return act_on_sets();
    if (dice < 800) return act_on_values();
    if (dice < 900) return act_on_deadlines();
    if (dice < 994) return act_on_whole_keys();
    if (dice < 995) return below(2) == 0 ? step_wall() : begin_rewrite();
    if (dice < 996) return below(4) == 0 ? come_in_crowds() : void();
    if (dice < 998) {
      cmd_.flush_db();
      model_.flush(engine_.access.db());
    } else if (dice < 999) {
      cmd_.flush_all();
      for (uint32_t db = 0; db < kDatabases; ++db) model_.flush(db);
    } else {
      cmd_.swap_dbs(0, 1);
      model_.swap(0, 1);
    }
  }

  void take_log() {
    std::vector<Effect> effects = log_.take();
    if (rewriting_) since_.insert(since_.end(), effects.begin(), effects.end());
    effects_.insert(effects_.end(), effects.begin(), effects.end());
  }
  void begin_rewrite() {
    if (rewriting_) return;
    take_log();
    since_.clear();
    engine_.with_all([&] { rewriter_.begin(); });
    rewriting_ = true;
  }
  void rewrite_turn() {
    const uint32_t db = engine_.access.db();
    rewriter_.turn(engine_.access,
                   engine_.keyspace.shard(static_cast<uint32_t>(below(engine_.keyspace.shard_count()))));
    engine_.access.select(db);
  }
  // What was logged since the rewrite began is all there is.
  void end_rewrite() {
    if (!rewriting_ || below(3) == 0) return;
    for (Shard* shard : engine_.keyspace.shards()) {
      while (rewriter_.turn(engine_.access, *shard) != Rewriter::Turn::kDone) {
      }
    }
    take_log();
    rewriting_ = false;
    Engine alone(1, false);
    for (const Effect& effect : since_) replay(alone.access, effect);
    const Dump ours = engine_.dump();
    const Dump rewritten = alone.dump();
    if (ours != rewritten) MESSAGE(difference(ours, rewritten) << " / " << difference(rewritten, ours));
    expect(ours == rewritten, "the keyspace rebuilt from the rewritten log alone differs");
    ++rewrites_;
  }

  void act_on_sets() {
    const std::string key = set_key();
    const std::string member = id();
    const auto* members = model_.find_as<Members>(name(key));
    if (below(5) < 3) {
      const bool fits = model_.find(name(key)) == nullptr || members != nullptr;
      const bool fresh = fits && (members == nullptr || !members->contains(member));
      expect(cmd_.sadd(key, member) == fresh, "SADD");
      if (fresh) model_.add_member(name(key), member);
    } else {
      const bool there = members != nullptr && members->contains(member);
      expect(cmd_.srem(key, member) == there, "SREM");
      if (there) model_.remove_member(name(key), member);
    }
  }

  void act_on_values() {
    const std::string key = below(2) == 0 ? session() : any_key();
    Item* item = model_.find(name(key));
    const uint64_t dice = below(10);
    if (dice < 5) {
      const bool keep = below(3) == 0;
      const int64_t until = below(2) == 0 ? deadline() : 0;
      const std::string text = value();
      cmd_.set(key, text, until, keep);
      model_.put(name(key), {text, until != 0 ? until : keep && item != nullptr ? item->deadline_ms : 0});
    } else if (dice < 7) {
      auto* fields = model_.find_as<Hash>(name(key));
      const std::string field = "f" + std::to_string(below(8));
      const std::string text = value();
      const bool fits = item == nullptr || fields != nullptr;
      expect(cmd_.hset(key, field, text) == fits, "HSET");
      if (fields != nullptr) {
        (*fields)[field] = text;
      } else if (fits) {
        model_.put(name(key), {Hash{{field, text}}, 0});
      }
    } else if (dice < 9) {
      auto* fields = model_.find_as<Hash>(name(key));
      const std::string field = "f" + std::to_string(below(8));
      const bool there = fields != nullptr && fields->contains(field);
      expect(cmd_.hdel(key, field) == there, "HDEL");
      if (there && fields->erase(field) > 0 && fields->empty()) model_.erase(name(key));
    } else {
      const bool there = item != nullptr;
      expect(cmd_.del(key) == there, "DEL");
      model_.erase(name(key));
    }
  }

  void act_on_deadlines() {
    const std::string key = any_key();
    Item* item = model_.find(name(key));
    if (below(4) == 0) {
      const bool changes = item != nullptr && item->deadline_ms != 0;
      expect(cmd_.persist(key) == changes, "PERSIST");
      if (changes) item->deadline_ms = 0;
      return;
    }
    const uint64_t dice = below(8);
    const int64_t until = dice == 0 ? now() - 5 : dice == 1 ? (int64_t{1} << 42) + 7 : deadline();
    expect(cmd_.expire_at(key, until) == (item != nullptr), "EXPIRE");
    if (item != nullptr) item->deadline_ms = until;
    if (until <= now()) model_.erase(name(key));
  }

  void act_on_whole_keys() {
    const std::string from = any_key();
    const std::string to = any_key();
    const uint32_t db = engine_.access.db();
    const Item* source = model_.find(name(from));
    const uint64_t dice = below(8);
    if (dice < 3) {
      const bool goes = source != nullptr && from != to;
      expect(cmd_.rename(from, to) == goes, "RENAME");
      if (goes) carry(name(from), name(to), true);
    } else if (dice < 5) {
      const auto to_db = static_cast<uint32_t>(below(2));
      const bool goes = source != nullptr && (from != to || to_db != db);
      expect(cmd_.copy(from, to_db, to) == goes, "COPY");
      if (goes) carry(name(from), {to_db, to}, false);
    } else if (dice < 6) {
      const bool goes = source != nullptr && model_.find({1 - db, from}) == nullptr;
      expect(cmd_.move(from, 1 - db) == goes, "MOVE");
      if (goes) carry(name(from), {1 - db, from}, true);
    } else {
      store(to, from);
    }
  }
  void carry(const KeyspaceModel::Name& from, const KeyspaceModel::Name& to, bool leaves) {
    Item item = *model_.find(from);
    if (leaves) model_.erase(from);
    model_.put(to, std::move(item));
    model_.note_members(to);
  }
  void store(const std::string& to, const std::string& from) {
    const auto* members = model_.find_as<Members>(name(from));
    const bool goes = members != nullptr && from != to;
    expect(cmd_.store(to, from) == goes, "SUNIONSTORE");
    if (!goes) return;
    const Members kept = *members;
    const auto* there = model_.find_as<Members>(name(to));
    const Members old = there != nullptr ? *there : Members();
    model_.put(name(to), {kept, 0});
    for (const std::string& member : kept) {
      if (!old.contains(member)) model_.add_member(name(to), member);
    }
  }

  std::string difference(const Dump& a, const Dump& b) {
    for (const auto& [name, item] : a) {
      const auto at = b.find(name);
      if (at == b.end()) return "missing " + std::to_string(name.first) + " " + name.second;
      if (!(at->second == item)) return "other " + std::to_string(name.first) + " " + name.second;
    }
    return "added";
  }

  void check() {
    check_reads();
    full_turn();
    check_counts();
    check_index();
    replica_.advance(engine_.clock.monotonic_us() / 1000 -
                     replica_.clock.monotonic_us() / 1000);  // read later
    end_rewrite();
    take_log();
    for (const Effect& effect : effects_) replay(replica_.access, effect);
    effects_.clear();
    for (Shard* shard : replica_.keyspace.shards()) {  // only what FLUSH left behind: no turn ends a key here
      replica_.access.guard().take(shard->index);
      reclaim_leftovers(replica_.access, *shard, SIZE_MAX);
      replica_.access.finish();
    }
    const Dump ours = engine_.dump();
    const Dump rebuilt = replica_.dump();
    if (ours != rebuilt) MESSAGE(difference(ours, rebuilt) << " / " << difference(rebuilt, ours));
    expect(ours == rebuilt, "the keyspace rebuilt from effects differs");
  }
  void check_reads() {
    for (uint32_t db = 0; db < kDatabases; ++db) {
      engine_.access.select(db);
      for (const std::string& key : keys_) {
        const Item* expected = model_.find({db, key});
        const bool same = cmd_.run({key}, Commands::kReads, [&] {
          const Found found = engine_.access.read(engine_.key(key));
          return found ? expected != nullptr && item_of(*found.entry) == *expected : expected == nullptr;
        });
        if (!same) MESSAGE(where() << " db " << db << " key " << key);
        expect(same, "a read differs from the model");
      }
    }
  }
  void check_counts() {
    struct Sums {
      size_t entries = 0, external = 0, alive = 0, with_deadline = 0;
      int64_t sessions = 0, user_sets = 0;
    };
    std::map<const Shard*, Sums> sums;
    std::map<const Table*, std::pair<size_t, size_t>> tables;
    engine_.for_all([&](Shard& shard, Table& table, Entry& entry) {
      Sums& sum = sums[&shard];
      sum.entries += Arena::block_bytes(entry.total_bytes());
      sum.external += value_ops(entry.kind()).external_bytes(entry.value());
      if (entry.has(Entry::kHasLink)) sum.external += link_bytes(entry);
      sum.alive += !entry.expired(now());
      sum.sessions += entry.role() == KeyRole::kSession && entry.type() != Type::kSet;
      sum.user_sets += entry.role() == KeyRole::kUserSessions && entry.type() == Type::kSet;
      ++tables[&table].first;
      tables[&table].second += entry.deadline_ms() != 0;
    });
    for (const Shard* shard : engine_.keyspace.shards()) {
      Sums& sum = sums[shard];
      size_t waiting = 0;
      for (const auto& table : shard->pending.tables()) {
        if (table == nullptr) continue;
        waiting += table->size();
        table->for_each([&](const Place& place) {
          const Entry& entry = *table->entry(place);
          sum.entries += Arena::block_bytes(entry.total_bytes());
          sum.external += link_bytes(entry);
          expect(link_count(entry) > 0, "an id waits for no set");
        });
      }
      expect(shard->pending.size() == waiting, "count of waiting ids");
      for (const DepartedSet& set : shard->departed) {
        sum.external += value_ops(set.kind).external_bytes(set.value.data());
      }
    }
    size_t alive = 0;
    for (const Shard* shard : engine_.keyspace.shards()) {
      const Sums& sum = sums[shard];
      alive += sum.alive;
      expect(shard->arena.used_bytes() == sum.entries, "bytes of entries");
      expect(shard->external_bytes == sum.external, "bytes outside entries");
      expect(shard->memory_bytes() == sum.entries + sum.external + shard->segments.used_bytes(),
             "account of memory");
      expect(shard->counts.sessions == sum.sessions, "count of sessions");
      expect(shard->counts.user_sets == sum.user_sets, "count of user sets");
      for (const auto& table : shard->tables) {
        if (table == nullptr) continue;
        expect(table->size() == tables[table.get()].first, "size of a table");
        expect(table->volatile_size() == tables[table.get()].second, "keys with a deadline");
      }
    }
    expect(alive == model_.items().size(), "keys alive");
    uint64_t counted = 0;
    for (uint32_t db = 0; db < kDatabases; ++db) {
      engine_.access.select(db);
      counted += count_keys(engine_.access, true);
    }
    expect(counted == alive, "DBSIZE");
  }
  // Every id in a set is linked from its living session, or waits for it.
  void check_index() {
    const KeySchema& schema = engine_.keyspace.schema();
    engine_.for_all([&](Shard&, Table& table, Entry& set) {
      if (set.role() != KeyRole::kUserSessions || set.type() != Type::kSet || set.expired(now())) return;
      engine_.access.select(table.db());
      set_for_each_id(set, [&](PackedId id) {
        const std::string text = schema.text({KeyRole::kSession, id.codec}, id.bytes);
        const KeyRef session_key = schema.make(text);
        const Found session = engine_.access.peek(session_key);
        std::vector<uint64_t> sets;
        if (session && session->type() != Type::kSet) {
          sets = links_of(*session.entry);
        } else {
          sets = engine_.access.shard_for(session_key).pending.sets_of(table.db(), session_key.hash(), id);
        }
        expect(std::find(sets.begin(), sets.end(), table.hash_of(set)) != sets.end(), "an id has no link");
      });
    });
  }

  uint64_t seed_;
  uint64_t steps_;
  uint64_t step_ = 0;
  std::mt19937_64 random_;
  RingLog log_;
  std::vector<Effect> effects_;  // that the replica has not seen yet
  Engine engine_;
  Engine replica_;
  // Everything but the smallest is a large collection.
  Rewriter rewriter_{engine_.keyspace, log_.ring, {.turn_bytes = 200, .part_members = 2, .large_members = 3}};
  bool rewriting_ = false;
  int rewrites_ = 0;
  std::vector<Effect> since_;  // the rewrite began
  Commands cmd_{engine_.access};
  KeyspaceModel model_{kPendingMs};
  std::vector<std::string> keys_, ids_, users_, crowd_;
};

}  // namespace

TEST_CASE("A long random life: keyspace, model and replica agree") {
  const bool full = std::getenv("CLOAKROOM_TEST_FULL") != nullptr;
  const char* only = std::getenv("CLOAKROOM_SEED");
  const uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const uint64_t seeds = only != nullptr ? 1 : full ? 200 : 24;
  int rewrites = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    Simulation simulation(seed, full ? 50'000 : 4'000);
    REQUIRE_NOTHROW_MESSAGE(simulation.run(), simulation.where());
    rewrites += simulation.rewrites();
  }
  CHECK((only != nullptr || rewrites > 10));
}

}  // namespace cloakroom::storage::test
