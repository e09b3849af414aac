// Records of a log as text: Redis' append-only file, RESP arrays of bulks with annotations (lines that begin with #)
// between them. Encoding them is part of changing keys (storage/keyspace/effects.h); this reads them. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace cloakroom::storage {

enum class RecordStatus : uint8_t {
  kCommand,     // a whole command: `words`
  kAnnotation,  // a whole line to pass over
  kIncomplete,  // the text ends within a record
  kMalformed,   // `error_offset` says where
};

struct Record {
  std::vector<std::string_view> words;  // views of the text; reused
  size_t bytes = 0;                     // of the record
  size_t error_offset = 0;              // from its beginning
  size_t wanted = 0;  // kIncomplete: at least as many bytes from its beginning make it whole
};

// Reads the record that `text`, which is not empty, begins with.
RecordStatus read_record(std::string_view text, Record& record);

// The bytes of an RDB file without any key or function at the beginning of `text` (what Redis writes as the base of a
// new log); 0: it is none, or one that holds something, or not all of it is there.
size_t empty_rdb_bytes(std::string_view text);

}  // namespace cloakroom::storage
