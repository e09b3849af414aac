#pragma once

#include <span>
#include <string_view>

#include "server/dispatch/context.h"
#include "storage/value/set_value.h"

// Shared by the files of the set family.
namespace cloakroom::server {

inline bool is_set(const storage::Found& found) { return found->type() == storage::Type::kSet; }

// The effect "`command` key member ...", in several when the members are many.
void set_effect(Context& ctx, const storage::KeyRef& key, std::string_view command,
                std::span<const std::string_view> members);

void sinter_command(Context& ctx);
void sintercard_command(Context& ctx);
void sinterstore_command(Context& ctx);
void sunion_command(Context& ctx);
void sunionstore_command(Context& ctx);
void sdiff_command(Context& ctx);
void sdiffstore_command(Context& ctx);

void spop_command(Context& ctx);
void srandmember_command(Context& ctx);
void sscan_command(Context& ctx);

}  // namespace cloakroom::server
