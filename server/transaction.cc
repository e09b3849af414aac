#include "server/transaction.h"

#include "server/command_table.h"

namespace cloakroom::server {

void Transaction::queue(const Command& command, std::span<const std::string_view> args) {
  writes_ = writes_ || command.is(kWrite) || command.is(kMayReplicate);
  commands_.push_back({&command, static_cast<uint32_t>(args_.size()), static_cast<uint32_t>(args.size())});
  for (const std::string_view arg : args) {
    args_.push_back({bytes_.size(), arg.size()});
    bytes_.append(arg);
  }
}

void Transaction::clear_queue() {
  commands_.clear();
  args_.clear();
  bytes_.clear();
  writes_ = false;
}

void Transaction::args(size_t i, std::vector<std::string_view>& out) const {
  const Queued& command = commands_[i];
  for (uint32_t k = 0; k < command.count; ++k) {
    const Arg& arg = args_[command.first_arg + k];
    out.emplace_back(bytes_.data() + arg.offset, arg.size);
  }
}

void ExecScratch::clear() {
  args.clear();
  command_args.clear();
  keys.clear();
  first_keys.clear();
  uses.clear();
  members.clear();
  watched.clear();
  everything = false;
}

std::unique_ptr<Transaction> TransactionPool::take() {
  if (spare_.empty()) return std::make_unique<Transaction>();
  std::unique_ptr<Transaction> transaction = std::move(spare_.back());
  spare_.pop_back();
  return transaction;
}

void TransactionPool::give(std::unique_ptr<Transaction> transaction) {
  if (spare_.size() < kKept && transaction->memory_bytes() <= kKeptBytes)
    spare_.push_back(std::move(transaction));
}

}  // namespace cloakroom::server
