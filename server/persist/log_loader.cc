#include "server/persist/log_loader.h"

#include <algorithm>
#include <utility>

#include "protocol/output_buffer.h"
#include "protocol/reply_writer.h"
#include "server/dispatch/client_link.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "storage/base/assert.h"

namespace cloakroom::server {
namespace {

constexpr size_t kWindow = 16;  // commands whose keys are loaded from memory together
constexpr size_t kPartsAheadAThread = 4;
constexpr int64_t kProgressUs = 1'000'000;

// Of a client that nobody is connected to.
struct NoLink final : ClientLink {
  void push(const Push&) override {}
  void resume() override {}
  void log_is_durable() override {}
  void close() override {}
  size_t base_bytes() const override { return 0; }
};

}  // namespace

// Runs commands on its worker's thread.
class LogLoader::Runner {
 public:
  explicit Runner(Worker& worker)
      : worker_(worker), client_(0, worker, link_, {}, 0), reply_(out_), keys_(kWindow) {
    reply_.mute(true);
  }

  // True: all of the part was run.
  bool run(Part& part, uint64_t end_cycles) {
    worker_.access.read_clock();
    while (part.next < part.commands.size()) {
      run_window(part);
      if (cycle_count() >= end_cycles) break;
    }
    return part.next == part.commands.size();
  }
  uint64_t errors() const { return reply_.errors(); }

 private:
  void run_window(Part& part) {
    storage::Access& access = worker_.access;
    const size_t end = std::min(part.next + kWindow, part.commands.size());
    const auto command_at = [&](size_t i) -> const storage::LogBatch::Command& {
      return part.batch->commands[part.commands[i]];
    };
    const auto has_key = [&](size_t i) { return part.rows[i]->names_keys && part.rows[i]->first_key == 1; };
    for (size_t i = part.next; i < end; ++i) {
      if (!has_key(i)) continue;
      access.select(command_at(i).db);
      access.schema().fill(keys_[i - part.next], part.batch->words_of(command_at(i))[1]);
      access.prefetch_bucket(keys_[i - part.next], true);
    }
    for (size_t i = part.next; i < end; ++i) {
      if (has_key(i)) access.prefetch_entry(keys_[i - part.next]);
    }
    for (size_t i = part.next; i < end; ++i) {
      client_.db = command_at(i).db;
      worker_.dispatcher.run_loaded(client_, *part.rows[i], part.batch->words_of(command_at(i)),
                                    has_key(i) ? &keys_[i - part.next] : nullptr, reply_);
    }
    part.next = end;
  }

  Worker& worker_;
  NoLink link_;
  Client client_;
  protocol::OutputBuffer out_;
  protocol::ReplyWriter reply_;
  std::vector<storage::KeyRef> keys_;
};

LogLoader::LogLoader(ServerState& server, storage::LogRecovery& recovery, std::function<void()> progress)
    : server_(server),
      recovery_(recovery),
      progress_(std::move(progress)),
      parts_(server.workers.size()),
      queues_(server.workers.size()) {
  for (Worker* worker : server.workers) runners_.push_back(std::make_unique<Runner>(*worker));
}

LogLoader::~LogLoader() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void LogLoader::start(std::function<void(std::string)> done) {
  thread_ = std::thread([this, done = std::move(done)] {
    std::string refusal = read();
    if (!stopping_) done(std::move(refusal));
  });
}

void LogLoader::stop() {
  stopping_ = true;
  const std::lock_guard lock(mutex_);
  parts_done_.notify_all();
}

std::string LogLoader::read() {
  auto status = storage::LogRecovery::Status::kBatch;
  int64_t told_us = server_.clock.monotonic_us();
  while (!stopping_) {
    const auto batch = std::make_shared<storage::LogBatch>();
    status = recovery_.next(*batch);
    if (status != storage::LogRecovery::Status::kBatch) break;
    if (!distribute(batch)) return unknown_ + " reading the append only file " + recovery_.where();
    bytes_.store(recovery_.read_bytes(), std::memory_order_relaxed);
    const int64_t now_us = server_.clock.monotonic_us();
    if (now_us - told_us < kProgressUs) continue;
    told_us = now_us;
    progress_();
  }
  hand_out_all();
  wait_for(0);
  for (const auto& runner : runners_) errors_ += runner->errors();
  return status == storage::LogRecovery::Status::kRefused ? recovery_.refusal() : std::string();
}

// False: one of the commands cannot be run.
bool LogLoader::distribute(const std::shared_ptr<storage::LogBatch>& batch) {
  for (uint32_t i = 0; i < batch->commands.size() && !stopping_; ++i) {
    const auto words = batch->words_of(batch->commands[i]);
    const Command* const command = server_.commands.find_line(words);
    if (command == nullptr) {
      unknown_ = "Unknown command";
      return false;
    }
    if (!command->row->takes(words.size()) || !command->is(kWrite)) {
      unknown_ = "A command that no log holds";
      return false;
    }
    Worker* const owner = owner_of(*command, words);
    if (owner == nullptr) {
      hand_out_all();
      wait_for(0);
    }
    Worker& worker = owner != nullptr ? *owner : *server_.workers[0];
    auto& part = parts_[worker.index];
    if (part == nullptr) part = std::make_shared<Part>(Part{batch, {}, {}, 0});
    part->commands.push_back(i);
    part->rows.push_back(command);
    if (owner == nullptr) {
      hand_out_all();
      wait_for(0);
    }
  }
  commands_.fetch_add(batch->commands.size(), std::memory_order_relaxed);
  hand_out_all();
  wait_for(kPartsAheadAThread * parts_.size());
  return true;
}

// The thread that has all keys of the command; null: there is none.
Worker* LogLoader::owner_of(const Command& command, std::span<const std::string_view> words) {
  if (!command.names_keys || command.has(kAllGuards | kOwnGuards)) return nullptr;
  const storage::KeySchema& schema = server_.keyspace->schema();
  const auto owner = [&](size_t word) {
    const uint64_t hash = schema.make(words[word]).hash();
    return server_.keyspace->shard_of(hash) % static_cast<uint32_t>(parts_.size());
  };
  if (command.one_key) return server_.workers[owner(1)];
  key_args_.clear();
  collect_keys(command, words, key_args_);
  if (key_args_.empty()) return nullptr;
  const uint32_t first = owner(key_args_[0].index);
  const bool one = std::all_of(key_args_.begin(), key_args_.end(),
                               [&](const KeyArg& arg) { return owner(arg.index) == first; });
  return one ? server_.workers[first] : nullptr;
}

void LogLoader::hand_out(Worker& worker) {
  std::shared_ptr<Part> part = std::exchange(parts_[worker.index], nullptr);
  if (part == nullptr) return;
  const std::lock_guard lock(mutex_);
  ++parts_out_;
  queues_[worker.index].push_back(std::move(part));
  if (queues_[worker.index].size() == 1) worker.post([this, &worker] { turn(worker); });
}

void LogLoader::hand_out_all() {
  for (Worker* worker : server_.workers) hand_out(*worker);
}

void LogLoader::wait_for(size_t most_parts) {
  std::unique_lock lock(mutex_);
  parts_done_.wait(lock, [&] { return parts_out_ <= most_parts || stopping_; });
}

// On the worker's thread. Parts are run in their order: the first stays in the queue until it is done.
void LogLoader::turn(Worker& worker) {
  const uint64_t end = cycle_count() + server_.slice_cycles.load(std::memory_order_relaxed);
  auto& queue = queues_[worker.index];
  std::unique_lock lock(mutex_);
  while (!queue.empty() && !stopping_) {
    const std::shared_ptr<Part> part = queue.front();
    lock.unlock();
    const bool done = runners_[worker.index]->run(*part, end);
    lock.lock();
    if (done) {
      queue.pop_front();
      --parts_out_;
      parts_done_.notify_one();
    }
    if (cycle_count() < end || queue.empty()) continue;
    worker.run_soon([this, &worker] { turn(worker); });
    return;
  }
}

}  // namespace cloakroom::server
