#include "storage/format/log_record.h"

#include <algorithm>
#include <array>

namespace cloakroom::storage {
namespace {

constexpr size_t kMostDigits = 16;       // of a count or a length
constexpr int64_t kMostWords = 1 << 30;  // of a command
constexpr int64_t kMostWordBytes = int64_t{1} << 40;

enum class Line : uint8_t { kNumber, kIncomplete, kMalformed };

// The number behind `kind` at `at`, which moves behind its line, or to the byte that should not be there.
Line read_number(std::string_view text, size_t& at, char kind, int64_t& number) {
  if (at >= text.size()) return Line::kIncomplete;
  if (text[at] != kind) return Line::kMalformed;
  const size_t first = ++at;
  int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    if (at - first == kMostDigits) return Line::kMalformed;
    value = value * 10 + (text[at] - '0');
  }
  if (at == text.size()) return Line::kIncomplete;
  if (at == first || text[at] != '\r') return Line::kMalformed;
  if (++at == text.size()) return Line::kIncomplete;
  if (text[at] != '\n') return Line::kMalformed;
  ++at;
  number = value;
  return Line::kNumber;
}

struct Rdb {
  std::string_view text;
  size_t at = 0;
  bool bad = false;

  uint8_t byte() {
    if (at >= text.size()) bad = true;
    return bad ? uint8_t{0} : static_cast<uint8_t>(text[at++]);
  }
  void skip(uint64_t bytes) {
    bad = bad || bytes > text.size() - at;
    if (!bad) at += bytes;
  }
  // Passes over a string (RDB "length encoding", with integers as special encodings).
  void skip_string() {
    const uint8_t first = byte();
    switch (first >> 6) {
      case 0:
        return skip(first & 63);
      case 1:
        return skip(static_cast<uint64_t>(first & 63) << 8 | byte());
      case 2: {
        uint64_t size = 0;
        for (int i = first == 0x80 ? 4 : 8; i > 0; --i) size = size << 8 | byte();
        return skip(size);
      }
      default:
        if ((first & 63) > 2) bad = true;  // compressed: never in what an empty base holds
        return skip(uint64_t{1} << (first & 63));
    }
  }
};

}  // namespace

RecordStatus read_record(std::string_view text, Record& record) {
  record.words.clear();
  const auto malformed = [&](size_t at) {
    record.error_offset = at;
    return RecordStatus::kMalformed;
  };
  const auto incomplete = [&](size_t wanted) {
    record.wanted = std::max(wanted, text.size() + 1);
    return RecordStatus::kIncomplete;
  };
  if (text[0] == '#') {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return incomplete(0);
    record.bytes = end + 1;
    return RecordStatus::kAnnotation;
  }
  size_t at = 0;
  int64_t words = 0;
  const Line first = read_number(text, at, '*', words);
  if (first == Line::kIncomplete) return incomplete(0);
  if (first == Line::kMalformed || words < 1 || words > kMostWords) return malformed(at);
  for (; words > 0; --words) {
    int64_t bytes = 0;
    const Line length = read_number(text, at, '$', bytes);
    if (length == Line::kIncomplete) return incomplete(0);
    if (length == Line::kMalformed || bytes > kMostWordBytes) return malformed(at);
    const auto size = static_cast<size_t>(bytes);
    if (text.size() - at < size + 2) return incomplete(at + size + 2);
    if (text[at + size] != '\r') return malformed(at + size);
    if (text[at + size + 1] != '\n') return malformed(at + size + 1);
    record.words.push_back(text.substr(at, size));
    at += size + 2;
  }
  record.bytes = at;
  return RecordStatus::kCommand;
}

size_t empty_rdb_bytes(std::string_view text) {
  constexpr std::string_view kMagic = "REDIS";
  constexpr size_t kVersionBytes = 4;
  constexpr size_t kChecksumBytes = 8;
  constexpr uint8_t kAuxiliary = 0xfa;
  constexpr uint8_t kEnd = 0xff;
  if (!text.starts_with(kMagic)) return 0;
  Rdb rdb{text, kMagic.size() + kVersionBytes};
  for (;;) {
    const uint8_t code = rdb.byte();
    if (rdb.bad || (code != kAuxiliary && code != kEnd)) return 0;
    if (code == kEnd) break;
    rdb.skip_string();
    rdb.skip_string();
  }
  rdb.skip(kChecksumBytes);
  return rdb.bad ? 0 : rdb.at;
}

}  // namespace cloakroom::storage
