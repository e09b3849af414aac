// What is read at a start: the manifest, then the files it lists, in order. Nothing is changed on disk but a torn end of
// the last file, which is cut when all before it was read.
//
// A file may end within a group, or in zeros, only where the log ends: there the machine stopped. Anything else that
// does not read as a log is damage, and refused.
#pragma once

#include <memory>
#include <string>

#include "storage/log/log_files.h"
#include "storage/log/log_reader.h"

namespace cloakroom::storage {

class LogRecovery {
 public:
  enum class Status : uint8_t { kBatch, kDone, kRefused };

  // `load_truncated`: aof-load-truncated.
  LogRecovery(LogFiles& files, uint32_t databases, bool load_truncated)
      : files_(files), databases_(databases), load_truncated_(load_truncated) {}

  // Reads the manifest into the files; kDone: there is none. Then next() until it is not kBatch.
  Status begin();
  Status next(LogBatch& batch);

  // Why it was refused, for the log: names files and offsets, nothing of what is in them.
  const std::string& refusal() const { return refusal_; }
  // What was cut off the last file, in bytes.
  uint64_t cut_bytes() const { return cut_bytes_; }
  // Behind the last group handed out, for complaints about what is in it.
  std::string where() const;
  uint64_t total_bytes() const { return total_bytes_; }
  uint64_t read_bytes() const { return passed_bytes_ + (reader_ == nullptr ? 0 : reader_->boundary()); }

 private:
  Status refuse(std::string why);
  Status bad_format(uint64_t offset);
  bool open_next(Status& status);
  Status cut();
  const std::string& name() const { return names_[next_ - 1]; }
  bool last() const { return next_ == names_.size(); }

  LogFiles& files_;
  uint32_t databases_;
  bool load_truncated_;
  std::vector<std::string> names_;  // in the order of reading
  size_t next_ = 0;
  std::unique_ptr<DiskFile> file_;
  std::unique_ptr<LogReader> reader_;
  uint64_t passed_bytes_ = 0;  // of files read whole
  uint64_t total_bytes_ = 0;
  uint64_t cut_bytes_ = 0;
  std::string refusal_;
};

}  // namespace cloakroom::storage
