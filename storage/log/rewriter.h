// Rewriting the log by restatement: no fork, no second copy of anything.
//
// At an instant at which all guards are held, a new increment N begins and a bit is turned over, so that no entry is
// marked; new entries are born marked. From then on turns of the I/O threads write the state of each unmarked entry into
// the log, between the changes that go on, and mark it. When all are marked, N alone says all there is, and what is
// older goes.
//
//   old files, then N    exact after every group: a restatement says what is so already
//   N alone              exact once all are marked: an unmarked entry is restated later, whatever became of it in N; one
//                        that is marked, or was born in N, has all its changes in N
//
// For the second, no effect may take over an unmarked key's value: before RENAME, COPY and MOVE their source is restated
// (Access::restate). A restatement never deletes: what N says of a key before is only what was done to it since, and is
// part of its state. Collections of many members are restated part by part, with turns in between: members that come and
// go meanwhile are in N as changes; a key that is replaced meanwhile is restated from its beginning.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "storage/keyspace/access.h"
#include "storage/log/log_ring.h"

namespace cloakroom::storage {

class MemberTable;

class Rewriter final : public Restater {
 public:
  struct Limits {
    size_t turn_bytes = 16 * 1024;
    size_t turn_buckets = 256;   // also of those in which nothing is to be done
    size_t part_members = 128;   // of a large collection, in one turn
    size_t large_members = 512;  // from there on a collection is restated part by part
  };

  Rewriter(Keyspace& keyspace, LogRing& ring, const Limits& limits);
  Rewriter(Keyspace& keyspace, LogRing& ring) : Rewriter(keyspace, ring, Limits()) {}

  // A round begins: all guards are held, and the log goes on in a new increment from the ring's head.
  void begin();
  // The log ends: all guards are held. From here on nothing is written, and turns only mark what is not marked yet: the
  // next round needs all of it to be.
  void end();

  enum class Turn : uint8_t {
    kDone,  // every entry of the shard is marked
    kMore,
    kBusy,  // another thread has the shard
  };
  // Restates a part of one shard, whose guard is tried. One thread at a time for each shard.
  Turn turn(Access& access, Shard& shard);

  void restate(Access& access, const Found& found, const KeyRef& key) override;
  void discarded(const Shard& shard, const char* value) override;

 private:
  // A collection of which some members are restated.
  struct Large {
    std::string key;
    const MemberTable* table = nullptr;  // of which the last part was; null when it is gone
    uint64_t cursor = 0;
  };

  bool walk(Shard& shard, Table& table);
  bool continue_large(Access& access, Shard& shard);
  void write(const Changes& changes);
  bool is_large(const Entry& entry) const;
  bool is_marked(const Entry& entry) const { return entry.has(Entry::kMarked) == keyspace_.mark(); }
  void mark(Entry& entry) { entry.set_flag(Entry::kMarked, keyspace_.mark()); }

  Keyspace& keyspace_;
  LogRing& ring_;
  Limits limits_;
  uint32_t round_ = 0;
  bool writes_ = false;                   // under any guard
  std::vector<std::deque<Large>> large_;  // by shard; under its guard
};

}  // namespace cloakroom::storage
