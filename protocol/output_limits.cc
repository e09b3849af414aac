#include "protocol/output_limits.h"

namespace cloakroom::protocol {

OutputLimitState::Action OutputLimitState::step(const OutputLimit& limit, int64_t now_s, uint64_t bytes) {
  if (limit.hard_bytes != 0 && bytes >= limit.hard_bytes) return Action::kClose;
  if (limit.soft_bytes == 0 || bytes < limit.soft_bytes) {
    soft_since_s_ = kBelow;
    return Action::kOk;
  }
  if (soft_since_s_ == kBelow) {
    soft_since_s_ = now_s;
    return Action::kOk;
  }
  return now_s - soft_since_s_ > limit.soft_seconds ? Action::kClose : Action::kOk;
}

}  // namespace cloakroom::protocol
