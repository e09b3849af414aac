#include "server/stats/rate_meter.h"

namespace cloakroom::server {

void RateMeter::sample(int64_t now_us, uint64_t total) {
  constexpr double kUsPerSecond = 1e6;
  if (taken_ > 0 && total < samples_[(taken_ - 1) % kSamples].total) taken_ = 0;
  samples_[taken_ % kSamples] = {now_us, total};
  const Sample& oldest = samples_[taken_ < kSamples ? 0 : (taken_ + 1) % kSamples];
  ++taken_;
  const int64_t elapsed_us = now_us - oldest.at_us;
  const double grown = static_cast<double>(total - oldest.total);
  per_second_.store(elapsed_us <= 0 ? 0 : grown * kUsPerSecond / static_cast<double>(elapsed_us),
                    std::memory_order_relaxed);
}

}  // namespace cloakroom::server
