#include "storage/log/log_reader.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "storage/base/assert.h"
#include "storage/base/nocase.h"
#include "storage/base/number.h"

namespace cloakroom::storage {

LogReader::LogReader(DiskFile& file, uint32_t databases) : file_(file), databases_(databases) {
  const int64_t size = file.size();
  if (size < 0) {
    error_ = static_cast<int>(-size);
  } else {
    file_bytes_ = static_cast<uint64_t>(size);
  }
}

LogReader::Status LogReader::next(LogBatch& batch) {
  if (error_ != 0) return Status::kFailed;
  if (!started_) {
    started_ = true;
    if (!refill(0)) return Status::kFailed;
    Status status{};
    if (!pass_rdb(status)) return status;
  }
  for (;;) {
    size_t wanted = 0;
    const Stop stop = parse(batch, wanted);
    if (!batch.commands.empty()) return Status::kBatch;
    if (stop == Stop::kMalformed) return at_end(stop);
    if (stop == Stop::kFull) continue;  // of nothing but SELECT
    const bool all_read = block_offset_ + end_ == file_bytes_;
    if (all_read || wanted > file_bytes_ - boundary()) return at_end(stop);
    if (!refill(wanted)) return Status::kFailed;
  }
}

// What follows the last group is no group.
LogReader::Status LogReader::at_end(Stop stop) {
  if (boundary() == file_bytes_) return Status::kEnd;
  if (stop == Stop::kIncomplete) return Status::kTorn;
  return zeros_from(error_offset_) ? Status::kTorn : error_ != 0 ? Status::kFailed : Status::kDamaged;
}

LogReader::Word LogReader::meaning(const std::vector<std::string_view>& words) {
  const std::string_view name = words[0];
  if (name.size() == 5 && equals_nocase(name, "multi")) return Word::kMulti;
  if (name.size() == 4 && equals_nocase(name, "exec")) return Word::kExec;
  if (name.size() == 6 && equals_nocase(name, "select"))
    return words.size() == 2 ? Word::kSelect : Word::kBad;
  return Word::kOther;
}

// Takes whole groups from the block; begin_ and db_ move behind the last of them.
LogReader::Stop LogReader::parse(LogBatch& batch, size_t& wanted) {
  batch.bytes = block_;
  batch.words.clear();
  batch.commands.clear();
  size_t at = begin_;
  uint32_t db = db_;
  bool in_group = false;
  size_t whole_commands = 0;
  size_t whole_words = 0;
  Stop stop = Stop::kFull;
  while (in_group || batch.commands.size() < kBatchCommands) {
    if (at == end_) {
      stop = Stop::kIncomplete;
      wanted = end_ - begin_ + 1;
      break;
    }
    const RecordStatus status = read_record({block_.get() + at, end_ - at}, record_);
    if (status == RecordStatus::kIncomplete) {
      stop = Stop::kIncomplete;
      wanted = at - begin_ + record_.wanted;
      break;
    }
    const Word word = status == RecordStatus::kCommand ? meaning(record_.words) : Word::kOther;
    const uint64_t selected = word == Word::kSelect ? parse_u64(record_.words[1]).value_or(UINT64_MAX) : 0;
    const bool bad = word == Word::kBad || selected >= databases_ || (word == Word::kMulti && in_group) ||
                     (word == Word::kExec && !in_group);
    if (status == RecordStatus::kMalformed || bad) {
      error_offset_ = block_offset_ + at + (bad ? 0 : record_.error_offset);
      stop = Stop::kMalformed;
      break;
    }
    at += record_.bytes;
    if (word == Word::kSelect) {
      db = static_cast<uint32_t>(selected);
    } else if (word == Word::kMulti || word == Word::kExec) {
      in_group = word == Word::kMulti;
    } else if (status == RecordStatus::kCommand) {
      batch.commands.push_back({db, static_cast<uint32_t>(record_.words.size()), batch.words.size()});
      batch.words.insert(batch.words.end(), record_.words.begin(), record_.words.end());
    }
    if (in_group) continue;
    begin_ = at;
    db_ = db;
    whole_commands = batch.commands.size();
    whole_words = batch.words.size();
  }
  batch.commands.resize(whole_commands);
  batch.words.resize(whole_words);
  return stop;
}

// A new block that begins with what is not handed out and has room for `wanted` bytes of it.
bool LogReader::refill(size_t wanted) {
  const size_t kept = end_ - begin_;
  const uint64_t left = file_bytes_ - boundary();
  const size_t room = std::max({kBlockBytes, wanted, 2 * kept});
  capacity_ = static_cast<size_t>(std::min<uint64_t>(room, left));
  auto block = std::make_shared_for_overwrite<char[]>(capacity_ + 1);
  if (kept != 0) std::memcpy(block.get(), block_.get() + begin_, kept);
  block_offset_ += begin_;
  block_ = std::move(block);
  begin_ = 0;
  end_ = kept;
  while (end_ < capacity_) {
    const ssize_t n = file_.read_at(block_offset_ + end_, {block_.get() + end_, capacity_ - end_});
    if (n < 0) {
      error_ = static_cast<int>(-n);
      return false;
    }
    if (n == 0) {  // shorter than it was
      file_bytes_ = block_offset_ + end_;
      break;
    }
    end_ += static_cast<size_t>(n);
  }
  return true;
}

bool LogReader::zeros_from(uint64_t offset) {
  std::array<char, 64 * 1024> part;
  while (offset < file_bytes_) {
    const ssize_t n = file_.read_at(offset, part);
    if (n <= 0) {
      error_ = n < 0 ? static_cast<int>(-n) : EIO;
      return false;
    }
    if (std::any_of(part.begin(), part.begin() + n, [](char c) { return c != 0; })) return false;
    offset += static_cast<uint64_t>(n);
  }
  return true;
}

// False: it is an RDB file with keys.
bool LogReader::pass_rdb(Status& status) {
  const std::string_view text(block_.get(), end_);
  if (!text.starts_with("REDIS")) return true;
  begin_ = empty_rdb_bytes(text);
  status = Status::kRdb;
  return begin_ != 0;
}

}  // namespace cloakroom::storage
