#pragma once

// Drives a RequestParser as a connection does and writes down what came out, so that two ways of feeding the
// same bytes can be compared. Shared by the unit tests and the fuzz target.

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/request_parser.h"

namespace cloakroom::tests {

struct FeedOptions {
  size_t batch = 64;
  bool authenticated = true;
  bool keep = true;                                 // after every read, as when the scratch is shared
  std::function<size_t(size_t left)> chunk;         // size of the next read; empty: all at once
  std::function<size_t(size_t requests)> executed;  // of a batch before it stops; empty: all
};

struct Transcript {
  std::string requests;  // "<argument count>:<length>=<bytes>,...;" for each
  std::string error;
  size_t count = 0;
  size_t wire_bytes = 0;
  size_t left = 0;  // bytes not handed out

  bool operator==(const Transcript&) const = default;
};

inline void write_down(const protocol::Request& request, Transcript* out) {
  out->requests += std::to_string(request.args.size()) + ":";
  for (const std::string_view arg : request.args) {
    out->requests += std::to_string(arg.size()) + "=";
    out->requests += arg;
    out->requests += ",";
  }
  out->requests += ";";
  out->wire_bytes += request.wire_bytes;
  ++out->count;
}

// Calls next() until nothing more comes. False after an error.
inline bool drain(protocol::RequestParser& parser, protocol::RequestBatch& batch, const FeedOptions& options,
                  Transcript* out) {
  using Status = protocol::RequestParser::Status;
  while (true) {
    const Status status = parser.next(batch);
    size_t run = batch.size();
    if (options.executed && !batch.empty())
      run = std::clamp<size_t>(options.executed(batch.size()), 1, batch.size());
    for (size_t i = 0; i < run; ++i) write_down(batch[i], out);
    if (run != batch.size()) {
      parser.unread_after(batch, run - 1);
      if (options.keep) parser.keep();
      continue;
    }
    if (status == Status::kError) {
      out->error = parser.error_text();
      return false;
    }
    if (status == Status::kIncomplete) return true;
  }
}

inline Transcript feed(std::string_view input, const FeedOptions& options,
                       const protocol::ParserLimits& limits = protocol::ParserLimits()) {
  constexpr size_t kScratchBytes = 16 * 1024;
  protocol::RequestParser parser(limits);
  parser.set_authenticated(options.authenticated);
  protocol::RequestBatch batch(options.batch);
  Transcript out;
  const auto scratch = std::make_unique<char[]>(kScratchBytes);
  while (!input.empty()) {
    const std::span<char> room = parser.read_target({scratch.get(), kScratchBytes});
    size_t size = std::min(input.size(), room.size());
    if (options.chunk) size = std::clamp<size_t>(options.chunk(input.size()), 1, size);
    std::memcpy(room.data(), input.data(), size);
    input.remove_prefix(size);
    parser.received(size);
    if (!drain(parser, batch, options, &out)) return out;
    if (options.keep) {
      parser.keep();
      std::memset(scratch.get(), '?', kScratchBytes);
    }
  }
  out.left = parser.buffered_bytes();
  return out;
}

}  // namespace cloakroom::tests
