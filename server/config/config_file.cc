#include "server/config/config_file.h"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "server/config/config_table.h"
#include "server/config/config_user.h"
#include "server/config/version.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {

using namespace directives;

namespace {

// Ends the start; never leaves this file.
struct StartError {
  std::string text;
};

constexpr std::string_view kUsage =
    "Usage: cloakroom-server [/path/to/cloakroom.conf] [--directive value ...] [-]\n"
    "       cloakroom-server -v or --version\n"
    "       cloakroom-server -h or --help\n\n"
    "The file has the syntax of redis.conf; `-` reads it from standard input. CLOAKROOM_<DIRECTIVE> in the "
    "environment\n"
    "overrides the file, and arguments override both:\n"
    "       cloakroom-server /etc/cloakroom.conf --loglevel verbose\n"
    "       CLOAKROOM_MAXMEMORY=256mb cloakroom-server --port 7777 --save ''\n";

std::string fatal(std::string_view where, std::string_view reason) {
  return "\n*** FATAL CONFIG FILE ERROR (Redis " + std::string(kRedisVersion) + ") ***\n" +
         std::string(where) + std::string(reason) + "\n";
}

// What cannot be read (a folder) is empty, as in Redis.
std::string read_all(std::istream& in) {
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw StartError{"Fatal error, can't open config file '" + path + "': " + std::strerror(errno) + "\n"};
  return read_all(in);
}

// A pattern that matches nothing is an empty file.
std::string read_matching(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == pattern.npos) return read_file(pattern);
  std::string content;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) content += read_file(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return content;
}

class Loader {
 public:
  explicit Loader(const StartRequest& request) : request_(request), config_(default_config()) {}

  void read(std::string_view content) {
    for (int number = 1;; ++number) {
      const size_t end = content.find('\n');
      read_line(content.substr(0, end), number);
      if (end == content.npos) return;
      content.remove_prefix(end + 1);
    }
  }

  Config take() {
    if (user_ && !user_->accepts(config_.requirepass)) {
      throw StartError{fatal("",
                             "ACL users are not supported yet: of the default user's password only the "
                             "hash is given; state the password with requirepass")};
    }
    if (!config_.logfile.empty() && !std::ofstream(config_.logfile, std::ios::app)) {
      throw StartError{fatal("", std::string("Can't open the log file: ") + std::strerror(errno))};
    }
    return std::move(config_);
  }

 private:
  void read_line(std::string_view line, int number) {
    constexpr std::string_view kBlanks = " \t\r\n";
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
    if (line.empty() || line[0] == '#') return;
    const auto words = split_words(line);
    const auto reason = !words ? std::optional<std::string>("Unbalanced quotes in configuration line")
                        : words->empty() ? std::nullopt
                                         : directive(lower((*words)[0]), Words(*words).subspan(1));
    if (!reason) return;
    throw StartError{fatal("Reading the configuration file, at line " + std::to_string(number) + "\n>>> '" +
                               std::string(line) + "'\n",
                           *reason)};
  }

  std::optional<std::string> directive(const std::string& name, Words values) {
    if (const auto found = find_row(name)) return standard(*found, values);
    // Accepted and ignored by Redis for the sake of old files.
    if (name == "list-max-ziplist-entries" || name == "list-max-ziplist-value" ||
        name == "lua-replicate-commands") {
      if (values.size() == 1) return std::nullopt;
    } else if (name == "include" && values.size() == 1) {
      return include(values[0]);
    } else if (name == "rename-command" && values.size() == 2) {
      return rename_command(values[0], values[1]);
    } else if (name == "user" && !values.empty()) {
      return user(values);
    } else if (name == "loadmodule" && !values.empty()) {
      return "modules are not supported";
    } else if (name.find('.') != name.npos) {
      return values.empty() ? "Module config specified without value" : "modules are not supported";
    } else if (name == "sentinel") {
      return values.empty() ? "Sentinel mode is not supported"
                            : "sentinel directive while not in sentinel mode";
    }
    return "Bad directive or wrong number of arguments";
  }

  std::optional<std::string> standard(const FoundRow& found, Words values) {
    std::vector<std::string> split;
    if (found.row().has(kManyWords) && values.size() == 1 && !values[0].empty()) {
      split = split_words(values[0]).value_or(std::vector<std::string>());
      values = split;
    }
    if (found.row().name == "requirepass") user_.reset();  // the later word counts
    return assign(config_, found.index, values, true);
  }

  // Users do not exist yet. What Redis' CONFIG REWRITE says of the default one stands for requirepass.
  std::optional<std::string> user(Words values) {
    const auto stated = read_default_user(values);
    if (!stated) return "ACL users are not supported yet; use requirepass";
    if (user_seen_) {
      return "Error in user declaration 'default': Duplicate user found. A user can only be defined once in "
             "config files";
    }
    user_seen_ = true;
    if (!config_.requirepass.empty()) {
      if (stated->has_password() && stated->accepts(config_.requirepass)) return std::nullopt;
      return "ACL users are not supported yet: the default user has another password than requirepass says";
    }
    if (!stated->password.empty()) {
      const std::vector<std::string> password{stated->password};
      return assign(config_, find_row("requirepass").value().index, password, true);
    }
    if (stated->has_password()) user_ = stated;
    return std::nullopt;
  }

  std::optional<std::string> include(const std::string& pattern) {
    constexpr int kMaxDepth = 64;
    if (depth_ == kMaxDepth) return "include is nested too deeply";
    ++depth_;
    read(read_matching(pattern));
    --depth_;
    return std::nullopt;
  }

  bool is_command(const std::string& name) const {
    if (new_commands_.contains(name)) return true;
    return !gone_commands_.contains(name) && (!request_.is_command || request_.is_command(name));
  }

  std::optional<std::string> rename_command(const std::string& from, const std::string& to) {
    if (!is_command(lower(from))) return "No such command in rename-command";
    new_commands_.erase(lower(from));
    gone_commands_.insert(lower(from));
    if (!to.empty()) {
      if (request_.is_command && is_command(lower(to))) return "Target command name already exists";
      new_commands_.insert(lower(to));
    }
    config_.renamed_commands.emplace_back(from, to);
    return std::nullopt;
  }

  const StartRequest& request_;
  Config config_;
  std::optional<DefaultUser> user_;  // whose hashed password requirepass is still to say
  bool user_seen_ = false;
  int depth_ = 0;
  std::set<std::string> new_commands_, gone_commands_;
};

struct CommandLine {
  std::string file;
  bool from_input = false;
  std::string options;  // as lines of a file
};

CommandLine parse_arguments(std::span<const std::string> arguments) {
  CommandLine line;
  if (!arguments.empty() && !arguments[0].starts_with('-')) {
    line.file = std::filesystem::absolute(arguments[0]).lexically_normal().string();
    arguments = arguments.subspan(1);
  }
  const bool file_given = !line.file.empty();
  bool value_seen = true;  // `--x` right after `--name` is its value
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const bool last = i + 1 == arguments.size();
    if (word == "-" && (last || (i == 0 && !file_given))) {
      line.from_input = true;
    } else if (value_seen && word.starts_with("--")) {
      if (!line.options.empty()) line.options += '\n';
      line.options += word.substr(2) + ' ';
      const auto parts = split_words(word);  // "--port 7000" in one argument has its value with it
      value_seen = !parts || parts->size() != 1;
      if (value_seen || lower(word) != "--save") continue;
      // `--save` alone, or before another option, is the empty list.
      const bool option_follows = !last && arguments[i + 1].starts_with("--");
      if (last || option_follows) line.options += "\"\"";
      value_seen = option_follows;
    } else {
      line.options += in_quotes(word) + ' ';
      value_seen = true;
    }
  }
  return line;
}

// A variable's directive; empty when it names none. Directives have dashes, a few have underscores.
std::string directive_of(std::string_view variable) {
  const std::string underscored = lower(variable);
  std::string dashed = underscored;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  if (find_row(dashed) || dashed == "include") return dashed;
  return find_row(underscored) ? underscored : "";
}

std::string environment_lines(std::span<const std::string> environment, std::vector<std::string>& notices) {
  constexpr std::string_view kPrefix = "CLOAKROOM_";
  std::vector<std::string> variables(environment.begin(), environment.end());
  std::sort(variables.begin(), variables.end());
  std::string lines;
  for (const std::string& variable : variables) {
    const size_t equals = variable.find('=');
    if (!variable.starts_with(kPrefix) || equals == variable.npos) continue;
    const std::string_view name = std::string_view(variable).substr(kPrefix.size(), equals - kPrefix.size());
    const std::string_view value = std::string_view(variable).substr(equals + 1);
    // Kubernetes announces a service called "cloakroom" in variables of these names.
    if (name.starts_with("SERVICE_") || name.starts_with("PORT_") || value.starts_with("tcp://")) continue;
    if (const std::string directive = directive_of(name); !directive.empty()) {
      lines += directive + ' ' + in_quotes(value) + '\n';
    } else {
      notices.push_back("Ignored a variable of the environment that names no directive: CLOAKROOM_" +
                        std::string(name));
    }
  }
  return lines;
}

std::optional<StartResult> informative_option(std::span<const std::string> arguments) {
  if (arguments.empty()) return std::nullopt;
  const std::string& first = arguments[0];
  if (first == "-v" || first == "--version") {
    return StartResult{nullptr, 0,
                       "Cloakroom server " + std::string(kVersion) + " (Redis v=" +
                           std::string(kRedisVersion) + ") bits=" + std::to_string(8 * sizeof(void*)) + "\n",
                       ""};
  }
  if (first == "-h" || first == "--help") return StartResult{nullptr, 1, "", std::string(kUsage)};
  if (first == "--test-memory" || first == "--check-system") {
    return StartResult{nullptr, 1, "", first + " is not part of Cloakroom: use redis-server's\n"};
  }
  return std::nullopt;
}

}  // namespace

StartResult read_start_config(const StartRequest& request) {
  if (auto result = informative_option(request.arguments)) return *result;
  try {
    const CommandLine line = parse_arguments(request.arguments);
    std::vector<std::string> notices;
    // One text, as in Redis: line numbers count on through all sources.
    std::string content = line.file.empty() ? "" : read_matching(line.file);
    if (line.from_input) content += read_all(request.input);
    const std::string environment = environment_lines(request.environment, notices);
    if (!environment.empty()) content += '\n' + environment;
    content += '\n' + line.options;
    Loader loader(request);
    loader.read(content);
    return {std::make_shared<ConfigStore>(loader.take(), line.file, std::move(notices)), 0, "", ""};
  } catch (const StartError& error) {
    return {nullptr, 1, "", error.text};
  }
}

}  // namespace cloakroom::server
