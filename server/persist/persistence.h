// What a server keeps on disk: the append-only log, from reading it at a start to its end.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/persist/log_loader.h"
#include "server/persist/log_thread.h"
#include "server/persist/rewriting.h"
#include "storage/base/disk.h"
#include "storage/base/lock.h"
#include "storage/keyspace/effects.h"
#include "storage/keyspace/loading.h"
#include "storage/log/log_recovery.h"

namespace cloakroom::server {

struct Config;
struct ServerState;

class Persistence final : public storage::EffectSink {
 public:
  explicit Persistence(ServerState& server);
  ~Persistence() override;

  // Before the threads run: opens what there is. Throws std::runtime_error when the server may not start, as there is
  // data that it cannot read; nothing on disk was changed then.
  void open();
  // The threads run, or are about to. Calls `ready` on the first of them once clients are served.
  void load(std::function<void()> ready);
  // The server ends: what was changed so far becomes durable, and whoever waits for that is told; then calls `done`,
  // on any thread.
  void flush(std::function<void()> done);
  // No thread runs commands any more.
  void close();

  uint64_t take_effects(const storage::Changes& changes) override;

  // BGREWRITEAOF. Any thread.
  enum class Asked : uint8_t { kBegins, kUnderWay, kNoLog };
  Asked rewrite();

  // For INFO; any thread.
  struct Loading {
    int64_t start_ms = 0;
    uint64_t total_bytes = 0;
    uint64_t read_bytes = 0;
    int64_t eta_s = 0;
  };
  Loading loading() const;
  Rewriting::Status rewriting() const;

 private:
  void follow_config();
  void apply(const Config& config);
  void refuse_foreign_data(const Config& config);
  void open_directory(const Config& config);
  void tell_progress();
  void loaded(const std::string& refusal);
  void link_sessions();
  void start_after_loading();
  std::optional<std::string> turn(bool on);
  void reconcile();
  int open_hidden();
  void begin_log(bool hidden);
  void turn_on();
  void turn_off();
  void end_log();

  ServerState& server_;
  std::unique_ptr<storage::Disk> disk_;
  std::unique_ptr<storage::LogFiles> files_;
  std::unique_ptr<storage::LogRecovery> recovery_;
  std::unique_ptr<LogLoader> loader_;
  std::optional<storage::LinkLoaded> linking_;
  std::unique_ptr<LogThread> thread_;
  std::function<void()> ready_;
  int64_t load_start_us_ = 0;
  int64_t load_start_ms_ = 0;
  // CONFIG SET appendonly: what is wanted, and whether the first thread is about to bring it about.
  std::atomic<bool> wanted_{false};
  std::atomic<bool> turned_on_{false};
  bool changing_ = false;  // the first thread's, like what is above
  Rewriting rewriting_;
};

}  // namespace cloakroom::server
