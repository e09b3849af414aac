#include "storage/base/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace cloakroom::storage {
namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

// Repeats a call that a signal interrupted.
template <class Call>
auto persist(Call&& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

template <class Result>
int error_of(Result result) {
  return result < 0 ? errno : 0;
}

// A descriptor, closed when it goes.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

class PosixFile final : public DiskFile {
 public:
  explicit PosixFile(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

  ssize_t append(std::span<const iovec> pieces) override {
    const ssize_t n = persist(
        [&] { return ::writev(descriptor_.number(), pieces.data(), static_cast<int>(pieces.size())); });
    return n < 0 ? -errno : n;
  }
  ssize_t read_at(uint64_t offset, std::span<char> into) override {
    const ssize_t n = persist(
        [&] { return ::pread(descriptor_.number(), into.data(), into.size(), static_cast<off_t>(offset)); });
    return n < 0 ? -errno : n;
  }
  int sync() override {
    return error_of(persist([&] { return ::fdatasync(descriptor_.number()); }));
  }
  int truncate(uint64_t bytes) override {
    return error_of(persist([&] { return ::ftruncate(descriptor_.number(), static_cast<off_t>(bytes)); }));
  }
  int64_t size() override {
    struct stat status {};
    return ::fstat(descriptor_.number(), &status) < 0 ? -errno : status.st_size;
  }

 private:
  Descriptor descriptor_;
};

class PosixDisk final : public Disk {
 public:
  explicit PosixDisk(std::string path) : path_(std::move(path)) {}

  int make() override {
    if (::mkdir(path_.c_str(), kDirectoryMode) == 0) return sync_path(parent());
    return errno == EEXIST ? 0 : errno;
  }
  int lock() override {
    Descriptor directory(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.number() < 0 || ::flock(directory.number(), LOCK_EX | LOCK_NB) < 0) return errno;
    lock_ = std::make_unique<Descriptor>(std::move(directory));
    return 0;
  }
  std::unique_ptr<DiskFile> open(const std::string& name, Open how, int& error) override {
    const int flags = how == Open::kRead     ? O_RDONLY
                      : how == Open::kAppend ? O_RDWR | O_APPEND
                                             : O_RDWR | O_APPEND | O_CREAT | O_TRUNC;
    Descriptor file(persist([&] { return ::open(path_to(name).c_str(), flags | O_CLOEXEC, kFileMode); }));
    error = error_of(file.number());
    if (error != 0) return nullptr;
    return std::make_unique<PosixFile>(std::move(file));
  }
  int rename(const std::string& from, const std::string& to) override {
    return error_of(::rename(path_to(from).c_str(), path_to(to).c_str()));
  }
  int remove(const std::string& name) override { return error_of(::unlink(path_to(name).c_str())); }
  int sync_directory() override { return sync_path(path_); }
  int list(std::vector<std::string>& names) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path_.c_str()), ::closedir);
    if (directory == nullptr) return errno;
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    return 0;
  }

 private:
  std::string path_to(const std::string& name) const { return path_ + "/" + name; }
  std::string parent() const {
    const size_t slash = path_.find_last_of('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  }
  static int sync_path(const std::string& path) {
    const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.number() < 0) return errno;
    return error_of(persist([&] { return ::fsync(directory.number()); }));
  }

  std::string path_;
  std::unique_ptr<Descriptor> lock_;
};

}  // namespace

std::unique_ptr<Disk> posix_disk(std::string path) { return std::make_unique<PosixDisk>(std::move(path)); }

}  // namespace cloakroom::storage
