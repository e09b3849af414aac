#include "server/log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>

namespace cloakroom::server {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

struct Settings {
  std::mutex mutex;
  std::string path;
  std::unique_ptr<std::FILE, CloseFile> file;  // null: standard output
};

Settings& settings() {
  static Settings instance;
  return instance;
}

std::atomic<LogLevel> threshold{LogLevel::kNotice};
std::atomic<bool> private_data{false};

LogLevel level_of(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "verbose") return LogLevel::kVerbose;
  if (name == "warning") return LogLevel::kWarning;
  return LogLevel::kNotice;
}

}  // namespace

void configure_log(std::string_view level, std::string_view file, bool privacy) {
  threshold = level_of(level);
  private_data = !privacy && threshold == LogLevel::kDebug;
  Settings& s = settings();
  const std::lock_guard lock(s.mutex);
  if (s.path == file) return;
  s.path = file;
  s.file.reset(file.empty() ? nullptr : std::fopen(s.path.c_str(), "ae"));
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
  const std::lock_guard lock(s.mutex);
  std::FILE* out = s.file != nullptr ? s.file.get() : stdout;
  std::fwrite(line.data(), 1, line.size(), out);
  std::fflush(out);
}

bool log_private_data() { return private_data.load(std::memory_order_relaxed); }

}  // namespace cloakroom::server
