// LCS: the longest common subsequence of two strings, by the textbook table of lengths. Time and memory are
// the product of the sizes; memory is bounded by proto-max-bulk-len, as in Redis.
#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "server/dispatch/arguments.h"
#include "server/family/string/string_handlers.h"
#include "storage/base/nocase.h"
#include "storage/value/string_value.h"

namespace cloakroom::server {
namespace {

struct LcsRequest {
  bool index = false;
  bool length = false;
  bool match_lengths = false;
  int64_t min_match = 0;
};

// A stretch that both strings have, at these places.
struct Match {
  size_t a;
  size_t b;
  size_t size;
};

struct Lcs {
  std::string text;
  std::vector<Match> matches;  // from the end of the strings to their beginning
};

class LengthTable {
 public:
  static size_t bytes(std::string_view a, std::string_view b) {
    return (a.size() + 1) * (b.size() + 1) * sizeof(uint32_t);
  }

  // Throws std::bad_alloc.
  LengthTable(std::string_view a, std::string_view b)
      : columns_(b.size() + 1),
        cells_(std::make_unique_for_overwrite<uint32_t[]>((a.size() + 1) * columns_)) {
    std::fill_n(cells_.get(), columns_, 0u);
    for (size_t i = 1; i <= a.size(); ++i) {
      uint32_t* row = &cells_[i * columns_];
      const uint32_t* above = row - columns_;
      row[0] = 0;
      for (size_t j = 1; j <= b.size(); ++j) {
        row[j] = a[i - 1] == b[j - 1] ? above[j - 1] + 1 : std::max(above[j], row[j - 1]);
      }
    }
  }

  // Of the first i bytes of a and the first j of b.
  uint32_t at(size_t i, size_t j) const { return cells_[i * columns_ + j]; }

 private:
  size_t columns_;
  std::unique_ptr<uint32_t[]> cells_;
};

// Walks the table back from its end. Which of several subsequences results is visible: ties go to the shorter
// b.
Lcs trace(const LengthTable& lengths, std::string_view a, std::string_view b) {
  Lcs out;
  size_t i = a.size();
  size_t j = b.size();
  bool running = false;
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i;
      --j;
      out.text.push_back(a[i]);
      if (running) {
        Match& match = out.matches.back();
        match = {i, j, match.size + 1};
      } else {
        out.matches.push_back({i, j, 1});
        running = true;
      }
    } else {
      running = false;
      if (lengths.at(i - 1, j) > lengths.at(i, j - 1)) {
        --i;
      } else {
        --j;
      }
    }
  }
  std::reverse(out.text.begin(), out.text.end());
  return out;
}

bool parse_request(Context& ctx, LcsRequest& request) {
  for (size_t i = 3; i < ctx.argc(); ++i) {
    const std::string_view word = ctx.arg(i);
    if (equals_nocase(word, "idx")) {
      request.index = true;
    } else if (equals_nocase(word, "len")) {
      request.length = true;
    } else if (equals_nocase(word, "withmatchlen")) {
      request.match_lengths = true;
    } else if (equals_nocase(word, "minmatchlen") && i + 1 < ctx.argc()) {
      if (!parse_integer_arg(ctx, ++i, request.min_match)) return false;
    } else {
      ctx.reply.error(errors::kSyntax);
      return false;
    }
  }
  if (request.index && request.length) {
    ctx.reply.error("ERR If you want both the length and indexes, please just use IDX.");
    return false;
  }
  return true;
}

bool fits(Context& ctx, std::string_view a, std::string_view b) {
  constexpr size_t kMaxSize = UINT32_MAX - 1;
  if (a.size() >= kMaxSize || b.size() >= kMaxSize) {
    ctx.reply.error("ERR String too long for LCS");
  } else if (LengthTable::bytes(a, b) > max_string_bytes(ctx)) {
    ctx.reply.error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
  } else {
    return true;
  }
  return false;
}

void reply_range(protocol::ReplyWriter& reply, size_t first, size_t size) {
  reply.array(2);
  reply.integer(static_cast<int64_t>(first));
  reply.integer(static_cast<int64_t>(first + size - 1));
}

void reply_matches(protocol::ReplyWriter& reply, const LcsRequest& request, const Lcs& lcs) {
  const auto wanted = [&](const Match& match) {
    return static_cast<int64_t>(match.size) >= request.min_match;
  };
  reply.map(2);
  reply.bulk("matches");
  reply.array(static_cast<size_t>(std::count_if(lcs.matches.begin(), lcs.matches.end(), wanted)));
  for (const Match& match : lcs.matches) {
    if (!wanted(match) || !reply.wants_more()) continue;
    reply.array(request.match_lengths ? 3 : 2);
    reply_range(reply, match.a, match.size);
    reply_range(reply, match.b, match.size);
    if (request.match_lengths) reply.integer(static_cast<int64_t>(match.size));
  }
  reply.bulk("len");
  reply.integer(static_cast<int64_t>(lcs.text.size()));
}

void reply_lcs(Context& ctx, const LcsRequest& request, std::string_view a, std::string_view b) {
  const LengthTable lengths(a, b);
  if (request.length) {
    ctx.reply.integer(lengths.at(a.size(), b.size()));
    return;
  }
  const Lcs lcs = trace(lengths, a, b);
  if (request.index) {
    reply_matches(ctx.reply, request, lcs);
  } else {
    ctx.reply.bulk(lcs.text);
  }
}

}  // namespace

void lcs_command(Context& ctx) {
  const storage::Found first = ctx.access.read(ctx.key(1));
  const storage::Found second = ctx.access.read(ctx.key(2));
  if ((first && !is_string(first)) || (second && !is_string(second))) {
    ctx.reply.error("ERR The specified keys must contain string values");
    return;
  }
  char first_digits[storage::kI64Chars];
  char second_digits[storage::kI64Chars];
  const std::string_view a = first ? storage::string_bytes(*first.entry, first_digits) : std::string_view();
  const std::string_view b =
      second ? storage::string_bytes(*second.entry, second_digits) : std::string_view();
  LcsRequest request;
  if (!parse_request(ctx, request) || !fits(ctx, a, b)) return;
  try {
    reply_lcs(ctx, request, a, b);
  } catch (const std::bad_alloc&) {
    ctx.reply.error("ERR Insufficient memory, failed allocating transient memory for LCS");
  }
}

}  // namespace cloakroom::server
