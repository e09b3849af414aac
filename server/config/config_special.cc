#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "server/config/config_table.h"
#include "storage/base/nocase.h"
#include "storage/base/number.h"

// Directives with a syntax of their own. Their `store` functions read the canonical text that `parse` made.
namespace cloakroom::server::directives {
namespace {

using Reason = std::optional<std::string>;

std::string joined(Words words) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

// What C's strtoll reads, to the end of the word; an empty word is 0.
std::optional<int64_t> c_integer(const std::string& word) {
  char* end = nullptr;
  const long long number = std::strtoll(word.c_str(), &end, 10);
  if (*end != '\0') return std::nullopt;
  return number;
}

std::vector<std::string> words_of(const ConfigValue& value) {
  return split_words(value.text).value_or(std::vector<std::string>());
}

Reason parse_bind(Words words, ConfigValue& value, bool) {
  constexpr size_t kMaxAddresses = 16;
  if (words.size() > kMaxAddresses) return "Too many bind addresses specified.";
  value.text = joined(words);
  return std::nullopt;
}

std::vector<RewriteLine> rewrite_bind(std::string_view name, const ConfigValue& value,
                                      std::string_view initial) {
  return {{std::string(name) + ' ' + (value.text.empty() ? "\"\"" : value.text), value.text != initial}};
}

// `number` remembers that the file has said `save`: its first line drops the defaults, further ones add
// points.
Reason parse_save(Words words, ConfigValue& value, bool loading) {
  const bool reset = !loading || value.number == 0 || (words.size() == 1 && words[0].empty());
  if (words.size() == 1 && words[0].empty()) words = {};
  if (words.size() % 2 != 0) return "Invalid save parameters";
  std::string points = reset ? "" : value.text;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto number = c_integer(words[i]);
    if (!number || *number < (i % 2 == 0 ? 1 : 0)) return "Invalid save parameters";
    if (!points.empty()) points += ' ';
    points += std::to_string(*number);
  }
  value = {points, loading ? 1 : 0};
  return std::nullopt;
}

// Always written, as Redis does: without the line the defaults would come back.
std::vector<RewriteLine> rewrite_save(std::string_view name, const ConfigValue& value, std::string_view) {
  const auto words = words_of(value);
  if (words.empty()) return {{std::string(name) + " \"\"", true}};
  std::vector<RewriteLine> lines;
  for (size_t i = 0; i + 1 < words.size(); i += 2) {
    lines.push_back({std::string(name) + ' ' + words[i] + ' ' + words[i + 1], true});
  }
  return lines;
}

constexpr std::array<std::string_view, 3> kClasses{"normal", "slave", "pubsub"};

std::string class_text(size_t which, const protocol::OutputLimit& limit, bool with_units) {
  const auto bytes = [&](uint64_t n) { return with_units ? format_memory(n) : std::to_string(n); };
  std::string name(kClasses[which]);
  if (with_units && which == 1) name = "replica";
  return name + ' ' + bytes(limit.hard_bytes) + ' ' + bytes(limit.soft_bytes) + ' ' +
         std::to_string(limit.soft_seconds);
}

protocol::OutputLimits limits_of(std::string_view text) {
  protocol::OutputLimits limits;
  const auto words = split_words(text).value_or(std::vector<std::string>());
  for (size_t i = 0; i + 3 < words.size(); i += 4) {
    limits.by_class[i / 4] = {std::strtoull(words[i + 1].c_str(), nullptr, 10),
                              std::strtoull(words[i + 2].c_str(), nullptr, 10), *c_integer(words[i + 3])};
  }
  return limits;
}

Reason parse_output_limits(Words words, ConfigValue& value, bool) {
  if (words.size() % 4 != 0) return "Wrong number of arguments in buffer limit configuration.";
  auto limits = limits_of(value.text);
  for (size_t i = 0; i < words.size(); i += 4) {
    std::string name = lower(words[i]);
    if (name == "replica") name = kClasses[1];
    const auto* which = std::find(kClasses.begin(), kClasses.end(), name);
    if (which == kClasses.end()) return "Invalid client class specified in buffer limit configuration.";
    const auto hard = parse_memory(words[i + 1]), soft = parse_memory(words[i + 2]);
    const auto seconds = c_integer(words[i + 3]);
    if (!hard || !soft || !seconds || *seconds < 0) {
      return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    }
    limits.by_class[static_cast<size_t>(which - kClasses.begin())] = {*hard, *soft, *seconds};
  }
  value.text.clear();
  for (size_t i = 0; i < kClasses.size(); ++i) {
    value.text += (i == 0 ? "" : " ") + class_text(i, limits.by_class[i], false);
  }
  return std::nullopt;
}

std::vector<RewriteLine> rewrite_output_limits(std::string_view name, const ConfigValue& value,
                                               std::string_view initial) {
  const auto limits = limits_of(value.text), defaults = limits_of(initial);
  std::vector<RewriteLine> lines;
  for (size_t i = 0; i < kClasses.size(); ++i) {
    const std::string line = class_text(i, limits.by_class[i], true);
    lines.push_back({std::string(name) + ' ' + line, line != class_text(i, defaults.by_class[i], true)});
  }
  return lines;
}

struct EventLetter {
  char letter;
  uint32_t bit;
};
constexpr uint32_t bit(storage::EventClass event_class) { return static_cast<uint32_t>(event_class); }
using enum storage::EventClass;
// In the order of CONFIG GET; those before kAfterAll are what `A` stands for.
constexpr EventLetter kLetters[] = {{'g', bit(kGeneric)},   {'$', bit(kString)},  {'l', bit(kList)},
                                    {'s', bit(kSet)},       {'h', bit(kHash)},    {'z', bit(kZset)},
                                    {'x', bit(kExpired)},   {'e', bit(kEvicted)}, {'t', bit(kStream)},
                                    {'d', kNotifyModule},   {'n', bit(kNew)},     {'K', kNotifyKeyspace},
                                    {'E', kNotifyKeyevent}, {'m', bit(kKeyMiss)}};
constexpr size_t kAfterAll = 10;

constexpr uint32_t kAllEvents = [] {
  uint32_t all = 0;
  for (size_t i = 0; i < kAfterAll; ++i) all |= kLetters[i].bit;
  return all;
}();

std::string events_text(uint32_t events) {
  std::string out;
  if ((events & kAllEvents) == kAllEvents) {
    out = "A";
    events &= ~(kAllEvents | bit(kNew));  // Redis does not show n beside A
  }
  for (const EventLetter& known : kLetters) {
    if (events & known.bit) out += known.letter;
  }
  return out;
}

Reason parse_notify_events(Words words, ConfigValue& value, bool) {
  if (words.size() != 1) return "wrong number of arguments";
  uint32_t events = 0;
  for (const char c : words[0]) {
    const auto* known =
        std::find_if(std::begin(kLetters), std::end(kLetters), [c](auto& l) { return l.letter == c; });
    if (c != 'A' && known == std::end(kLetters))
      return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    events |= c == 'A' ? kAllEvents : known->bit;
  }
  value = {events_text(events), events};
  return std::nullopt;
}

std::vector<RewriteLine> rewrite_notify_events(std::string_view name, const ConfigValue& value,
                                               std::string_view initial) {
  return {{std::string(name) + ' ' + in_quotes(value.text), value.text != initial}};
}

Reason parse_oom_scores(Words words, ConfigValue& value, bool) {
  if (words.size() != 3) return "wrong number of arguments";
  std::string scores;
  for (const std::string& word : words) {
    const auto score = c_integer(word);
    if (!score || *score < -2000 || *score > 2000) {
      return "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    }
    scores += (scores.empty() ? "" : " ") + std::to_string(*score);
  }
  value.text = scores;
  return std::nullopt;
}

Reason parse_percentiles(Words words, ConfigValue& value, bool) {
  if (words.size() == 1 && words[0].empty()) words = {};
  std::string out;
  for (const std::string& word : words) {
    const auto percentile = storage::parse_double(word);
    if (!percentile) return "Invalid latency-tracking-info-percentiles parameters";
    if (!(*percentile >= 0 && *percentile <= 100)) {
      return "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    }
    char buffer[32];
    std::string shown(buffer, static_cast<size_t>(std::snprintf(buffer, sizeof buffer, "%f", *percentile)));
    shown.erase(shown.find_last_not_of('0') + 1);
    if (shown.ends_with('.')) shown.pop_back();
    out += (out.empty() ? "" : " ") + shown;
  }
  value.text = out;
  return std::nullopt;
}

std::vector<RewriteLine> rewrite_always(std::string_view name, const ConfigValue& value, std::string_view) {
  return {{std::string(name) + ' ' + (value.text.empty() ? "\"\"" : value.text), true}};
}

Reason parse_replica_of(Words words, ConfigValue& value, bool) {
  if (words.size() != 2) return "wrong number of arguments";
  if (lower(words[0]) == "no" && lower(words[1]) == "one") {
    value.text.clear();
    return std::nullopt;
  }
  const auto port = c_integer(words[1]);
  if (!port || *port < 0 || *port > 65535) return "Invalid master port";
  value.text = joined(words);
  return std::nullopt;
}

Reason parse_shutdown_options(Words words, ConfigValue& value, bool) {
  constexpr std::array<std::string_view, 5> kOptions{"default", "save", "nosave", "now", "force"};
  std::array<bool, 5> given{};
  for (const std::string& word : words) {
    const auto* option = std::find(kOptions.begin(), kOptions.end(), lower(word));
    if (option == kOptions.end())
      words = {};
    else
      given[static_cast<size_t>(option - kOptions.begin())] = true;
    if (words.empty()) break;
  }
  if (words.empty()) return "argument(s) must be one of the following: default, save, nosave, now, force";
  if (given[1] && given[2]) return "shutdown options SAVE and NOSAVE can't be used simultaneously";
  value.text.clear();
  for (size_t i = 1; i < kOptions.size(); ++i) {
    if (given[i]) value.text += (value.text.empty() ? "" : " ") + std::string(kOptions[i]);
  }
  if (value.text.empty()) value.text = kOptions[0];
  return std::nullopt;
}

// Like Redis, acts at once: what follows in the file is relative to it. ConfigStore::set goes back on
// failure.
Reason parse_dir(Words words, ConfigValue& value, bool) {
  if (words.size() != 1) return "wrong number of arguments";
  if (::chdir(words[0].c_str()) != 0) return std::strerror(errno);
  std::error_code unreadable;
  const auto path = std::filesystem::current_path(unreadable);
  value.text = unreadable ? words[0] : path.string();
  return std::nullopt;
}

std::vector<RewriteLine> rewrite_dir(std::string_view name, const ConfigValue& value, std::string_view) {
  return {{std::string(name) + ' ' + in_quotes(value.text), true}};
}

}  // namespace

const Special kBind{parse_bind, rewrite_bind};
const Special kSave{parse_save, rewrite_save};
const Special kOutputLimits{parse_output_limits, rewrite_output_limits};
const Special kNotifyEvents{parse_notify_events, rewrite_notify_events};
const Special kOomScores{parse_oom_scores};
const Special kPercentiles{parse_percentiles, rewrite_always};
const Special kReplicaOf{parse_replica_of};
const Special kShutdownOptions{parse_shutdown_options};
const Special kDir{parse_dir, rewrite_dir};

void store_bind(Config& config, const ConfigValue& value) { config.bind = words_of(value); }

void store_save(Config& config, const ConfigValue& value) {
  const auto words = words_of(value);
  config.save.clear();
  for (size_t i = 0; i + 1 < words.size(); i += 2)
    config.save.push_back({*c_integer(words[i]), *c_integer(words[i + 1])});
}

void store_output_limits(Config& config, const ConfigValue& value) {
  config.client_output_buffer_limits = limits_of(value.text);
}

void store_percentiles(Config& config, const ConfigValue& value) {
  config.latency_tracking_info_percentiles.clear();
  for (const std::string& word : words_of(value)) {
    config.latency_tracking_info_percentiles.push_back(storage::parse_double(word).value_or(0));
  }
}

void store_policy(Config& config, const ConfigValue& value) {
  using enum storage::EvictionPolicy;
  // In the order of the row's choices.
  constexpr storage::EvictionPolicy kByPosition[] = {kVolatileLru,   kVolatileLfu, kVolatileRandom,
                                                     kVolatileTtl,   kAllKeysLru,  kAllKeysLfu,
                                                     kAllKeysRandom, kNoEviction};
  config.maxmemory_policy = kByPosition[value.number];
}

}  // namespace cloakroom::server::directives
