#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "server/dispatch/arguments.h"
#include "server/dispatch/client_link.h"
#include "server/dispatch/client_memory.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/connection/client_handlers.h"
#include "storage/base/nocase.h"
#include "storage/base/number.h"

namespace cloakroom::server {
namespace {

std::string flag_letters(const Client& client) {
  std::string letters;
  if (client.is(Client::kMonitor)) letters += 'O';
  if (client.is(Client::kSubscriber)) letters += 'P';
  if (client.is(Client::kInMulti)) letters += 'x';
  if (client.is(Client::kParked)) letters += 'b';
  if (client.is(Client::kCloseAfterReply)) letters += 'c';
  if (client.is(Client::kCloseNow)) letters += 'A';
  if (client.is(Client::kUnixSocket)) letters += 'U';
  if (client.is(Client::kNoEvict)) letters += 'e';
  if (client.is(Client::kNoTouch)) letters += 'T';
  return letters.empty() ? "N" : letters;
}

// One line of CLIENT LIST: the fields of Redis 7.0.15 in their order.
std::string line_of(const Client& client, int64_t now_ms) {
  const Client::Texts texts = client.texts();
  const CommandRow* last = client.last_command.load(std::memory_order_relaxed);
  const uint64_t output = client.output_bytes.load(std::memory_order_relaxed);
  const uint64_t query = client.query_bytes.load(std::memory_order_relaxed);
  const uint64_t query_memory = client.query_memory.load(std::memory_order_relaxed);
  const auto seconds_since = [&](int64_t then_ms) { return std::max<int64_t>(0, now_ms - then_ms) / 1000; };
  std::string line = fmt::format("id={} addr={} laddr={} fd={} name={}", client.id, texts.address,
                                 texts.local_address, client.fd, texts.name);
  line += fmt::format(" age={} idle={} flags={} db={}", seconds_since(client.created_ms),
                      seconds_since(client.last_interaction_ms.load(std::memory_order_relaxed)),
                      flag_letters(client), client.db.load(std::memory_order_relaxed));
  const auto subscribed = [&](size_t kind) {
    return client.subscription_counts[kind].load(std::memory_order_relaxed);
  };
  line += fmt::format(" sub={} psub={} ssub={} multi={}", subscribed(0), subscribed(1), subscribed(2),
                      client.is(Client::kInMulti) ? static_cast<int64_t>(client.multi_count.load()) : -1);
  line += fmt::format(
      " qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl=0 oll={} omem={} tot-mem={}", query,
      query_memory - std::min(query, query_memory), client.parked_bytes.load(), client.multi_bytes.load(),
      output > 0 ? 1 : 0, output, memory_of(client));
  line += fmt::format(" events={} cmd={} user=default redir=-1 resp={}\n", output > 0 ? "rw" : "r",
                      last != nullptr ? last->name : "NULL", client.resp.load(std::memory_order_relaxed));
  return line;
}

void list_by_ids(Context& ctx) {
  std::vector<uint64_t> wanted;
  for (size_t i = 3; i < ctx.argc(); ++i) {
    int64_t id = 0;
    if (!parse_integer_arg(ctx, i, id, "ERR Invalid client ID")) return;
    wanted.push_back(static_cast<uint64_t>(id));
  }
  std::string text;
  const int64_t now_ms = ctx.worker.steady_ms();
  for (const uint64_t id : wanted) {
    ctx.server.clients.visit(id, [&](Client& client) {
      if (!client.is_leaving()) text += line_of(client, now_ms);
    });
  }
  ctx.reply.verbatim(text, "txt");
}

}  // namespace

std::optional<ClientType> client_type_named(std::string_view name) {
  if (equals_nocase(name, "normal")) return ClientType::kNormal;
  if (equals_nocase(name, "slave") || equals_nocase(name, "replica")) return ClientType::kReplica;
  if (equals_nocase(name, "pubsub")) return ClientType::kPubsub;
  if (equals_nocase(name, "master")) return ClientType::kMaster;
  return std::nullopt;
}

ClientType type_of(const Client& client) {
  return client.is(Client::kSubscriber) ? ClientType::kPubsub : ClientType::kNormal;
}

void reply_unknown_client_type(Context& ctx, std::string_view name) {
  ctx.reply.error(fmt::format("ERR Unknown client type '{}'", name));
}

void client_list_command(Context& ctx) {
  std::optional<ClientType> type;
  if (ctx.argc() == 4 && equals_nocase(ctx.arg(2), "type")) {
    type = client_type_named(ctx.arg(3));
    if (!type) return reply_unknown_client_type(ctx, ctx.arg(3));
  } else if (ctx.argc() > 3 && equals_nocase(ctx.arg(2), "id")) {
    return list_by_ids(ctx);
  } else if (ctx.argc() != 2) {
    return ctx.reply.error(errors::kSyntax);
  }
  std::string text;
  const int64_t now_ms = ctx.worker.steady_ms();
  ctx.server.clients.for_each([&](Client& client) {
    if (client.is_leaving() || (type && type_of(client) != *type)) return;
    text += line_of(client, now_ms);
  });
  ctx.reply.verbatim(text, "txt");
}

void client_info_command(Context& ctx) {
  ctx.reply.verbatim(line_of(ctx.client, ctx.worker.steady_ms()), "txt");
}

}  // namespace cloakroom::server
