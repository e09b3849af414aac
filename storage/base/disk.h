// One directory of files as a log needs them, behind an interface: tests run on a twin that loses what was not
// synced, tears writes and fails on demand (tests/storage/base/simulated_disk.h).
//
// What a crash may take: bytes appended since the file's last sync(); a file's name, a rename or a removal
// since the last sync_directory(). Errors are errno values, 0 is success; nothing throws but std::bad_alloc.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cloakroom::storage {

// An open file; closed when it goes. One thread's own.
class DiskFile {
 public:
  virtual ~DiskFile() = default;

  // Appends what the pieces hold, in order; returns how many bytes it took, which may be fewer, or -errno.
  virtual ssize_t append(std::span<const iovec> pieces) = 0;
  // Returns how many bytes were read, 0 at the end, or -errno.
  virtual ssize_t read_at(uint64_t offset, std::span<char> into) = 0;
  // What was appended and truncated is durable. After an error nobody knows which of it is: this file may not
  // be synced again.
  virtual int sync() = 0;
  virtual int truncate(uint64_t bytes) = 0;
  // In bytes, or -errno.
  virtual int64_t size() = 0;
};

// A directory. Names are without path. Thread-safe as long as threads use different names.
class Disk {
 public:
  enum class Open : uint8_t { kRead, kAppend, kCreate };  // kCreate: to append, empty; what was there goes

  virtual ~Disk() = default;

  // Makes the directory, for its owner only, unless it is there.
  virtual int make() = 0;
  // Keeps other processes out as long as this object lives; EWOULDBLOCK: one is in there.
  virtual int lock() = 0;
  // Null, and the error, when it cannot be opened.
  virtual std::unique_ptr<DiskFile> open(const std::string& name, Open how, int& error) = 0;
  virtual int rename(const std::string& from, const std::string& to) = 0;
  virtual int remove(const std::string& name) = 0;
  virtual int sync_directory() = 0;
  virtual int list(std::vector<std::string>& names) = 0;
};

// The files of a directory of this machine. `path` may be relative to the working directory of each call.
std::unique_ptr<Disk> posix_disk(std::string path);

}  // namespace cloakroom::storage
