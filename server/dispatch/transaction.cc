#include "server/dispatch/transaction.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "server/dispatch/client.h"
#include "server/dispatch/worker.h"
#include "storage/base/assert.h"

namespace cloakroom::server {
namespace {

// Back to no MULTI; watches stay.
void leave_multi(storage::Access& access, Client& client) {
  client.set(Client::kInMulti, false);
  client.set(Client::kDirtyExec, false);
  client.multi_count.store(0, std::memory_order_relaxed);
  client.transaction->clear_queue(access.garbage());
}

}  // namespace

void Transaction::queue(const Command& command, std::span<const std::string_view> args) {
  writes_ = writes_ || command.is(kWrite) || command.has(kMayReplicate);
  commands_.push_back({&command, static_cast<uint32_t>(args_.size()), static_cast<uint32_t>(args.size())});
  for (const std::string_view arg : args) {
    char* const copy = room_for(arg.size());
    if (!arg.empty()) std::memcpy(copy, arg.data(), arg.size());
    args_.emplace_back(copy, arg.size());
  }
}

char* Transaction::add_block(size_t bytes) {
  blocks_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
  block_bytes_ += bytes;
  return blocks_.back().get();
}

void Transaction::fill_block() {
  free_ = add_block(next_block_bytes_);
  free_bytes_ = next_block_bytes_;
  next_block_bytes_ = std::min(2 * next_block_bytes_, kMostBlockBytes);
}

char* Transaction::room_for(size_t bytes) {
  if (blocks_.empty()) fill_block();
  if (free_bytes_ < bytes) {
    if (bytes > next_block_bytes_ / 4) return add_block(bytes);  // of its own
    fill_block();
  }
  CLOAKROOM_ASSERT(free_bytes_ >= bytes);
  free_bytes_ -= bytes;
  return std::exchange(free_, free_ + bytes);
}

void Transaction::clear_queue(storage::Garbage& garbage) {
  struct Rest {
    std::vector<Block> blocks;
    std::vector<std::string_view> args;
    std::vector<Queued> commands;
  };
  commands_.clear();
  args_.clear();
  writes_ = false;
  if (blocks_.empty()) return;
  if (blocks_.size() > 1 || args_.capacity() > kKeptArgs) {
    const auto rest = std::make_shared<Rest>();
    rest->blocks.swap(blocks_);
    rest->args.swap(args_);
    rest->commands.swap(commands_);
    blocks_.push_back(std::move(rest->blocks.front()));
    garbage.push_back(rest);
  }
  block_bytes_ = free_bytes_ = kFirstBlockBytes;
  free_ = blocks_[0].get();
  next_block_bytes_ = 2 * kFirstBlockBytes;
}

void Transaction::add_watched(uint32_t db, std::string_view key) {
  watched.push_back({db, std::string(key)});
  watched_key_bytes_ += watched.back().text.capacity() + storage::WatchTable::bytes_for(key.size());
}

void Transaction::clear_watched() {
  watched.clear();
  watched_key_bytes_ = 0;
}

void Transaction::args(size_t i, std::vector<std::string_view>& out) const {
  CLOAKROOM_ASSERT(i < commands_.size());
  const Queued& command = commands_[i];
  const auto first = args_.begin() + command.first_arg;
  out.insert(out.end(), first, first + command.count);
}

void ExecScratch::clear() {
  args.clear();
  command_args.clear();
  keys.clear();
  first_keys.clear();
  uses.clear();
  members.clear();
  everything = false;
}

size_t ExecScratch::memory_bytes() const {
  const auto bytes = [](const auto& items) { return items.capacity() * sizeof(items[0]); };
  return bytes(args) + bytes(command_args) + bytes(keys) + bytes(first_keys) + bytes(uses) + bytes(members) +
         bytes(key_args);
}

std::unique_ptr<Transaction> TransactionPool::take() {
  if (spare_.empty()) return std::make_unique<Transaction>();
  std::unique_ptr<Transaction> transaction = std::move(spare_.back());
  spare_.pop_back();
  return transaction;
}

std::unique_ptr<Transaction> TransactionPool::give(std::unique_ptr<Transaction> transaction) {
  if (spare_.size() >= kKept || transaction->memory_bytes() > kKeptBytes) return transaction;
  spare_.push_back(std::move(transaction));
  return nullptr;
}

void drop_if_unused(storage::Access& access, Client& client) {
  CLOAKROOM_ASSERT(client.transaction != nullptr);
  const Transaction& transaction = *client.transaction;
  if (client.is(Client::kInMulti) || transaction.queued() != 0 || !transaction.watched.empty()) return;
  auto unwanted = client.worker.spare_transactions.give(std::move(client.transaction));
  if (unwanted != nullptr) access.garbage().emplace_back(std::move(unwanted));
}

void unwatch_all(storage::Access& access, Client& client) {
  if (client.transaction == nullptr) return;
  Transaction& transaction = *client.transaction;
  for (const Transaction::Watched& watched : transaction.watched) {
    const storage::KeyRef key = access.schema().make(watched.text);
    const uint32_t shard = access.keyspace().shard_of(key.hash());
    const bool held = access.guard().holds(shard);
    if (!held) access.guard().take(shard);
    access.unwatch(watched.db, key, transaction.watcher);
    if (!held) access.guard().release();
  }
  transaction.clear_watched();
  transaction.watcher.dirty.store(false, std::memory_order_relaxed);
  client.watch_count.store(0, std::memory_order_relaxed);
}

void discard_transaction(storage::Access& access, Client& client) {
  if (client.transaction == nullptr) return;
  leave_multi(access, client);
  unwatch_all(access, client);
  drop_if_unused(access, client);
}

}  // namespace cloakroom::server
