#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace cloakroom::storage {

// Classes of keyspace events, with the letters of notify-keyspace-events (Redis 7.0).
enum class EventClass : uint16_t {
  kGeneric = 1 << 0,  // g
  kString = 1 << 1,   // $
  kList = 1 << 2,     // l
  kSet = 1 << 3,      // s
  kHash = 1 << 4,     // h
  kZset = 1 << 5,     // z
  kExpired = 1 << 6,  // x
  kEvicted = 1 << 7,  // e
  kStream = 1 << 8,   // t
  kKeyMiss = 1 << 9,  // m
  kNew = 1 << 10,     // n
};

// Receives keyspace events. Called under the guard of the key, in the order of changes: must only append to
// queues.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void event(EventClass event_class, std::string_view name, uint32_t db, std::string_view key) = 0;
};

// Receives the effect of every change as a Redis command that is idempotent when replayed in order (absolute
// deadlines, no randomness, no conditions). A group is all or nothing. Called under the guards, as above.
class EffectSink {
 public:
  virtual ~EffectSink() = default;
  virtual void effect(uint32_t db, std::span<const std::string_view> command) = 0;
  virtual void begin_group() = 0;
  virtual void end_group() = 0;
};

}  // namespace cloakroom::storage
