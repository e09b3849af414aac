#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace cloakroom::protocol {

// The classes client-output-buffer-limit tells apart.
enum class ClientClass : uint8_t { kNormal, kReplica, kPubsub };

struct OutputLimit {
  uint64_t hard_bytes = 0;  // 0: none
  uint64_t soft_bytes = 0;  // 0: none
  int64_t soft_seconds = 0;
  bool operator==(const OutputLimit&) const = default;
};

// Redis' defaults.
struct OutputLimits {
  std::array<OutputLimit, 3> by_class{OutputLimit{}, OutputLimit{256u << 20, 64u << 20, 60},
                                      OutputLimit{32u << 20, 8u << 20, 60}};
  const OutputLimit& of(ClientClass client_class) const {
    return by_class[static_cast<size_t>(client_class)];
  }
  OutputLimit& of(ClientClass client_class) { return by_class[static_cast<size_t>(client_class)]; }
};

// One per client. Pure: time comes in.
class OutputLimitState {
 public:
  enum class Action : uint8_t { kOk, kClose };

  // `bytes` wait for the client at `now_s`. Closes at once from the hard limit on, and from the soft limit on
  // when it was never left for more than soft_seconds.
  Action step(const OutputLimit& limit, int64_t now_s, uint64_t bytes);

 private:
  static constexpr int64_t kBelow = INT64_MIN;
  int64_t soft_since_s_ = kBelow;
};

}  // namespace cloakroom::protocol
