// The files of a log on disk: a manifest, and the increment that is appended to. What the manifest lists is there
// before it does (file and directory are synced first), and it is replaced as a whole.
//
// Errors are errno values, 0 is success. One thread's own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/base/disk.h"
#include "storage/log/manifest.h"

namespace cloakroom::storage {

class LogFiles {
 public:
  // `prefix`: what all names begin with (appendfilename).
  LogFiles(Disk& disk, std::string prefix) : disk_(disk), prefix_(std::move(prefix)) {}

  Disk& disk() { return disk_; }
  const Manifest& manifest() const { return manifest_; }
  std::string manifest_name() const { return prefix_ + ".manifest"; }
  const std::string& prefix() const { return prefix_; }

  // What recovery found on disk.
  void adopt(Manifest manifest) { manifest_ = std::move(manifest); }
  // Opens the last increment, or makes the first one.
  int open_last();
  // The file to append to; null after close().
  DiskFile* file() { return file_.get(); }
  void close() { file_.reset(); }
  uint64_t file_number() const { return manifest_.last_number; }

  // Closes the file and goes on in a new one. It is not listed until list_increment().
  int begin_increment();
  int list_increment();
  // Takes the last increment, which must not be listed yet, back.
  void forget_increment();
  // Opens the last increment anew and cuts it.
  int cut_last(uint64_t bytes);
  // What is older than the increment of this number is listed no longer, then removed.
  int drop_before(uint64_t number);
  // Removes what an earlier drop_before() was kept from removing.
  int remove_history();
  // Of all listed files, in bytes.
  uint64_t bytes_of_others() const;

 private:
  int write_manifest(const Manifest& manifest);

  Disk& disk_;
  std::string prefix_;
  Manifest manifest_;  // as on disk, but for an increment that is not listed yet
  std::unique_ptr<DiskFile> file_;
};

}  // namespace cloakroom::storage
