#include "server/stats/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <memory>

#include "storage/base/lock.h"

namespace cloakroom::server {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

struct Settings {
  storage::Mutex mutex;
  std::string path CLOAKROOM_GUARDED_BY(mutex);
  std::unique_ptr<std::FILE, CloseFile> file CLOAKROOM_GUARDED_BY(mutex);  // null: standard output
};

Settings& settings() {
  static Settings instance;
  return instance;
}

std::atomic<LogLevel> threshold{LogLevel::kNotice};

// logrotate and the like rename or remove the file: a line belongs where the path leads now. What cannot be
// opened leaves the file as it is.
void follow_path(Settings& s) CLOAKROOM_THREAD_SAFETY(requires_capability(s.mutex)) {
  if (s.path.empty()) return;
  struct stat named {};
  struct stat open {};
  const bool same = s.file != nullptr && ::stat(s.path.c_str(), &named) == 0 &&
                    ::fstat(::fileno(s.file.get()), &open) == 0 && named.st_ino == open.st_ino &&
                    named.st_dev == open.st_dev;
  if (same) return;
  if (std::FILE* file = std::fopen(s.path.c_str(), "ae")) s.file.reset(file);
}

LogLevel level_of(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "verbose") return LogLevel::kVerbose;
  if (name == "warning") return LogLevel::kWarning;
  return LogLevel::kNotice;
}

}  // namespace

void configure_log(std::string_view level, std::string_view file) {
  threshold = level_of(level);
  Settings& s = settings();
  const storage::Locked lock(s.mutex);
  if (s.path == file) return;
  s.path = file;
  s.file.reset();
  follow_path(s);
}

void log(LogLevel level, std::string_view text) {
  if (level < threshold.load(std::memory_order_relaxed)) return;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  const std::string line = fmt::format("{}:M {:%d %b %Y %H:%M:%S}.{:03} {} {}\n", getpid(), local,
                                       now.tv_nsec / 1'000'000, ".-*#"[static_cast<size_t>(level)], text);
  Settings& s = settings();
  const storage::Locked lock(s.mutex);
  follow_path(s);
  std::FILE* out = s.file != nullptr ? s.file.get() : stdout;
  std::fwrite(line.data(), 1, line.size(), out);
  std::fflush(out);
}

}  // namespace cloakroom::server
