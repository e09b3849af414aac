#include "protocol/output_limits.h"

#include <doctest/doctest.h>

using cloakroom::protocol::ClientClass;
using cloakroom::protocol::OutputLimit;
using cloakroom::protocol::OutputLimits;
using cloakroom::protocol::OutputLimitState;
using Action = cloakroom::protocol::OutputLimitState::Action;

TEST_CASE("output limits: without limits a client may be as slow as it likes") {
  OutputLimitState state;
  CHECK(state.step(OutputLimits().of(ClientClass::kNormal), 0, UINT64_MAX) == Action::kOk);
}

TEST_CASE("output limits: the hard limit closes at once") {
  OutputLimitState state;
  const OutputLimit limit{100, 0, 0};
  CHECK(state.step(limit, 0, 99) == Action::kOk);
  CHECK(state.step(limit, 0, 100) == Action::kClose);
}

TEST_CASE("output limits: the soft limit closes after it was passed for longer than its seconds") {
  OutputLimitState state;
  const OutputLimit limit{1000, 100, 10};
  for (int64_t start : {0, 100}) {
    CHECK(state.step(limit, start, 100) == Action::kOk);
    CHECK(state.step(limit, start + 10, 500) == Action::kOk);
    CHECK(state.step(limit, start + 11, 99) == Action::kOk);  // below: the clock starts again
    CHECK(state.step(limit, start + 12, 100) == Action::kOk);
    CHECK(state.step(limit, start + 22, 100) == Action::kOk);
    CHECK(state.step(limit, start + 23, 100) == Action::kClose);
    state = OutputLimitState();
  }
  const OutputLimit at_once{0, 100, 0};
  CHECK(state.step(at_once, 5, 100) == Action::kOk);
  CHECK(state.step(at_once, 5, 100) == Action::kOk);
  CHECK(state.step(at_once, 6, 100) == Action::kClose);
}

TEST_CASE("output limits: Redis' defaults by class") {
  const OutputLimits limits;
  CHECK(limits.of(ClientClass::kPubsub).hard_bytes == 32u << 20);
  CHECK(limits.of(ClientClass::kPubsub).soft_bytes == 8u << 20);
  CHECK(limits.of(ClientClass::kReplica).hard_bytes == 256u << 20);
  CHECK(limits.of(ClientClass::kReplica).soft_bytes == 64u << 20);
  CHECK(limits.of(ClientClass::kReplica).soft_seconds == 60);
}
