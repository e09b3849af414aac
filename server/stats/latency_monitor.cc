#include "server/stats/latency_monitor.h"

#include <algorithm>

namespace cloakroom::server {

void LatencyMonitor::add(std::string_view event, int64_t unix_s, int64_t latency_ms) {
  const storage::Locked lock(mutex_);
  auto at = events_.find(event);
  if (at == events_.end()) at = events_.emplace(std::string(event), Event{}).first;
  Event& e = at->second;
  e.max_ms = std::max(e.max_ms, latency_ms);
  if (!e.samples.empty() && e.samples.back().unix_s == unix_s) {
    e.samples.back().latency_ms = std::max(e.samples.back().latency_ms, latency_ms);
    return;
  }
  if (e.samples.size() == kSamples) e.samples.erase(e.samples.begin());
  e.samples.push_back({unix_s, latency_ms});
}

std::map<std::string, LatencyMonitor::Event> LatencyMonitor::snapshot() const {
  const storage::Locked lock(mutex_);
  return {events_.begin(), events_.end()};
}

bool LatencyMonitor::reset(std::string_view event) {
  const storage::Locked lock(mutex_);
  const auto at = events_.find(event);
  if (at == events_.end()) return false;
  events_.erase(at);
  return true;
}

size_t LatencyMonitor::reset_all() {
  const storage::Locked lock(mutex_);
  const size_t count = events_.size();
  events_.clear();
  return count;
}

}  // namespace cloakroom::server
