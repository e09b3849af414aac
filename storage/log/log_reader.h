// Reads one file of a log from its beginning to its end, as batches of whole groups: a command, or what stands between
// MULTI and EXEC. SELECT, MULTI, EXEC and annotations are the reader's; what is left are commands and the databases
// they are meant for. It tells where the last whole group ends when the file does not go on as it should.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "storage/base/disk.h"
#include "storage/format/log_record.h"

namespace cloakroom::storage {

// Commands in their order, with the bytes they consist of.
struct LogBatch {
  struct Command {
    uint32_t db;
    uint32_t words;
    size_t first_word;
  };
  std::span<const std::string_view> words_of(const Command& command) const {
    return std::span(words).subspan(command.first_word, command.words);
  }

  std::shared_ptr<char[]> bytes;
  std::vector<std::string_view> words;
  std::vector<Command> commands;
};

class LogReader {
 public:
  static constexpr size_t kBatchCommands = 512;

  enum class Status : uint8_t {
    kBatch,
    kEnd,
    kTorn,     // the file ends within a group, or in zeros: boundary() is where it should have ended
    kDamaged,  // not a record, at error_offset()
    kRdb,      // it begins with an RDB file that holds something
    kFailed,   // error(): errno
  };

  // `databases`: how many there are. The first command is meant for database 0.
  LogReader(DiskFile& file, uint32_t databases);

  // Not called again after anything but kBatch.
  Status next(LogBatch& batch);
  uint64_t file_bytes() const { return file_bytes_; }
  // Behind the last whole group handed out.
  uint64_t boundary() const { return block_offset_ + begin_; }
  uint64_t error_offset() const { return error_offset_; }
  int error() const { return error_; }

 private:
  static constexpr size_t kBlockBytes = 1 << 20;

  enum class Stop : uint8_t { kFull, kIncomplete, kMalformed };

  Stop parse(LogBatch& batch, size_t& wanted);
  enum class Word : uint8_t { kSelect, kMulti, kExec, kOther, kBad };
  static Word meaning(const std::vector<std::string_view>& words);
  Status at_end(Stop stop);
  bool refill(size_t wanted);
  bool zeros_from(uint64_t offset);
  bool pass_rdb(Status& status);

  DiskFile& file_;
  uint32_t databases_;
  uint64_t file_bytes_ = 0;
  std::shared_ptr<char[]> block_;
  size_t capacity_ = 0;
  size_t begin_ = 0;  // of what is not handed out, in the block
  size_t end_ = 0;
  uint64_t block_offset_ = 0;  // of the block's beginning, in the file
  uint32_t db_ = 0;            // at begin_
  bool started_ = false;
  Record record_;
  uint64_t error_offset_ = 0;
  int error_ = 0;
};

}  // namespace cloakroom::storage
