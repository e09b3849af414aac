#include "server/crash_report.h"

#include <execinfo.h>
#include <fcntl.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "server/config/config.h"
#include "server/config/version.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"

namespace cloakroom::server {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
constexpr bool kSanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitized = false;
#endif

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr size_t kStackBytes = 64 * 1024;  // of the handler: the thread's own may be what has overflowed
constexpr int kMostFrames = 100;

struct Crash {
  const ServerState* server = nullptr;
  std::array<char, 4096> log_path{};  // empty: standard output
  std::atomic<bool> reported{false};
};
Crash crash;

// Text made and written without allocation, as a signal handler must (signal-safety(7)).
class Report {
 public:
  explicit Report(int fd) : fd_(fd) {}
  ~Report() { flush(); }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  Report& operator<<(std::string_view text) {
    if (size_ + text.size() > bytes_.size()) flush();
    text = text.substr(0, bytes_.size());
    std::memcpy(bytes_.data() + size_, text.data(), text.size());
    size_ += text.size();
    return *this;
  }
  Report& number(uint64_t value, int base = 10) {
    std::array<char, 64> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    return *this << std::string_view(digits.data(), static_cast<size_t>(end - digits.data()));
  }
  void flush() {
    [[maybe_unused]] const ssize_t written = ::write(fd_, bytes_.data(), size_);
    size_ = 0;
  }

 private:
  int fd_;
  std::array<char, 1024> bytes_;
  size_t size_ = 0;
};

void write_registers(Report& report, const ucontext_t& context) {
  report << "\n------ REGISTERS ------\n";
#if defined(__x86_64__)
  constexpr std::string_view kNames[] = {"R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15", "RDI",
                                         "RSI", "RBP", "RBX", "RDX", "RAX", "RCX", "RSP", "RIP", "EFL"};
  for (size_t i = 0; i < std::size(kNames); ++i) {
    report << kNames[i] << ":";
    report.number(static_cast<uint64_t>(context.uc_mcontext.gregs[i]), 16) << (i % 4 == 3 ? "\n" : " ");
  }
#elif defined(__aarch64__)
  for (size_t i = 0; i < std::size(context.uc_mcontext.regs); ++i) {
    report << "X";
    report.number(i) << ":";
    report.number(context.uc_mcontext.regs[i], 16) << (i % 4 == 3 ? "\n" : " ");
  }
  report << "PC:";
  report.number(context.uc_mcontext.pc, 16) << " SP:";
  report.number(context.uc_mcontext.sp, 16);
#endif
  report << "\n";
}

// What can be read without a lock.
void write_figures(Report& report, const ServerState& server) {
  report << "\n------ INFO OUTPUT ------\nredis_version:" << kRedisVersion
         << "\ncloakroom_version:" << kVersion;
  report << "\nio_threads:";
  report.number(server.workers.size()) << "\nconnected_clients:";
  report.number(server.clients.size()) << "\nused_memory:";
  report.number(server.used_memory_bytes()) << "\nused_memory_peak:";
  report.number(server.peak_memory_bytes.load(std::memory_order_relaxed)) << "\ntotal_commands_processed:";
  uint64_t commands = 0;
  for (const Worker* worker : server.workers) commands += worker->stats.commands_processed.get();
  report.number(commands) << "\n";
}

int open_log() {
  if (crash.log_path[0] == '\0') return STDOUT_FILENO;
  const int fd = ::open(crash.log_path.data(), O_APPEND | O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  return fd < 0 ? STDOUT_FILENO : fd;
}

void on_crash(int signal, siginfo_t* info, void* context) {
  if (!crash.reported.exchange(true)) {  // by the first thread; another that crashes meanwhile dies with it
    const int fd = open_log();
    Report report(fd);
    report << "\n\n=== CRASH REPORT: please send all of it ===\nCloakroom " << kVersion << " (Redis "
           << kRedisVersion << ") crashed by signal: ";
    report.number(static_cast<uint64_t>(signal)) << ", si_code: ";
    report.number(static_cast<uint64_t>(static_cast<unsigned>(info->si_code)));
    if (signal != SIGABRT) {
      report << "\nAccessing address: 0x";
      report.number(reinterpret_cast<uintptr_t>(info->si_addr), 16);
    }
    report << "\n\n------ STACK TRACE ------\n";
    report.flush();
    std::array<void*, kMostFrames> frames;
    ::backtrace_symbols_fd(frames.data(), ::backtrace(frames.data(), kMostFrames), fd);
    write_registers(report, *static_cast<const ucontext_t*>(context));
    write_figures(report, *crash.server);
    report << "\n=== END OF CRASH REPORT ===\n";
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

void report_crashes(const ServerState& server) {
  const auto config = server.config->snapshot();
  if (kSanitized || config->text("crash-log-enabled") != "yes") return;
  crash.server = &server;
  const std::string& path = config->logfile;
  if (path.size() < crash.log_path.size()) std::memcpy(crash.log_path.data(), path.c_str(), path.size() + 1);
  void* frame = nullptr;
  ::backtrace(&frame, 1);  // loads what it needs now
  static const auto stack = std::make_unique<char[]>(kStackBytes);
  stack_t handlers{};
  handlers.ss_sp = stack.get();
  handlers.ss_size = kStackBytes;
  ::sigaltstack(&handlers, nullptr);
  struct sigaction action {};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

}  // namespace cloakroom::server
