#include <algorithm>
#include <filesystem>

#include "server/config/config_table.h"
#include "server/config/title_template.h"

namespace cloakroom::server::directives {
namespace {

std::string current_directory() {
  std::error_code unreadable;
  return std::filesystem::current_path(unreadable).string();
}

const char* limit_hz(ConfigValue& value) {
  value.number = std::clamp<int64_t>(value.number, 1, 500);
  value.text = std::to_string(value.number);
  return nullptr;
}

// The title must not be empty in a plain server, where some variables are.
const char* check_title(ConfigValue& value) {
  const TitleVariable plain[] = {{"title", ""},       {"server-mode", ""},  {"unixsocket", ""},
                                 {"config-file", ""}, {"listen-addr", "x"}, {"port", "x"},
                                 {"tls-port", "x"}};
  return fill_title(value.text, plain) ? nullptr : "template format is invalid or contains unknown variables";
}

constinit const Row kRows[] = {
    integer("hz", "10", 0, kIntMax).check(limit_hz).into<&Config::hz>().not_yet(),
    boolean("dynamic-hz", true),
    integer("slowlog-log-slower-than", "10000", -1, INT64_MAX).into<&Config::slowlog_log_slower_than>(),
    integer("slowlog-max-len", "128", 0, INT64_MAX).into<&Config::slowlog_max_len>(),
    integer("latency-monitor-threshold", "0", 0, INT64_MAX).into<&Config::latency_monitor_threshold>(),
    boolean("latency-tracking", true).into<&Config::latency_tracking>(),
    special("latency-tracking-info-percentiles", "50 99 99.9", kPercentiles)
        .flags(kManyWords)
        .into(store_percentiles),
    integer("busy-reply-threshold", "5000", 0, INT64_MAX).alias("lua-time-limit").not_yet(),

    choice("loglevel", "notice", "debug, verbose, notice, warning").into<&Config::loglevel>(),
    text("logfile").flags(kImmutable).into<&Config::logfile>(),
    boolean("privacy", true).not_yet(),  // our own: the log tells nothing private either way
    boolean("syslog-enabled", false).flags(kImmutable),
    text("syslog-ident", "redis").flags(kImmutable),
    choice("syslog-facility", "local0",
           "user, local0, local1, local2, local3, local4, local5, local6, local7")
        .flags(kImmutable),
    boolean("crash-log-enabled", true),
    boolean("crash-memcheck-enabled", true),
    boolean("use-exit-on-panic", false).flags(kHidden),
    integer("watchdog-period", "0", 0, kIntMax).flags(kHidden),

    special("dir", "", kDir).flags(kProtected).starts_as(current_directory).into<&Config::dir>(),
    unset("pidfile").flags(kImmutable).into<&Config::pidfile>(),
    boolean("daemonize", false).flags(kImmutable).acts(),
    choice("supervised", "no", "upstart, systemd, auto, no").flags(kImmutable).into<&Config::supervised>(),
    boolean("always-show-logo", false).flags(kImmutable),
    boolean("set-proc-title", true).flags(kImmutable).acts(),
    text("proc-title-template", "{title} {listen-addr} {server-mode}").check(check_title).acts(),
    text("ignore-warnings"),
    special("shutdown-on-sigint", "default", kShutdownOptions).flags(kManyWords),
    special("shutdown-on-sigterm", "default", kShutdownOptions).flags(kManyWords),
    integer("shutdown-timeout", "10", 0, kIntMax),

    choice("enable-protected-configs", "no", "no, yes, local")
        .flags(kImmutable)
        .into<&Config::enable_protected_configs>(),
    choice("enable-debug-command", "no", "no, yes, local")
        .flags(kImmutable)
        .into<&Config::enable_debug_command>(),
    choice("enable-module-command", "no", "no, yes, local").flags(kImmutable),

    boolean("disable-thp", true).flags(kImmutable),
    boolean("jemalloc-bg-thread", true),
    choice("oom-score-adj", "no", "no, yes, relative, absolute").acts(),
    special("oom-score-adj-values", "0 200 800", kOomScores).flags(kManyWords).acts(),
    unset("server_cpulist").flags(kImmutable),
    unset("bio_cpulist").flags(kImmutable),
    unset("aof_rewrite_cpulist").flags(kImmutable),
    unset("bgsave_cpulist").flags(kImmutable),
};

}  // namespace

std::span<const Row> operation_rows() { return kRows; }

}  // namespace cloakroom::server::directives
