/* Preloaded into a server: notes what is safe on disk of the files under AOF_SHIM_DIR, in lines of AOF_SHIM_JOURNAL.

     S <begin ns> <end ns> <inode> <bytes> <name>        a file was synced that had so many bytes when the sync began
     D <begin ns> <end ns> <directory> <name>/<inode>/...  a directory was synced that held these when the sync began
     N <ns> <ns> <directory> <name>/<inode>/...            names changed: it holds these

   Times are CLOCK_MONOTONIC, directories are relative to AOF_SHIM_DIR. What loses a name is kept beside the journal,
   under its inode. With AOF_SHIM_LIE logs are never synced, and their syncs succeed. While there is a file beside the
   journal of the name "hangs", syncs of logs do not end; while there is one of the name "full", writes to them fail. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 1 << 16 };

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void note(const char *format, ...) {
  char line[LINE];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  int out = open(getenv("AOF_SHIM_JOURNAL"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (size >= LINE || out < 0 || write(out, line, (size_t)size) != size) abort();
  close(out);
}

/* The part of a path behind AOF_SHIM_DIR, or null: it is elsewhere. */
static const char *within(const char *path) {
  const char *base = getenv("AOF_SHIM_DIR");
  if (base == NULL || getenv("AOF_SHIM_JOURNAL") == NULL) return NULL;
  size_t length = strlen(base);
  if (strncmp(path, base, length) != 0 || (path[length] != '/' && path[length] != 0)) return NULL;
  return path[length] == 0 ? "." : path + length + 1;
}

static int path_of(int fd, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length < 0 ? 0 : length] = 0;
  return length >= 0;
}

/* Whether the test has said that there is such a fault. */
static int faulty(const char *name) {
  char path[PATH_MAX];
  if (getenv("AOF_SHIM_JOURNAL") == NULL) return 0;
  snprintf(path, sizeof path, "%s", getenv("AOF_SHIM_JOURNAL"));
  size_t directory = (size_t)(strrchr(path, '/') - path) + 1;
  snprintf(path + directory, sizeof path - directory, "%s", name);
  return access(path, F_OK) == 0;
}

static int is_log(const char *path) {
  size_t length = strlen(path);
  return within(path) != NULL && length > 4 && strcmp(path + length - 4, ".aof") == 0;
}

static int refused(int fd) {
  char path[PATH_MAX];
  if (!faulty("full") || !path_of(fd, path) || !is_log(path)) return 0;
  errno = ENOSPC;
  return 1;
}

static void list(const char *path, char out[LINE / 2]) {
  size_t used = 0;
  DIR *directory = opendir(path);
  out[0] = 0;
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    used += (size_t)snprintf(out + used, LINE / 2 - used, "%s%s/%llu", used == 0 ? "" : "/", entry->d_name,
                             (unsigned long long)entry->d_ino);
    if (used >= LINE / 2) abort();
  }
  if (directory != NULL) closedir(directory);
}

static int synced(int fd, const char *call) {
  typedef int Sync(int);
  Sync *real = (Sync *)dlsym(RTLD_NEXT, call);
  char path[PATH_MAX], names[LINE / 2] = "";
  struct stat status;
  long long begin = now();
  if (!path_of(fd, path) || within(path) == NULL || fstat(fd, &status) != 0) return real(fd);
  int is_directory = S_ISDIR(status.st_mode);
  if (getenv("AOF_SHIM_LIE") != NULL && is_log(path)) return 0;
  while (is_log(path) && faulty("hangs")) usleep(1000);
  if (is_directory) list(path, names);
  int result = real(fd), error = errno;
  if (result == 0 && is_directory) note("D %lld %lld %s %s\n", begin, now(), within(path), names);
  if (result == 0 && S_ISREG(status.st_mode)) {
    note("S %lld %lld %llu %lld %s\n", begin, now(), (unsigned long long)status.st_ino, (long long)status.st_size,
         within(path));
  }
  errno = error;
  return result;
}

/* The path that a call means, whatever it was given. */
static void absolute(int at, const char *name, char path[PATH_MAX]) {
  char start[PATH_MAX] = "";
  path[0] = 0;
  if (name[0] != '/' && at == AT_FDCWD && getcwd(start, sizeof start) == NULL) return;
  if (name[0] != '/' && at != AT_FDCWD && !path_of(at, start)) return;
  while (name[0] == '.' && name[1] == '/') name += 2;
  if (snprintf(path, PATH_MAX, "%s%s%s", start, name[0] == '/' ? "" : "/", name) >= PATH_MAX) path[0] = 0;
}

/* Before a name goes, or means another file. */
static void keep(const char *path) {
  char kept[PATH_MAX + 32];
  struct stat status;
  if (within(path) == NULL || lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) return;
  snprintf(kept, sizeof kept, "%s.%llu", getenv("AOF_SHIM_JOURNAL"), (unsigned long long)status.st_ino);
  if (link(path, kept) != 0 && errno != EEXIST) abort();
}

static void changed(const char *path) {
  char directory[PATH_MAX], names[LINE / 2];
  if (within(path) == NULL) return;
  snprintf(directory, sizeof directory, "%s", path);
  *strrchr(directory, '/') = 0;
  if (within(directory) == NULL) return;
  long long at = now();
  list(directory, names);
  note("N %lld %lld %s %s\n", at, at, within(directory), names);
}

static int renamed(int from_at, const char *from, int to_at, const char *to) {
  typedef int Renameat(int, const char *, int, const char *);
  Renameat *real = (Renameat *)dlsym(RTLD_NEXT, "renameat");
  char old_path[PATH_MAX], new_path[PATH_MAX];
  absolute(from_at, from, old_path);
  absolute(to_at, to, new_path);
  keep(new_path);
  int result = real(from_at, from, to_at, to), error = errno;
  if (result == 0) changed(new_path);
  if (result == 0) changed(old_path);
  errno = error;
  return result;
}

static int removed(int at, const char *name, int flags) {
  typedef int Unlinkat(int, const char *, int);
  Unlinkat *real = (Unlinkat *)dlsym(RTLD_NEXT, "unlinkat");
  char path[PATH_MAX];
  absolute(at, name, path);
  keep(path);
  int result = real(at, name, flags), error = errno;
  if (result == 0) changed(path);
  errno = error;
  return result;
}

ssize_t write(int fd, const void *bytes, size_t size) {
  typedef ssize_t Write(int, const void *, size_t);
  return refused(fd) ? -1 : ((Write *)dlsym(RTLD_NEXT, "write"))(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  typedef ssize_t Writev(int, const struct iovec *, int);
  return refused(fd) ? -1 : ((Writev *)dlsym(RTLD_NEXT, "writev"))(fd, pieces, count);
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }
int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return renamed(from_at, from, to_at, to); }
int unlink(const char *name) { return removed(AT_FDCWD, name, 0); }
int unlinkat(int at, const char *name, int flags) { return removed(at, name, flags); }
int remove(const char *name) {
  struct stat status;
  return removed(AT_FDCWD, name, lstat(name, &status) == 0 && S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
}
