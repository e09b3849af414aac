// ACL as far as one user goes: the default user, who may do everything, with requirepass as its password.
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "server/dispatch/arguments.h"
#include "server/dispatch/errors.h"
#include "server/dispatch/server_state.h"
#include "server/dispatch/worker.h"
#include "server/family/admin/server_handlers.h"
#include "server/family/help.h"
#include "storage/base/hex.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

constexpr std::string_view kNoFile =
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL "
    "SETUSER "
    "command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to "
    "store "
    "users in the Redis configuration.";
constexpr std::string_view kBadBits =
    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to "
    "4096";
constexpr std::string_view kCategories[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

// SHA-256 of the password as ACL shows it; empty without one.
std::string password_hash(Context& ctx) {
  const std::string& password = ctx.worker.config().requirepass;
  if (password.empty()) return "";
  unsigned char hash[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(hash, reinterpret_cast<const unsigned char*>(password.data()), password.size());
  return storage::hex::text({reinterpret_cast<const char*>(hash), sizeof hash});
}

void whoami(Context& ctx) { ctx.reply.bulk("default"); }

void users(Context& ctx) {
  ctx.reply.array(1);
  ctx.reply.bulk("default");
}

void list(Context& ctx) {
  const std::string hash = password_hash(ctx);
  ctx.reply.array(1);
  ctx.reply.bulk(fmt::format("user default on {} ~* &* +@all", hash.empty() ? "nopass" : "#" + hash));
}

void getuser(Context& ctx) {
  if (ctx.arg(2) != "default") return ctx.reply.null();
  const std::string hash = password_hash(ctx);
  ctx.reply.map(6);
  ctx.reply.bulk("flags");
  ctx.reply.set(hash.empty() ? 2 : 1);
  ctx.reply.bulk("on");
  if (hash.empty()) ctx.reply.bulk("nopass");
  ctx.reply.bulk("passwords");
  ctx.reply.array(hash.empty() ? 0 : 1);
  if (!hash.empty()) ctx.reply.bulk(hash);
  for (const std::string_view text : {"commands", "+@all", "keys", "~*", "channels", "&*", "selectors"}) {
    ctx.reply.bulk(text);
  }
  ctx.reply.array(0);
}

bool in_category(const Command& command, std::string_view category) {
  std::string_view rest = command.row->categories;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    if (equals_nocase(rest.substr(1, end - 1), category)) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

void cat(Context& ctx) {
  if (ctx.argc() > 3) return reply_subcommand_syntax(ctx);
  if (ctx.argc() == 2) {
    ctx.reply.array(std::size(kCategories));
    for (const std::string_view category : kCategories) ctx.reply.bulk(category);
    return;
  }
  const std::string_view category = ctx.arg(2);
  const auto known = [&](std::string_view name) { return equals_nocase(name, category); };
  if (std::none_of(std::begin(kCategories), std::end(kCategories), known)) {
    return ctx.reply.error(fmt::format("ERR Unknown category '{}'", category));
  }
  const auto begun = ctx.reply.begin_deferred();
  size_t count = 0;
  for (const auto& command : ctx.server.commands.all()) {
    if (!in_category(*command, category)) continue;
    ctx.reply.bulk(command->full_name);
    ++count;
  }
  ctx.reply.end_array(begun, count);
}

void dryrun(Context& ctx) {
  if (ctx.arg(2) != "default") return ctx.reply.error(fmt::format("ERR User '{}' not found", ctx.arg(2)));
  const auto line = ctx.args.subspan(3);
  const Command* command = ctx.server.commands.find_line(line);
  if (command == nullptr) return ctx.reply.error(fmt::format("ERR Command '{}' not found", line[0]));
  if (!command->row->takes(line.size())) {
    return ctx.reply.error(fmt::format("ERR wrong number of arguments for '{}' command", command->full_name));
  }
  ctx.reply.ok();
}

void genpass(Context& ctx) {
  int64_t bits = 256;
  if (ctx.argc() > 3) return reply_subcommand_syntax(ctx);
  if (ctx.argc() == 3 && !parse_integer_arg(ctx, 2, bits)) return;
  if (bits < 1 || bits > 4096) return ctx.reply.error(kBadBits);
  const auto digits = static_cast<size_t>(bits + 3) / 4;
  std::string bytes((digits + 1) / 2, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  ctx.reply.bulk(storage::hex::text(bytes).substr(0, digits));
}

// Nobody is ever refused: the log is empty.
void log_entries(Context& ctx) {
  if (ctx.argc() > 3) return reply_subcommand_syntax(ctx);
  if (ctx.argc() == 3 && equals_nocase(ctx.arg(2), "reset")) return ctx.reply.ok();
  int64_t count = 0;
  if (ctx.argc() == 3 && !parse_integer_arg(ctx, 2, count)) return;
  ctx.reply.array(0);
}

void no_file(Context& ctx) { ctx.reply.error(kNoFile); }

void setuser(Context& ctx) {
  ctx.reply.error("ERR ACL users are not supported yet by Cloakroom: use requirepass");
}

void deluser(Context& ctx) {
  for (size_t i = 2; i < ctx.argc(); ++i) {
    if (ctx.arg(i) == "default") return ctx.reply.error("ERR The 'default' user cannot be removed");
  }
  ctx.reply.integer(0);
}

void help(Context& ctx) {
  reply_help(ctx, "ACL",
             {"CAT [<category>]", "    Lists the categories, or a category's commands.",      //
              "DRYRUN <username> <command> [<arg> ...]", "    Whether the user may run it.",  //
              "GENPASS [<bits>]", "    Answers a random password.",                           //
              "GETUSER <username>", "    Describes a user.",                                  //
              "LIST", "    Describes all users.",                                             //
              "LOG [<count> | RESET]", "    What users were refused.",                        //
              "USERS", "    Names all users.",                                                //
              "WHOAMI", "    Names the connection's user."});
}

constexpr const char* kGroup = "server";
constexpr const char* kAdminFlags = "admin noscript loading stale";
constexpr const char* kAdminAcl = "@admin @slow @dangerous";
constexpr const char* kPerUser = "O(N). Where N is the number of configured users.";

constexpr CommandRow kRows[] = {
    {"acl", -2, "", "", "@slow", "", kGroup, "6.0.0", "Depends on subcommand.", "Commands about users.", "",
     kNoTrait, nullptr},
    {"acl|cat", -2, "noscript loading stale", "", "@slow", "", kGroup, "6.0.0",
     "O(1) since the categories and commands are a fixed set.", "Lists categories, or the commands of one.",
     "[categoryname]", kNoTrait, cat},
    {"acl|deluser", -3, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0",
     "O(1) amortized time considering the typical user.", "Removes users.", "username...", kNoTrait, deluser},
    {"acl|dryrun", -4, kAdminFlags, "", kAdminAcl, "", kGroup, "7.0.0", "O(1).",
     "Says whether a user may run a command.", "username command [arg...]", kNoTrait, dryrun},
    {"acl|genpass", -2, "noscript loading stale", "", "@slow", "", kGroup, "6.0.0", "O(1)",
     "Answers a random password.", "[bits]", kNoTrait, genpass},
    {"acl|getuser", 3, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0",
     "O(N). Where N is the number of password, command and pattern rules that the user has.",
     "Describes a user.", "username", kNoTrait, getuser},
    {"acl|help", 2, "loading stale", "", "@slow", "", kGroup, "6.0.0", "O(1)", "Lists the subcommands.", "",
     kNoTrait, help},
    {"acl|list", 2, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0", kPerUser, "Describes all users.", "",
     kNoTrait, list},
    {"acl|load", 2, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0", kPerUser, "Reads users from their file.",
     "", kNoTrait, no_file},
    {"acl|log", -2, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0",
     "O(N) with N being the number of entries shown.", "Lists what users were refused.",
     "[operation<count | RESET>]", kNoTrait, log_entries},
    {"acl|save", 2, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0", kPerUser, "Writes users to their file.",
     "", kNoTrait, no_file},
    {"acl|setuser", -3, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0",
     "O(N). Where N is the number of rules provided.", "Makes or changes a user.", "username [rule...]",
     kNoTrait, setuser},
    {"acl|users", 2, kAdminFlags, "", kAdminAcl, "", kGroup, "6.0.0", kPerUser, "Names all users.", "",
     kNoTrait, users},
    {"acl|whoami", 2, "noscript loading stale", "", "@slow", "", kGroup, "6.0.0", "O(1)",
     "Names the connection's user.", "", kNoTrait, whoami},
};

}  // namespace

CommandRows acl_rows() { return kRows; }

}  // namespace cloakroom::server
