#include "server/persist/persistence.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/stats/log.h"
#include "storage/format/log_record.h"

namespace cloakroom::server {
namespace {

using storage::LogSync;

constexpr int64_t kLookAgainMs = 2;
constexpr size_t kMostEmptySnapshot = 4096;  // bytes: one without keys holds a few lines about its making

LogSync sync_of(std::string_view appendfsync) {
  if (appendfsync == "always") return LogSync::kAlways;
  return appendfsync == "no" ? LogSync::kNever : LogSync::kEverySecond;
}

[[noreturn]] void refuse(const std::string& why) { throw std::runtime_error(why); }

// Whether the file is there and holds something that this server would not load.
bool holds_data(storage::Disk& directory, const std::string& name, bool snapshot) {
  int error = 0;
  const auto file = directory.open(name, storage::Disk::Open::kRead, error);
  if (error == ENOENT) return false;
  std::string text(kMostEmptySnapshot, '\0');
  const ssize_t n = file == nullptr ? -1 : file->read_at(0, text);
  if (n < 0) return true;
  text.resize(static_cast<size_t>(n));
  return !text.empty() && !(snapshot && storage::empty_rdb_bytes(text) == text.size());
}

}  // namespace

Persistence::Persistence(ServerState& server) : server_(server), rewriting_(server) { follow_config(); }

Persistence::~Persistence() = default;

void Persistence::apply(const Config& config) {
  server_.append_log.state.sync = sync_of(config.text("appendfsync"));
  server_.append_log.state.timestamps = config.text("aof-timestamp-enabled") == "yes";
  server_.append_log.wake_thread();
}

void Persistence::follow_config() {
  server_.config->on_change({"appendfsync", "aof-timestamp-enabled"},
                            [this](const Config&, const Config& after) {
                              apply(after);
                              return std::optional<std::string>();
                            });
  server_.config->on_change({"appendonly"}, [this](const Config& before, const Config& after) {
    if (before.text("appendonly") == after.text("appendonly")) return std::optional<std::string>();
    return turn(after.text("appendonly") == "yes");
  });
}

// Never start empty over data.
void Persistence::refuse_foreign_data(const Config& config) {
  const auto here = storage::posix_disk(".");
  const std::string snapshot(config.text("dbfilename"));
  const std::string single(config.text("appendfilename"));
  constexpr const char* kWay =
      " Let the server that wrote it write a log of commands instead: CONFIG SET aof-use-rdb-preamble no, "
      "CONFIG SET "
      "appendonly yes, then BGREWRITEAOF, and give this server its append-only directory. Or move the file "
      "away.";
  const bool logged = config.text("appendonly") == "yes";
  bool has_manifest = false;
  if (logged) {
    int error = 0;
    has_manifest = disk_->open(files_->manifest_name(), storage::Disk::Open::kRead, error) != nullptr;
  }
  if (!has_manifest && holds_data(*here, snapshot, true)) {
    refuse("The directory holds a snapshot, " + snapshot + ", which this server cannot read yet." + kWay);
  }
  if (logged && !has_manifest && holds_data(*here, single, false)) {
    refuse("The directory holds an append-only file of the form before Redis 7, " + single +
           ", which this server does not read." + kWay);
  }
}

void Persistence::open_directory(const Config& config) {
  const std::string directory = std::filesystem::current_path() / config.text("appenddirname");
  disk_ = storage::posix_disk(directory);
  files_ = std::make_unique<storage::LogFiles>(*disk_, std::string(config.text("appendfilename")));
}

void Persistence::open() {
  const auto config = server_.config->snapshot();
  apply(*config);
  open_directory(*config);
  refuse_foreign_data(*config);
  if (config->text("appendonly") != "yes") return;
  const std::string name(config->text("appenddirname"));
  const auto fail = [&](const char* what, int error) {
    refuse(fmt::format("Can't {} the append-only directory {}: {}", what, name, std::strerror(error)));
  };
  if (const int error = disk_->make()) fail("create", error);
  if (const int error = disk_->lock()) {
    if (error == EWOULDBLOCK) refuse("Another server uses the append-only directory " + name);
    fail("lock", error);
  }
  recovery_ = std::make_unique<storage::LogRecovery>(*files_, server_.keyspace->databases(),
                                                     config->text("aof-load-truncated") == "yes");
  if (recovery_->begin() == storage::LogRecovery::Status::kRefused) refuse(recovery_->refusal());
  wanted_ = true;
  server_.loading = true;
  storage::begin_loading(server_.workers[0]->access);
}

void Persistence::load(std::function<void()> ready) {
  ready_ = std::move(ready);
  if (recovery_ == nullptr) return ready_();
  load_start_us_ = server_.clock.monotonic_us();
  load_start_ms_ = server_.clock.wall_ms();
  loader_ = std::make_unique<LogLoader>(server_, *recovery_, [this] { tell_progress(); });
  loader_->start(
      [this](const std::string& refusal) { server_.workers[0]->post([this, refusal] { loaded(refusal); }); });
}

Persistence::Loading Persistence::loading() const {
  if (loader_ == nullptr || !server_.loading) return {};
  Loading out{load_start_ms_, recovery_->total_bytes(), loader_->bytes(), 1};
  const int64_t elapsed_us = server_.clock.monotonic_us() - load_start_us_;
  if (out.read_bytes != 0) {
    const double left =
        static_cast<double>(out.total_bytes - out.read_bytes) / static_cast<double>(out.read_bytes);
    out.eta_s = static_cast<int64_t>(static_cast<double>(elapsed_us) / 1e6 * left);
  }
  return out;
}

void Persistence::tell_progress() {
  const Loading now = loading();
  log(LogLevel::kNotice, fmt::format("Loading the append-only file: {} of {} MB, {} commands",
                                     now.read_bytes >> 20, now.total_bytes >> 20, loader_->commands()));
}

// On the first thread, like what follows.
void Persistence::loaded(const std::string& refusal) {
  if (server_.stopping()) return;
  if (!refusal.empty()) {
    log(LogLevel::kWarning, refusal);
    return server_.shutdown(1);
  }
  if (recovery_->cut_bytes() != 0) {
    log(LogLevel::kWarning,
        fmt::format("AOF loaded anyway because aof-load-truncated is enabled: {} bytes behind the "
                    "last whole command were cut off",
                    recovery_->cut_bytes()));
  }
  if (loader_->errors() != 0) {
    log(LogLevel::kWarning,
        fmt::format("{} commands of the append-only file had no effect: they answered with errors",
                    loader_->errors()));
  }
  storage::end_loading(server_.workers[0]->access);
  const bool own = files_->manifest().own || files_->manifest().empty();
  linking_.emplace(own ? server_.keyspace->settings().pending_ms.load() : -1);
  link_sessions();
}

void Persistence::link_sessions() {
  if (server_.stopping()) return;
  Worker& first = *server_.workers[0];
  if (linking_->turn(first.access)) return first.run_soon([this] { link_sessions(); });
  start_after_loading();
}

void Persistence::start_after_loading() {
  int error = files_->remove_history();
  if (error == 0) error = files_->open_last();
  if (error != 0) {
    log(LogLevel::kWarning, std::string("Can't open the append-only file: ") + std::strerror(error));
    return server_.shutdown(1);
  }
  begin_log(false);
  log(LogLevel::kNotice,
      fmt::format("DB loaded from append only file: {:.3f} seconds",
                  static_cast<double>(server_.clock.monotonic_us() - load_start_us_) / 1e6));
  server_.loading = false;
  ready_();
  reconcile();
}

// The files are open: from here on changes are logged. `hidden`: all that is there is restated first.
void Persistence::begin_log(bool hidden) {
  thread_ = std::make_unique<LogThread>(server_, *files_, hidden, [this] { rewriting_.look(); });
  rewriting_.attach(thread_->writer());
  storage::Access& access = server_.workers[0]->access;
  access.read_clock();
  access.guard().take_all();
  server_.keyspace->set_effect_sink(this);
  if (hidden) rewriting_.begin(false);
  access.finish();
  server_.append_log.on = true;
  turned_on_ = true;
  thread_->start();
  if (hidden) rewriting_.start_turns();
}

// CONFIG SET appendonly. Answers at once; the first thread brings it about.
std::optional<std::string> Persistence::turn(bool on) {
  wanted_ = on;
  server_.append_log.on = on;  // as INFO has it from here on
  server_.workers[0]->post([this] { reconcile(); });
  return std::nullopt;
}

void Persistence::reconcile() {
  if (changing_ || server_.stopping() || server_.loading || wanted_ == (thread_ != nullptr)) return;
  if (wanted_ && rewriting_.running()) {  // one that was given up marks all there is first
    changing_ = true;
    return server_.workers[0]->run_after(kLookAgainMs, [this] {
      changing_ = false;
      reconcile();
    });
  }
  wanted_ ? turn_on() : turn_off();
}

// What is there stays valid until the log that begins now says all there is.
int Persistence::open_hidden() {
  open_directory(*server_.config->snapshot());
  int error = disk_->make();
  if (error == 0) error = disk_->lock();
  if (error != 0) return error;
  storage::LogRecovery recovery(*files_, server_.keyspace->databases(), true);
  if (recovery.begin() == storage::LogRecovery::Status::kRefused) {
    log(LogLevel::kWarning, "What the append-only directory holds is not replaced: " + recovery.refusal());
    return EINVAL;
  }
  return files_->begin_increment();
}

void Persistence::turn_on() {
  if (const int error = open_hidden()) {
    log(LogLevel::kWarning, std::string("Can't open the append-only file: ") + std::strerror(error));
    server_.append_log.state.write_error = error;  // writes are refused until it is turned off
    disk_.reset();
    return;
  }
  server_.append_log.state.write_error = 0;
  begin_log(true);
}

void Persistence::turn_off() {
  changing_ = true;
  turned_on_ = false;
  end_log();
  thread_->flush([this] {
    server_.workers[0]->post([this] {
      if (thread_ == nullptr) return;
      thread_->stop();
      thread_.reset();
      files_.reset();
      disk_.reset();
      changing_ = false;
      reconcile();
    });
  });
}

void Persistence::end_log() {
  storage::Access& access = server_.workers[0]->access;
  access.read_clock();
  access.guard().take_all();
  server_.keyspace->set_effect_sink(nullptr);
  rewriting_.end();
  access.finish();
}

Persistence::Asked Persistence::rewrite() {
  if (!wanted_) return Asked::kNoLog;
  return turned_on_ && rewriting_.schedule() ? Asked::kBegins : Asked::kUnderWay;
}

Rewriting::Status Persistence::rewriting() const {
  Rewriting::Status out = rewriting_.status();
  const bool begins = wanted_ && !turned_on_ && !server_.loading;
  out.in_progress = (out.in_progress && wanted_) || begins;
  return out;
}

uint64_t Persistence::take_effects(const storage::Changes& changes) {
  return server_.append_log.ring.append(changes);
}

void Persistence::flush(std::function<void()> done) {
  if (loader_ != nullptr) loader_->stop();
  if (thread_ == nullptr || changing_) return done();
  thread_->flush(std::move(done));
}

void Persistence::close() {
  loader_.reset();
  if (thread_ != nullptr) end_log();
  if (thread_ != nullptr) thread_->stop();
  thread_.reset();
}

}  // namespace cloakroom::server
