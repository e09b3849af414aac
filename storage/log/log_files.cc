#include "storage/log/log_files.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "storage/base/assert.h"

namespace cloakroom::storage {
namespace {

int write_whole(DiskFile& file, std::string text) {
  for (size_t at = 0; at < text.size();) {
    const iovec piece{text.data() + at, text.size() - at};
    const ssize_t n = file.append({&piece, 1});
    if (n <= 0) return n < 0 ? static_cast<int>(-n) : EIO;
    at += static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace

int LogFiles::write_manifest(const Manifest& manifest) {
  const std::string temporary = "temp-" + manifest_name();
  int error = 0;
  const auto file = disk_.open(temporary, Disk::Open::kCreate, error);
  if (error == 0) error = write_whole(*file, manifest.render());
  if (error == 0) error = file->sync();
  if (error == 0) error = disk_.rename(temporary, manifest_name());
  if (error == 0) error = disk_.sync_directory();
  return error;
}

int LogFiles::open_last() {
  if (manifest_.increments.empty()) {
    manifest_.own = manifest_.own || manifest_.empty();
    const int error = begin_increment();
    return error != 0 ? error : list_increment();
  }
  int error = 0;
  file_ = disk_.open(manifest_.increments.back().name, Disk::Open::kAppend, error);
  return error;
}

int LogFiles::begin_increment() {
  const std::string name = manifest_.add_increment(prefix_);
  int error = 0;
  file_ = disk_.open(name, Disk::Open::kCreate, error);
  if (error == 0) error = file_->sync();
  if (error == 0) error = disk_.sync_directory();
  if (error != 0) forget_increment();
  return error;
}

int LogFiles::list_increment() { return write_manifest(manifest_); }

void LogFiles::forget_increment() {
  CLOAKROOM_ASSERT(!manifest_.increments.empty());
  file_.reset();
  disk_.remove(manifest_.increments.back().name);  // best effort: nobody lists it
  manifest_.increments.pop_back();
}

int LogFiles::cut_last(uint64_t bytes) {
  CLOAKROOM_ASSERT(!manifest_.increments.empty());
  int error = 0;
  const auto file = disk_.open(manifest_.increments.back().name, Disk::Open::kAppend, error);
  if (error == 0) error = file->truncate(bytes);
  if (error == 0) error = file->sync();
  return error;
}

int LogFiles::drop_before(uint64_t number) {
  Manifest next = manifest_;
  if (!next.base.name.empty()) next.history.push_back(std::exchange(next.base, {}));
  std::vector<Manifest::File> kept;
  for (Manifest::File& file : next.increments) {
    (file.number < number ? next.history : kept).push_back(std::move(file));
  }
  next.increments = std::move(kept);
  next.own = true;
  CLOAKROOM_ASSERT(!next.increments.empty());
  const int error = write_manifest(next);
  if (error != 0) return error;
  manifest_ = std::move(next);
  return remove_history();
}

int LogFiles::remove_history() {
  if (manifest_.history.empty()) return 0;
  for (const Manifest::File& file : manifest_.history) {
    const int error = disk_.remove(file.name);
    if (error != 0 && error != ENOENT) return error;
  }
  Manifest next = manifest_;
  next.history.clear();
  const int error = write_manifest(next);
  if (error == 0) manifest_ = std::move(next);
  return error;
}

uint64_t LogFiles::bytes_of_others() const {
  uint64_t bytes = 0;
  const auto add = [&](const std::string& name) {
    int error = 0;
    const auto file = disk_.open(name, Disk::Open::kRead, error);
    if (error == 0) bytes += static_cast<uint64_t>(std::max<int64_t>(file->size(), 0));
  };
  if (!manifest_.base.name.empty()) add(manifest_.base.name);
  for (size_t i = 0; i + 1 < manifest_.increments.size(); ++i) add(manifest_.increments[i].name);
  return bytes;
}

}  // namespace cloakroom::storage
