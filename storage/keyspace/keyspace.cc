#include "storage/keyspace/keyspace.h"

#include <bit>
#include <stdexcept>

#include "storage/base/assert.h"
#include "storage/base/big_bytes.h"
#include "storage/keyspace/access.h"
#include "storage/keyspace/session_links.h"

namespace cloakroom::storage {
namespace {

KeyPattern parse_pattern(const std::string& text) {
  KeyPattern pattern;
  if (!KeyPattern::parse(text, pattern)) {
    throw std::invalid_argument(
        "a session key pattern needs exactly one {placeholder} and some text besides it");
  }
  return pattern;
}

}  // namespace

Keyspace::Keyspace(const KeyspaceOptions& options, const Clock& clock)
    : clock_(clock),
      wall_offset_us_(clock.wall_us() - clock.monotonic_us()),
      schema_(options.hash_key, parse_pattern(options.session_pattern),
              parse_pattern(options.user_sessions_pattern)),
      databases_(options.databases),
      shard_bits_(static_cast<uint32_t>(std::countr_zero(options.shards))),
      session_index_(options.session_index),
      single_threaded_(options.single_threaded) {
  if (!std::has_single_bit(options.shards) || options.shards > kMaxShards) {
    throw std::invalid_argument("the number of shards must be a power of two up to 1024");
  }
  const int64_t now_ms = now().wall_ms;
  for (uint32_t i = 0; i < options.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(i, databases_, source_, now_ms));
    shard_pointers_.push_back(shards_.back().get());
  }
}

Instant Keyspace::now() const {
  const uint32_t epoch =
      epoch_.load(std::memory_order_acquire);  // before the offset, which is stored before it
  const int64_t steady_us = clock_.monotonic_us();
  if (__builtin_expect(loading(), 0)) return {0, steady_us / 1000, epoch};
  const int64_t wall_us = steady_us + wall_offset_us_.load(std::memory_order_relaxed);
  return {wall_us / 1000, steady_us / 1000, epoch};
}

// From here on all shards are at now(), whatever they were at before. All guards are held.
void Keyspace::begin_epoch(Access& access, bool far) {
  Instant instant = now();
  ++instant.epoch;
  for (Shard* shard : shard_pointers_) {
    shard->latest_ms = instant.wall_ms;
    shard->epoch = instant.epoch;
    shard->wheel.restart(instant.wall_ms, far);
  }
  access.guard().step_clock(instant);
  epoch_.store(instant.epoch, std::memory_order_release);
}

Keyspace::~Keyspace() {
  Garbage garbage;
  const auto drop = [&](Shard& shard, const Table& table) {
    table.for_each([&](const Place& place) {
      Entry& entry = *table.entry(place);
      value_ops(entry.kind()).destroy(entry.value(), garbage);
      if (entry.has(Entry::kHasLink)) clear_links(shard, entry);
    });
  };
  for (const auto& shard : shards_) {
    for (const auto& table : shard->tables) {
      if (table != nullptr) drop(*shard, *table);
    }
    for (const auto& table : shard->detached) drop(*shard, *table);
    for (const auto& table : shard->pending.tables()) {
      if (table != nullptr) drop(*shard, *table);
    }
    for (const DepartedSet& set : shard->departed) value_ops(set.kind).destroy(set.value.data(), garbage);
  }
}

size_t Keyspace::memory_bytes() const {
  size_t sum = big_bytes_alive();
  for (const Shard* shard : shard_pointers_) sum += shard->memory_bytes();
  return sum;
}

std::unique_ptr<Table> Keyspace::new_table(Shard& shard) {
  return std::make_unique<Table>(shard_bits_, schema_, shard.arena, shard.segments, shard.wheel);
}

Table& Keyspace::table(Shard& shard, uint32_t db) {
  CLOAKROOM_ASSERT(db < databases_);
  auto& table = shard.tables[db];
  if (table == nullptr) {
    table = new_table(shard);
    table->set_db(db);
  }
  return *table;
}

}  // namespace cloakroom::storage
