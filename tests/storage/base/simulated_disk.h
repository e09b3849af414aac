// A disk that behaves as badly as a disk may. What is read is what was written; crash() leaves what was synced, and of
// the rest whatever the random numbers say: a prefix of what was appended, zeros for its end, the name a file had
// before or after.
#pragma once

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "storage/base/assert.h"
#include "storage/base/disk.h"

namespace cloakroom::storage::test {

class SimulatedDisk final : public Disk {
 public:
  // Thrown by the operation at which the machine stops.
  struct Crash {};

  explicit SimulatedDisk(uint64_t seed) : random_(seed) {}

  // --- what goes wrong
  uint64_t operations() const { return operations_; }
  void crash_at(uint64_t operation) { crash_at_ = operation; }
  // Returns the error of an operation, 0: none.
  void fail_if(std::function<int(uint64_t operation)> fails) { fails_ = std::move(fails); }
  bool short_writes = false;

  // The machine has stopped and starts again. Open files are of no use any more.
  void crash() {
    ++boots_;
    crash_at_ = UINT64_MAX;
    std::map<std::string, std::shared_ptr<Inode>> kept;
    for (const auto& [name, inode] : synced_names_) kept[name] = inode;
    if (random_() % 2 == 0) {  // some of what happened to names since, in its order
      for (const Renaming& change : unsynced_) {
        if (random_() % 3 == 0) break;
        change(kept);
      }
    }
    unsynced_.clear();
    names_ = kept;
    synced_names_ = kept;
    for (const auto& [name, inode] : names_) inode->crash(random_);
  }

  // --- looking at it and meddling with it, without counting
  bool has(const std::string& name) const { return names_.contains(name); }
  std::string& bytes(const std::string& name) { return names_.at(name)->bytes; }
  void put(const std::string& name, std::string bytes) {
    auto inode = std::make_shared<Inode>();
    inode->bytes = inode->synced = std::move(bytes);
    names_[name] = synced_names_[name] = inode;
  }

  int make() override { return step(); }
  int lock() override { return step(); }
  std::unique_ptr<DiskFile> open(const std::string& name, Open how, int& error) override {
    error = step();
    if (error == 0 && how != Open::kCreate && !names_.contains(name)) error = ENOENT;
    if (error != 0) return nullptr;
    if (how == Open::kCreate) {
      auto inode = std::make_shared<Inode>();
      change_names([name, inode](Names& names) { names[name] = inode; });
    }
    return std::make_unique<File>(*this, names_.at(name));
  }
  int rename(const std::string& from, const std::string& to) override {
    if (const int error = step()) return error;
    if (!names_.contains(from)) return ENOENT;
    change_names([from, to](Names& names) {
      const auto at = names.find(from);
      if (at == names.end()) return;
      names[to] = at->second;
      names.erase(from);
    });
    return 0;
  }
  int remove(const std::string& name) override {
    if (const int error = step()) return error;
    if (!names_.contains(name)) return ENOENT;
    change_names([name](Names& names) { names.erase(name); });
    return 0;
  }
  int sync_directory() override {
    if (const int error = step()) return error;
    synced_names_ = names_;
    unsynced_.clear();
    return 0;
  }
  int list(std::vector<std::string>& names) override {
    if (const int error = step()) return error;
    for (const auto& [name, inode] : names_) names.push_back(name);
    return 0;
  }

 private:
  struct Inode {
    std::string bytes;
    std::string synced;

    void crash(std::mt19937_64& random) {
      if (bytes.size() <= synced.size() || !bytes.starts_with(synced)) {
        bytes = synced;  // what was truncated and not synced may be there again
        return;
      }
      const size_t more = random() % (bytes.size() - synced.size() + 1);
      const bool zeros = random() % 4 == 0;
      if (zeros) {
        std::fill(bytes.begin() + static_cast<ptrdiff_t>(synced.size() + more), bytes.end(), '\0');
      } else {
        bytes.resize(synced.size() + more);
      }
      synced = bytes;
    }
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  using Renaming = std::function<void(Names&)>;

  class File final : public DiskFile {
   public:
    File(SimulatedDisk& disk, std::shared_ptr<Inode> inode) : disk_(disk), inode_(std::move(inode)) {}

    ssize_t append(std::span<const iovec> pieces) override {
      size_t size = 0;
      for (const iovec& piece : pieces) size += piece.iov_len;
      if (disk_.short_writes) size = 1 + disk_.random_() % size;
      const auto take = [&](size_t limit) {
        size_t taken = 0;
        for (const iovec& piece : pieces) {
          const size_t n = std::min(piece.iov_len, limit - taken);
          inode_->bytes.append(static_cast<const char*>(piece.iov_base), n);
          taken += n;
        }
      };
      if (disk_.crashes_now()) {  // in the middle of it
        take(disk_.random_() % (size + 1));
        throw Crash{};
      }
      if (const int error = disk_.step()) {
        if (error == ENOSPC) take(disk_.random_() % size);
        return -error;
      }
      take(size);
      return static_cast<ssize_t>(size);
    }
    ssize_t read_at(uint64_t offset, std::span<char> into) override {
      if (const int error = disk_.step()) return -error;
      if (offset >= inode_->bytes.size()) return 0;
      const size_t n = std::min(into.size(), inode_->bytes.size() - static_cast<size_t>(offset));
      std::memcpy(into.data(), inode_->bytes.data() + offset, n);
      return static_cast<ssize_t>(n);
    }
    int sync() override {
      CLOAKROOM_ASSERT(!sync_failed_);  // nobody knows what a second one would say
      const bool crashes = disk_.crashes_now();
      const int error = crashes ? 0 : disk_.step();
      if (error == 0 && !(crashes && disk_.random_() % 2 == 0)) inode_->synced = inode_->bytes;
      if (crashes) throw Crash{};
      sync_failed_ = error != 0;
      return error;
    }
    int truncate(uint64_t bytes) override {
      if (const int error = disk_.step()) return error;
      inode_->bytes.resize(static_cast<size_t>(bytes));
      return 0;
    }
    int64_t size() override {
      if (const int error = disk_.step()) return -error;
      return static_cast<int64_t>(inode_->bytes.size());
    }

   private:
    SimulatedDisk& disk_;
    std::shared_ptr<Inode> inode_;
    bool sync_failed_ = false;
  };

  bool crashes_now() const { return operations_ + 1 == crash_at_; }
  int step() {
    if (++operations_ == crash_at_) throw Crash{};
    return fails_ ? fails_(operations_) : 0;
  }
  void change_names(const Renaming& change) {
    change(names_);
    unsynced_.push_back(change);
  }

  std::mt19937_64 random_;
  uint64_t operations_ = 0;
  uint64_t boots_ = 0;
  uint64_t crash_at_ = UINT64_MAX;
  std::function<int(uint64_t)> fails_;
  Names names_;
  Names synced_names_;
  std::vector<Renaming> unsynced_;
};

}  // namespace cloakroom::storage::test
