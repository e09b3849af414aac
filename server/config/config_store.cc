#include <unistd.h>

#include <algorithm>
#include <set>

#include "server/config/config.h"
#include "server/config/config_table.h"
#include "storage/base/glob.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {

using namespace directives;

namespace {

std::string refusal(std::string_view name, std::string_view reason) {
  return "ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " +
         std::string(reason);
}

bool may_set_protected(const Config& config, bool local_client) {
  return config.enable_protected_configs == AllowFor::kEverybody ||
         (config.enable_protected_configs == AllowFor::kLocal && local_client);
}

struct Change {
  FoundRow found;
  std::string_view value;
};

// What is wrong before looking at values; the first in order counts.
std::optional<std::string> collect(const Config& config, std::span<const std::string_view> pairs,
                                   bool local_client, std::vector<Change>& changes) {
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::string_view name = pairs[i];
    const auto found = find_row(name);
    if (!found)
      return "ERR Unknown option or number of arguments for CONFIG SET - '" + std::string(name) + "'";
    const bool fixed = found->row().has(kFixed) && pairs[i + 1] != config.values[found->index].text;
    if (found->row().has(kImmutable) || fixed) return refusal(name, "can't set immutable config");
    if (found->row().has(kProtected) && !may_set_protected(config, local_client)) {
      return refusal(name, "can't set protected config");
    }
    const auto same = [&](const Change& earlier) { return earlier.found == *found; };
    if (std::any_of(changes.begin(), changes.end(), same)) return refusal(name, "duplicate parameter");
    changes.push_back({*found, pairs[i + 1]});
  }
  return std::nullopt;
}

// The words of one CONFIG SET value: every single blank separates.
std::vector<std::string> set_words(const Row& row, std::string_view value) {
  if (!row.has(kManyWords)) return {std::string(value)};
  std::vector<std::string> words;
  if (value.empty()) return words;
  for (size_t start = 0;;) {
    const size_t end = value.find(' ', start);
    words.emplace_back(value.substr(start, end - start));
    if (end == value.npos) return words;
    start = end + 1;
  }
}

// Of the limits of a client's output that of replicas limits nobody yet.
bool limits_nobody(const protocol::OutputLimits& limits) {
  constexpr auto kReplica = protocol::ClientClass::kReplica;
  return limits.of(kReplica) != protocol::OutputLimits{}.of(kReplica);
}

// What is no default and has no effect, of the rows that `concerns` names.
std::vector<std::string> without_effect(const Config& config, const std::function<bool(size_t)>& concerns) {
  std::string names;
  std::vector<std::string> lines;
  for (size_t i = 0; i < config_rows().size(); ++i) {
    const Row& row = *config_rows()[i];
    if (!concerns(i)) continue;
    if (row.effect == Effect::kKept && config.values[i].text != row.default_text()) {
      names += (names.empty() ? "" : ", ") + std::string(row.name);
    } else if (row.name == "save" && !config.save.empty()) {
      lines.emplace_back(
          "Snapshots are not supported yet: the save points are kept, nothing is written to disk");
    } else if (row.name == "client-output-buffer-limit" &&
               limits_nobody(config.client_output_buffer_limits)) {
      lines.emplace_back("client-output-buffer-limit: the limit of replicas has no effect yet");
    }
  }
  if (!names.empty()) lines.insert(lines.begin(), "Accepted without effect in this version: " + names);
  return lines;
}

}  // namespace

std::string_view Config::text(std::string_view name) const {
  const auto found = find_row(name);
  return found ? std::string_view(values[found->index].text) : std::string_view();
}

ConfigStore::ConfigStore() : ConfigStore(default_config(), "") {}

ConfigStore::ConfigStore(Config initial, std::string file, std::vector<std::string> notices)
    : file_(std::move(file)),
      notices_(std::move(notices)),
      current_(std::make_shared<const Config>(std::move(initial))) {}

std::shared_ptr<const Config> ConfigStore::snapshot() const {
  const storage::Locked lock(snapshot_mutex_);
  return current_;
}

std::vector<std::pair<std::string, std::string>> ConfigStore::get(
    std::span<const std::string_view> globs) const {
  const auto config = snapshot();
  std::vector<std::pair<std::string, std::string>> found;
  std::set<std::string> seen;
  const auto add = [&](std::string_view shown, size_t row) {
    if (seen.insert(lower(shown)).second) found.emplace_back(shown, config->values[row].text);
  };
  for (const std::string_view glob : globs) {
    if (glob.find_first_of("[*?") == glob.npos) {
      if (const auto row = find_row(glob)) add(glob, row->index);
      continue;
    }
    for (size_t i = 0; i < config_rows().size(); ++i) {
      const Row& row = *config_rows()[i];
      if (row.has(kHidden)) continue;
      if (storage::glob_match(glob, row.name, true)) add(row.name, i);
      if (!row.old_name.empty() && storage::glob_match(glob, row.old_name, true)) add(row.old_name, i);
    }
  }
  return found;
}

std::optional<std::string> ConfigStore::set(std::span<const std::string_view> pairs, bool local_client) {
  if (pairs.size() % 2 != 0) return "ERR syntax error";
  const storage::Locked one_at_a_time(set_mutex_);
  const auto before = snapshot();
  std::vector<Change> changes;
  if (auto error = collect(*before, pairs, local_client, changes)) return error;

  auto after = std::make_shared<Config>(*before);
  std::optional<std::string> error;
  for (const Change& change : changes) {
    const auto words = set_words(change.found.row(), change.value);
    if (const auto reason = assign(*after, change.found.index, words, false)) {
      error = refusal(change.found.name(), *reason);
      break;
    }
  }
  if (!error) error = apply(*before, *after);
  if (error) {
    // The one directive that acts while it is read; there is nothing to do should the old directory be gone.
    if (after->dir != before->dir && ::chdir(before->dir.c_str()) != 0) return error;
    return error;
  }
  {
    const storage::Locked lock(snapshot_mutex_);
    current_ = std::move(after);
  }
  generation_.fetch_add(1, std::memory_order_release);
  return std::nullopt;
}

std::optional<std::string> ConfigStore::apply(const Config& before, const Config& after) {
  for (size_t i = 0; i < appliers_.size(); ++i) {
    const auto differs = [&](size_t row) { return before.values[row].text != after.values[row].text; };
    const auto first_changed = [&](const Registered& applier) {
      return std::find_if(applier.rows.begin(), applier.rows.end(), differs);
    };
    const auto changed = first_changed(appliers_[i]);
    if (changed == appliers_[i].rows.end()) continue;
    const auto reason = appliers_[i].apply(before, after);
    if (!reason) continue;
    for (size_t done = i; done-- > 0;) {
      if (first_changed(appliers_[done]) != appliers_[done].rows.end()) appliers_[done].apply(after, before);
    }
    return refusal(config_rows()[*changed]->name, *reason);
  }
  return std::nullopt;
}

void ConfigStore::on_change(std::initializer_list<std::string_view> names, Applier applier) {
  Registered registered{{}, std::move(applier)};
  for (const std::string_view name : names) registered.rows.push_back(find_row(name).value().index);
  appliers_.push_back(std::move(registered));
}

std::vector<std::string> ConfigStore::startup_notices() const {
  std::vector<std::string> lines = notices_;
  for (std::string& line : without_effect(*snapshot(), [](size_t) { return true; })) {
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> ConfigStore::notices_since(const Config& before) const {
  const auto after = snapshot();
  return without_effect(*after,
                        [&](size_t row) { return before.values[row].text != after->values[row].text; });
}

bool ConfigStore::is_sensitive(std::string_view name) {
  const auto found = find_row(name);
  return found && found->row().has(kSensitive);
}

}  // namespace cloakroom::server
