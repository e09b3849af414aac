// Groups go through ring and writer to a simulated disk, which fails and stops at any operation. What is read back
// after that is what was appended, whole groups, up to somewhere between what was durable and what was reserved.
#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storage/log/log_recovery.h"
#include "storage/log/log_writer.h"
#include "tests/storage/base/simulated_disk.h"
#include "tests/storage/fixture.h"

namespace cloakroom::storage::test {
namespace {

constexpr uint64_t kSeeds = 4;

using Line = std::string;  // database and words of a command

class LogSimulation {
 public:
  explicit LogSimulation(uint64_t seed) : random_(seed), disk_(seed), clock_(1'700'000'000'000) {
    state_.timestamps = seed % 3 == 0;
    state_.sync = seed % 2 == 0 ? LogSync::kAlways : LogSync::kEverySecond;
    disk_.short_writes = seed % 5 < 2;
  }

  SimulatedDisk& disk() { return disk_; }

  // Until the disk stops the machine or `steps` are done.
  void run(int steps) {
    try {
      start();
      for (int i = 0; i < steps; ++i) act();
    } catch (const SimulatedDisk::Crash&) {
    }
    stop();
  }
  // The groups on disk are whole groups: all that were durable and none that was never appended.
  void restart_and_check() {
    stop();
    disk_.crash();
    start();
  }
  bool durable_at_rest() {
    const auto at_rest = [&] {
      return state_.durable.load() == ring_->head() && state_.write_error.load() == 0;
    };
    for (int i = 0; i < 10'000 && !at_rest(); ++i) {
      clock_.advance(100);
      writer_->step();
    }
    return at_rest();
  }
  size_t groups() const { return groups_.size(); }
  LogState& state() { return state_; }
  void act() {
    const uint64_t dice = random_() % 100;
    if (dice < 45) {
      append();
    } else if (dice < 90) {
      writer_->step();
      clock_.advance(static_cast<int64_t>(random_() % 40));
    } else if (dice < 92) {
      if (!writer_->rotates() && !writer_->drops()) writer_->rotate_at(ring_->head());
    } else if (!writer_->rotates()) {
      clock_.advance(static_cast<int64_t>(random_() % 2000));
    }
    note_durable();
  }

 private:
  void append() {
    if (!ring_->has_room() || state_.write_error.load() != 0) return;
    Changes changes;
    std::vector<Line> group;
    const uint64_t size = random_() % 4 == 0 ? 1 + random_() % 5 : 1;
    for (uint64_t i = 0; i < size; ++i) {
      const auto db = static_cast<uint32_t>(random_() % 3);
      const uint64_t kind = random_() % 200;
      const size_t bytes = kind == 0   ? LogRing::kChunkBytes + random_() % 1000
                           : kind < 20 ? random_() % 70'000
                                       : random_() % 60;
      const std::string value = std::string(bytes, kind % 7 == 0 ? '\0' : '*') + "\r\n";
      const std::string number = std::to_string(++number_);
      const BigBytes owner = std::make_shared_for_overwrite<char[]>(value.size());
      std::copy(value.begin(), value.end(), owner.get());
      const EffectWord words[] = {"SET", number, {std::string_view(owner.get(), value.size()), &owner}};
      changes.add_effect(db, words);
      group.push_back(std::to_string(db).append(" SET ").append(number).append(" ").append(value));
    }
    groups_.push_back({group, ring_->append(changes)});
  }

  void start() {
    files_ = std::make_unique<LogFiles>(disk_, "appendonly.aof");
    recover();
    const int removed =
        files_->remove_history();  // outside of a check, which would catch what stops the machine
    const int opened = files_->open_last();
    REQUIRE(removed == 0);
    REQUIRE(opened == 0);
    ring_ = std::make_unique<LogRing>();
    state_.write_error = 0;
    writer_ = std::make_unique<LogWriter>(*ring_, *files_, state_, clock_);
    durable_groups_ = groups_.size();
  }
  void stop() {
    if (writer_ != nullptr) note_durable();
    writer_.reset();
    ring_.reset();
    files_.reset();
  }
  void note_durable() {
    const uint64_t durable = state_.durable.load();
    while (durable_groups_ < groups_.size() && groups_[durable_groups_].end <= durable) ++durable_groups_;
  }
  void recover() {
    LogRecovery recovery(*files_, 3, true);
    std::vector<Line> lines;
    LogBatch batch;
    auto status = recovery.begin();
    while (status == LogRecovery::Status::kBatch) {
      status = recovery.next(batch);
      if (status != LogRecovery::Status::kBatch) break;
      for (const LogBatch::Command& command : batch.commands) {
        Line line = std::to_string(command.db);
        for (const std::string_view word : batch.words_of(command)) line.append(" ").append(word);
        lines.push_back(line);
      }
    }
    INFO(recovery.refusal());
    REQUIRE(status == LogRecovery::Status::kDone);
    size_t at = 0;
    size_t whole = 0;
    for (const Group& group : groups_) {
      if (at == lines.size()) break;
      for (const Line& line : group.lines) {
        REQUIRE(at < lines.size());
        REQUIRE(lines[at] == line);
        ++at;
      }
      ++whole;
    }
    REQUIRE(at == lines.size());
    REQUIRE(whole >= durable_groups_);
    groups_.resize(whole);
    for (Group& group : groups_) group.end = 0;
  }

  struct Group {
    std::vector<Line> lines;
    uint64_t end;
  };
  std::mt19937_64 random_;
  SimulatedDisk disk_;
  ManualClock clock_;
  LogState state_;
  std::unique_ptr<LogFiles> files_;
  std::unique_ptr<LogRing> ring_;
  std::unique_ptr<LogWriter> writer_;
  std::vector<Group> groups_;  // appended, in order
  size_t durable_groups_ = 0;
  uint64_t number_ = 0;
};

uint64_t operations_of(uint64_t seed, int steps) {
  LogSimulation whole(seed);
  whole.run(steps);
  return whole.disk().operations();
}

TEST_CASE("A log whose machine stops at any operation has all that was durable, in whole groups") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const uint64_t operations = operations_of(seed, 250);
    REQUIRE(operations > 30);
    for (uint64_t at = 1; at <= operations; ++at) {
      CAPTURE(seed);
      CAPTURE(at);
      LogSimulation simulation(seed);
      simulation.disk().crash_at(at);
      simulation.run(250);
      simulation.disk().crash();
      simulation.disk().crash_at(simulation.disk().operations() + 1 + at % 17);  // also while recovering
      simulation.run(30);
      simulation.restart_and_check();
      CHECK(simulation.durable_at_rest());
    }
  }
}

TEST_CASE("A log whose disk fails says so, takes nothing until it works again, and loses nothing") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const uint64_t operations = operations_of(seed, 250);
    for (uint64_t at = 1; at <= operations; ++at) {
      CAPTURE(seed);
      CAPTURE(at);
      LogSimulation simulation(seed);
      simulation.restart_and_check();
      const uint64_t first = simulation.disk().operations() + at;
      const uint64_t last = first + (seed % 4 == 0 ? 8 : 0);
      simulation.disk().fail_if([=](uint64_t operation) {
        return operation < first || operation > last ? 0 : seed % 2 == 0 ? ENOSPC : EIO;
      });
      for (int i = 0; i < 250; ++i) simulation.act();
      simulation.disk().fail_if({});
      CHECK(simulation.durable_at_rest());
      simulation.restart_and_check();
    }
  }
}

}  // namespace
}  // namespace cloakroom::storage::test
