// The manifest of a log of several files, in the form of Redis 7 (aof.c, "aofManifest"): one line a file,
//
//   file appendonly.aof.2.base.rdb seq 2 type b
//   file appendonly.aof.4.incr.aof seq 4 type i
//
// pairs of key and value in any order, unknown keys passed over, names quoted where they must be. The types are b
// (base: the state everything after it starts from; at most one), i (increment: what was done since, in the order
// of the numbers, which rise) and h (history: no longer needed, to be removed). A line that begins with # is a
// comment; Cloakroom marks the manifests it wrote with one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cloakroom::storage {

struct Manifest {
  struct File {
    std::string name;
    uint64_t number = 0;
  };

  // Null, or what is wrong with the text, in Redis' words.
  const char* parse(std::string_view text);
  std::string render() const;
  bool empty() const { return base.name.empty() && increments.empty(); }
  // Adds an increment of the next number and returns its name, made of `prefix` (appendfilename).
  std::string add_increment(const std::string& prefix);

  bool own = false;  // written by Cloakroom
  File base;         // no name: there is none
  std::vector<File> increments;
  std::vector<File> history;
  uint64_t last_number = 0;  // of any increment there ever was, as far as the manifest tells
};

}  // namespace cloakroom::storage
