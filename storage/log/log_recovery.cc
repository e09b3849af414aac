#include "storage/log/log_recovery.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace cloakroom::storage {
namespace {

constexpr int64_t kMostManifestBytes = 16 << 20;

std::string error_text(int error) { return std::strerror(error); }

int read_whole(DiskFile& file, std::string& text) {
  const int64_t size = file.size();
  if (size < 0) return static_cast<int>(-size);
  if (size > kMostManifestBytes) return EFBIG;
  text.resize(static_cast<size_t>(size));
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = file.read_at(at, std::span(text).subspan(at));
    if (n <= 0) return n < 0 ? static_cast<int>(-n) : EIO;
    at += static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace

LogRecovery::Status LogRecovery::refuse(std::string why) {
  refusal_ = std::move(why);
  return Status::kRefused;
}

LogRecovery::Status LogRecovery::begin() {
  int error = 0;
  const auto file = files_.disk().open(files_.manifest_name(), Disk::Open::kRead, error);
  if (error == ENOENT) return Status::kDone;
  std::string text;
  if (error == 0) error = read_whole(*file, text);
  if (error != 0) {
    return refuse("Fatal error: can't open the AOF manifest file " + files_.manifest_name() +
                  " for reading: " + error_text(error));
  }
  Manifest manifest;
  const char* const wrong = manifest.parse(text);
  if (wrong != nullptr) {
    return refuse("FATAL AOF MANIFEST FILE ERROR: " + files_.manifest_name() + ": " + wrong);
  }
  if (!manifest.base.name.empty()) names_.push_back(manifest.base.name);
  for (const Manifest::File& increment : manifest.increments) names_.push_back(increment.name);
  files_.adopt(std::move(manifest));
  for (const std::string& name : names_) {  // before anything is read of any
    const auto listed = files_.disk().open(name, Disk::Open::kRead, error);
    const int64_t size = listed == nullptr ? -error : listed->size();
    if (size < 0) {
      return refuse(size == -ENOENT ? "The append log file " + name + " doesn't exist: " + error_text(ENOENT)
                                    : "Fatal error: can't open the append log file " + name +
                                          " for reading: " + error_text(static_cast<int>(-size)));
    }
    total_bytes_ += static_cast<uint64_t>(size);
  }
  return Status::kBatch;
}

// False: there is no further file, or it cannot be opened.
bool LogRecovery::open_next(Status& status) {
  if (reader_ != nullptr) passed_bytes_ += reader_->file_bytes();
  reader_.reset();
  status = Status::kDone;
  if (next_ == names_.size()) return false;
  ++next_;
  int error = 0;
  file_ = files_.disk().open(name(), Disk::Open::kRead, error);
  if (error != 0) {
    status = refuse("Fatal error: can't open the append log file " + name() +
                    " for reading: " + error_text(error));
    return false;
  }
  reader_ = std::make_unique<LogReader>(*file_, databases_);
  return true;
}

LogRecovery::Status LogRecovery::next(LogBatch& batch) {
  for (;;) {
    Status status{};
    if (reader_ == nullptr && !open_next(status)) return status;
    switch (reader_->next(batch)) {
      case LogReader::Status::kBatch:
        return Status::kBatch;
      case LogReader::Status::kEnd:
        if (!open_next(status)) return status;
        break;
      case LogReader::Status::kTorn:
        return cut();
      case LogReader::Status::kDamaged:
        return bad_format(reader_->error_offset());
      case LogReader::Status::kRdb:
        return refuse(
            "The append only file " + name() +
            " begins with an RDB snapshot that holds keys, which this server cannot read yet. Let the "
            "server that wrote it write commands: CONFIG SET aof-use-rdb-preamble no, then BGREWRITEAOF.");
      case LogReader::Status::kFailed:
        return refuse("Unrecoverable error reading the append only file " + name() + ": " +
                      error_text(reader_->error()));
    }
  }
}

LogRecovery::Status LogRecovery::bad_format(uint64_t offset) {
  return refuse("Bad file format reading the append only file " + name() + " at offset " +
                std::to_string(offset) +
                ": make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>");
}

LogRecovery::Status LogRecovery::cut() {
  if (!last()) {
    return refuse("Unexpected end of file reading the append only file " + name() + " at offset " +
                  std::to_string(reader_->boundary()) +
                  ". Fatal error: the truncated file is not the last file");
  }
  if (!load_truncated_) {
    return refuse(
        "Unexpected end of file reading the append only file. You can: 1) Make a backup of your AOF file, "
        "then use "
        "./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' "
        "configuration option to yes and restart the server.");
  }
  cut_bytes_ = reader_->file_bytes() - reader_->boundary();
  int error = 0;
  const auto file = files_.disk().open(name(), Disk::Open::kAppend, error);
  if (error == 0) error = file->truncate(reader_->boundary());
  if (error == 0) error = file->sync();
  if (error != 0) return refuse("Error truncating the append only file " + name() + ": " + error_text(error));
  passed_bytes_ += reader_->boundary();
  reader_.reset();
  return Status::kDone;
}

std::string LogRecovery::where() const {
  return next_ == 0 ? std::string()
                    : name() + " before offset " + std::to_string(reader_ ? reader_->boundary() : 0);
}

}  // namespace cloakroom::storage
