#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "server/config/config.h"
#include "storage/base/assert.h"

// The table of directives: every one of Redis 7.0.15 and our own. A new directive is one row, and a field of
// Config when it acts.
namespace cloakroom::server::directives {

enum class Kind : uint8_t { kBool, kInteger, kText, kChoice, kSpecial };

enum class Effect : uint8_t {
  kKept,  // accepted, shown, without effect: named once at start when it is not the default
  kActs,
  kRefused,  // nothing but the default is accepted
};

enum ConfigFlag : uint16_t {
  kImmutable = 1 << 0,  // start only
  kSensitive = 1 << 1,
  kProtected = 1 << 2,  // CONFIG SET only with enable-protected-configs
  kHidden = 1 << 3,     // CONFIG GET only by its exact name
  kMemory = 1 << 4,     // integer with an optional unit
  kPercent = 1 << 5,    // or a percentage, kept negative
  kOctal = 1 << 6,
  kUnsigned = 1 << 7,      // 64 bits without sign
  kManyWords = 1 << 8,     // takes any number of words
  kEmptyIsUnset = 1 << 9,  // an empty text is left out of a rewritten file
  kFixed = 1 << 10,        // start only, but CONFIG SET to what it is passes
};

using Words = std::span<const std::string>;

struct RewriteLine {
  std::string text;
  bool force;  // written even when the file does not have the directive
};

// Directives with a syntax of their own.
struct Special {
  // Reads the words into `value`, which holds the current one; returns the reason for refusing. `loading`:
  // from a file or the command line, where repeated lines add up.
  std::optional<std::string> (*parse)(Words words, ConfigValue& value, bool loading);
  // Lines of a rewritten file, or null for "name value" when not the default.
  std::vector<RewriteLine> (*rewrite)(std::string_view name, const ConfigValue& value,
                                      std::string_view initial) = nullptr;
};

template <auto Member>
void store_field(Config& config, const ConfigValue& value) {
  auto& field = config.*Member;
  using Field = std::remove_reference_t<decltype(field)>;
  if constexpr (std::is_same_v<Field, std::string>) {
    field = value.text;
  } else {
    // What a row lets in its field can hold.
    if constexpr (std::is_integral_v<Field> && !std::is_same_v<Field, bool> &&
                  sizeof(Field) < sizeof(int64_t)) {
      CLOAKROOM_ASSERT(std::in_range<Field>(value.number));
    }
    field = static_cast<Field>(value.number);
  }
}

struct Row {
  std::string_view name;
  Kind kind;
  std::string_view initial;
  uint16_t flag_bits = 0;
  int64_t low = 0;
  uint64_t high = 0;
  std::string_view choices = {};  // ", " between them, as in the error
  const Special* special_syntax = nullptr;
  std::string_view old_name = {};
  Effect effect = Effect::kKept;
  std::string_view why_refused = {};
  std::string (*initial_text)() = nullptr;             // instead of `initial`: known only at start
  const char* (*check_value)(ConfigValue&) = nullptr;  // may adjust; the reason for refusing, or null
  void (*store)(Config&, const ConfigValue&) = nullptr;

  bool has(ConfigFlag flag) const { return flag_bits & flag; }
  std::string default_text() const { return initial_text ? initial_text() : std::string(initial); }

  // Each gives the row one thing more: rows are written as a chain of them.
  constexpr Row alias(std::string_view other) && { return old_name = other, *this; }
  constexpr Row flags(int bits) && { return flag_bits |= static_cast<uint16_t>(bits), *this; }
  constexpr Row check(const char* (*f)(ConfigValue&)) && { return check_value = f, *this; }
  constexpr Row starts_as(std::string (*f)()) && { return initial_text = f, *this; }
  constexpr Row refused(std::string_view why) && {
    effect = Effect::kRefused;
    why_refused = why;
    return *this;
  }
  constexpr Row into(void (*f)(Config&, const ConfigValue&)) && {
    effect = Effect::kActs;
    store = f;
    return *this;
  }
  // Read by name, without a field.
  constexpr Row acts() && { return effect = Effect::kActs, *this; }
  // Has a field that nothing reads so far.
  constexpr Row not_yet() && { return effect = Effect::kKept, *this; }
  template <auto Member>
  constexpr Row into() && {
    effect = Effect::kActs;
    store = store_field<Member>;
    return *this;
  }
};

inline constexpr int64_t kIntMax = INT32_MAX;

constexpr Row boolean(std::string_view name, bool initial) {
  return {name, Kind::kBool, initial ? "yes" : "no"};
}
constexpr Row text(std::string_view name, std::string_view initial = "") {
  return {name, Kind::kText, initial};
}
constexpr Row unset(std::string_view name) { return text(name).flags(kEmptyIsUnset); }
constexpr Row integer(std::string_view name, std::string_view initial, int64_t low, uint64_t high) {
  return {name, Kind::kInteger, initial, 0, low, high};
}
constexpr Row memory(std::string_view name, std::string_view initial, int64_t low, uint64_t high) {
  return integer(name, initial, low, high).flags(kMemory);
}
constexpr Row choice(std::string_view name, std::string_view initial, std::string_view choices) {
  return {name, Kind::kChoice, initial, 0, 0, 0, choices};
}
constexpr Row special(std::string_view name, std::string_view initial, const Special& syntax) {
  return {name, Kind::kSpecial, initial, 0, 0, 0, {}, &syntax};
}

extern const Special kBind, kSave, kOutputLimits, kNotifyEvents, kOomScores, kPercentiles, kReplicaOf,
    kShutdownOptions, kDir;

void store_bind(Config&, const ConfigValue&);
void store_save(Config&, const ConfigValue&);
void store_output_limits(Config&, const ConfigValue&);
void store_percentiles(Config&, const ConfigValue&);
void store_policy(Config&, const ConfigValue&);

std::span<const Row> network_rows();
std::span<const Row> keyspace_rows();
std::span<const Row> operation_rows();
std::span<const Row> persistence_rows();
std::span<const Row> replication_rows();
std::span<const Row> tls_rows();

// All rows; a Config's values are in this order.
std::span<const Row* const> config_rows();

struct FoundRow {
  size_t index;
  bool by_alias;
  const Row& row() const { return *config_rows()[index]; }
  // The name it was found by, in lower case.
  std::string_view name() const { return by_alias ? row().old_name : row().name; }
  bool operator==(const FoundRow&) const = default;
};
std::optional<FoundRow> find_row(std::string_view name);  // either name, any case

// Gives a directive the value that `words` say; the reason when they are wrong, nothing changed then.
std::optional<std::string> assign(Config& config, size_t row, Words words, bool loading);

Config default_config();

std::string format_memory(uint64_t bytes);               // "100mb"
std::string in_quotes(std::string_view text);            // in double quotes, with escapes
std::optional<uint64_t> parse_memory(std::string_view);  // "100mb", Redis' memtoull
std::optional<std::vector<std::string>> split_words(
    std::string_view line);  // a line of a file; empty on unbalanced quotes

}  // namespace cloakroom::server::directives
