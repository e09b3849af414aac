// Which guards a command, or a whole transaction, needs: worked out in this one place, from the rows' traits
// and key specifications. Taking them, and finding what else they lead to, is storage's
// (storage/keyspace/guard_plan.h).
#pragma once

#include <vector>

#include "server/dispatch/context.h"
#include "server/dispatch/transaction.h"
#include "storage/keyspace/guard_plan.h"

namespace cloakroom::server {

// Of single commands. One per thread: its memory is reused.
class GuardPlanner {
 public:
  // Whether the command's row leaves guards to the dispatcher, and there are any.
  static bool plans(const Command& command) {
    return !command.has(kOwnGuards) && (command.names_keys || command.has(kAllGuards));
  }
  // In the selected database. The plan is valid until the next one or clear().
  storage::GuardPlan plan(Context& ctx);
  void clear();

 private:
  std::vector<KeyArg> key_args_;
  std::vector<storage::KeyUse> uses_;
};

// Of everything the queue of a transaction and its watches name; what EXEC needs besides stays in `scratch`.
storage::GuardPlan plan_queue(const Context& ctx, const Transaction& transaction, ExecScratch& scratch);

}  // namespace cloakroom::server
