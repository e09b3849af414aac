#include "server/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "server/command/command_table.h"
#include "server/config/config_file.h"
#include "server/config/version.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/families.h"
#include "server/process_title.h"
#include "server/stats/log.h"

namespace cloakroom::server {
namespace {

constexpr rlim_t kFilesStep = 16;
constexpr const char* kDefaultPidFile = "/var/run/cloakroom.pid";

// Removes the pid file at exit.
struct PidFile {
  std::string path;
  ~PidFile() { remove(); }
  void remove() {
    if (!path.empty()) ::unlink(path.c_str());
    path.clear();
  }
};

PidFile& pid_file() {
  static PidFile instance;
  return instance;
}

bool supervised_by_systemd(const Config& config) {
  if (config.supervised != "systemd" && config.supervised != "auto") return false;
  return std::getenv("NOTIFY_SOCKET") != nullptr;
}

bool supervised_by_upstart(const Config& config) {
  if (config.supervised != "upstart" && config.supervised != "auto") return false;
  return std::getenv("UPSTART_JOB") != nullptr;
}

// One datagram of the sd_notify protocol, see sd_notify(3).
void notify_systemd(std::string_view state) {
  const std::string path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
    log(LogLevel::kWarning, "NOTIFY_SOCKET is not a usable address: systemd will not be told");
    return;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';  // abstract
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (fd < 0 || ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
                         size) < 0) {
    log(LogLevel::kWarning, fmt::format("Can't notify systemd: {}", std::strerror(errno)));
  }
  if (fd >= 0) ::close(fd);
}

// Upstart waits for its job to stop itself.
void notify_upstart() {
  ::raise(SIGSTOP);
  ::unsetenv("UPSTART_JOB");
}

void go_to_background() {
  const pid_t child = ::fork();
  if (child < 0)
    throw std::runtime_error(fmt::format("Can't go to the background: {}", std::strerror(errno)));
  if (child > 0) ::_exit(0);
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0) return;
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, standard);
  if (null > STDERR_FILENO) ::close(null);
}

void write_pid_file(const Config& config, bool background) {
  std::string path = config.pidfile;
  if (path.empty() && background) path = kDefaultPidFile;
  if (path.empty()) return;
  std::ofstream file(path);
  if (!(file << ::getpid() << '\n').flush()) {
    log(LogLevel::kWarning, "The pid file could not be written");
    return;
  }
  const char* resolved = ::realpath(path.c_str(), nullptr);
  pid_file().path = resolved != nullptr ? resolved : path;
  std::free(const_cast<char*>(resolved));
}

// The best limit up to `wanted` that the system gives.
rlim_t raise_open_files(rlimit current, rlim_t wanted) {
  for (rlim_t limit = wanted; limit > current.rlim_cur; limit -= std::min(limit, kFilesStep)) {
    const rlimit attempt{limit, std::max(limit, current.rlim_max)};
    const rlimit within{limit, current.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &attempt) == 0 ||
        (limit <= current.rlim_max && ::setrlimit(RLIMIT_NOFILE, &within) == 0)) {
      return limit;
    }
  }
  return current.rlim_cur;
}

// Files beside the clients: what is open already, what the threads and listeners will open, and some spare
// for what is open for a moment. Redis reserves 32.
rlim_t reserved_files(const Config& config) {
  constexpr rlim_t kLeast = 32;
  constexpr rlim_t kSpare = 16;
  constexpr rlim_t kPerThread = 4;   // Asio's epoll set, timer and waker; the clients' epoll set
  constexpr rlim_t kPerAddress = 2;  // a name has addresses of both families
  std::error_code unknown;
  const std::filesystem::directory_iterator open_now("/proc/self/fd", unknown);
  const auto open = static_cast<rlim_t>(std::distance(open_now, {}));
  const auto threads = static_cast<rlim_t>(config.io_threads);
  return std::max(kLeast, open + kPerThread * threads + kPerAddress * config.bind.size() + kSpare);
}

void set_max_clients(ConfigStore& store, rlim_t clients) {
  const std::string text = std::to_string(clients);
  const std::array<std::string_view, 2> pair{"maxclients", text};
  store.set(pair);
}

void make_room_for_clients(ConfigStore& store, rlim_t reserved) {
  const auto wanted_clients = static_cast<rlim_t>(store.snapshot()->maxclients);
  const rlim_t wanted = wanted_clients + reserved;
  constexpr rlim_t kAssumed = 1024;
  rlimit current{};
  if (::getrlimit(RLIMIT_NOFILE, &current) != 0) {
    log(LogLevel::kWarning,
        fmt::format(
            "Unable to obtain the current NOFILE limit ({}), assuming 1024 and setting the max clients "
            "configuration accordingly.",
            std::strerror(errno)));
    set_max_clients(store, kAssumed - std::min(reserved, kAssumed - 1));
    return;
  }
  if (current.rlim_cur >= wanted) return;
  const rlim_t got = raise_open_files(current, wanted);
  const int error = errno;
  if (got >= wanted) {
    log(LogLevel::kNotice,
        fmt::format("Increased maximum number of open files to {} (it was originally set to {}).", wanted,
                    current.rlim_cur));
    return;
  }
  if (got <= reserved) {
    throw std::runtime_error(fmt::format(
        "Your current 'ulimit -n' of {} is not enough for the server to start. Please increase your "
        "open file limit to at least {}. Exiting.",
        current.rlim_cur, wanted));
  }
  set_max_clients(store, got - reserved);
  log(LogLevel::kWarning,
      fmt::format("You requested maxclients of {} requiring at least {} max file descriptors.",
                  wanted_clients, wanted));
  log(LogLevel::kWarning, fmt::format("Server can't set maximum open files to {} because of OS error: {}.",
                                      wanted, std::strerror(error)));
  log(LogLevel::kWarning,
      fmt::format(
          "Current maximum open files is {}. maxclients has been reduced to {} to compensate for low ulimit. "
          "If you need higher maxclients increase 'ulimit -n'.",
          got, got - reserved));
}

// CONFIG SET maxclients: refused when the system cannot open as many.
std::optional<std::string> allow_max_clients(const Config& after, rlim_t reserved) {
  rlimit current{};
  if (::getrlimit(RLIMIT_NOFILE, &current) != 0) return std::nullopt;
  const rlim_t wanted = static_cast<rlim_t>(after.maxclients) + reserved;
  const rlim_t got = raise_open_files(current, wanted);
  if (got >= wanted) return std::nullopt;
  return fmt::format(
      "The operating system is not able to handle the specified number of clients, try with {}",
      got - reserved);
}

// Tells the kernel's out-of-memory killer how much this process is worth (proc(5)).
std::optional<std::string> apply_kill_score(const Config& config) {
  constexpr int kLowest = -1000;
  constexpr int kHighest = 1000;
  constexpr const char* kPath = "/proc/self/oom_score_adj";
  static const int own_score = [] {
    int score = 0;
    std::ifstream(kPath) >> score;
    return score;
  }();
  static bool changed = false;
  const std::string_view mode = config.text("oom-score-adj");
  const bool wanted = mode != "no";
  if (!wanted && !changed) return std::nullopt;
  int score = own_score;
  if (wanted) {
    int configured = 0;
    std::istringstream(std::string(config.text("oom-score-adj-values"))) >> configured;
    score = std::clamp(mode == "absolute" ? configured : own_score + configured, kLowest, kHighest);
  }
  std::ofstream file(kPath);
  if (!(file << score).flush()) {
    log(LogLevel::kWarning, "Unable to write the out-of-memory score");
    return "Failed to apply new oom_score_adj configuration, check server logs.";
  }
  changed = wanted;
  return std::nullopt;
}

}  // namespace

std::shared_ptr<ConfigStore> start_config(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  std::vector<std::string> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) environment.emplace_back(*variable);
  std::optional<CommandTable> commands;
  const auto is_command = [&](std::string_view name) {
    if (!commands) commands.emplace(families());
    return commands->find(name) != nullptr;
  };
  StartResult result = read_start_config({arguments, environment, std::cin, is_command});
  if (result.config) return std::move(result.config);
  std::fputs(result.out.c_str(), stdout);
  std::fputs(result.err.c_str(), stderr);
  std::exit(result.exit_code);
}

void prepare_process(ConfigStore& store) {
  const auto config = store.snapshot();
  configure_log(config->loglevel, config->logfile);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  const bool supervised = supervised_by_systemd(*config) || supervised_by_upstart(*config);
  const bool background = config->text("daemonize") == "yes" && !supervised;
  if (background) go_to_background();
  const rlim_t reserved = reserved_files(*config);
  make_room_for_clients(store, reserved);
  store.on_change({"maxclients"}, [reserved](const Config&, const Config& after) {
    return allow_max_clients(after, reserved);
  });
  write_pid_file(*config, background);
  apply_kill_score(*config);
  store.on_change({"oom-score-adj", "oom-score-adj-values"},
                  [](const Config&, const Config& after) { return apply_kill_score(after); });
  set_process_title(*config, store.file());
  store.on_change({"proc-title-template", "port", "bind"}, [&store](const Config&, const Config& after) {
    set_process_title(after, store.file());
    return std::optional<std::string>();
  });
}

void announce(const ServerState& server) {
  const auto config = server.config->snapshot();
  log(LogLevel::kNotice,
      fmt::format("Cloakroom {} (Redis {}) starting, {} I/O threads, port {}, PID: {}", kVersion,
                  kRedisVersion, server.workers.size(), config->port, ::getpid()));
  for (const std::string& notice : server.config->startup_notices()) log(LogLevel::kWarning, notice);
  if (supervised_by_systemd(*config)) {
    // Runs when thread 0 begins to serve, with the listeners open.
    server.workers[0]->post([] { notify_systemd("STATUS=Ready to accept connections\nREADY=1\n"); });
  } else if (supervised_by_upstart(*config)) {
    notify_upstart();
  }
}

void remove_pid_file() { pid_file().remove(); }

}  // namespace cloakroom::server
