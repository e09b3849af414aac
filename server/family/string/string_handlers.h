#pragma once

#include "server/dispatch/context.h"

// Handlers of the string family and what they share; the rows stand in string_family.cc.
namespace cloakroom::server {

// Replies with a string; a long one by reference.
void reply_string(protocol::ReplyWriter& reply, const storage::Entry& string);
// Looks up as a read does, for a command that will change what it read.
storage::Found read_for_change(Context& ctx, const storage::KeyRef& key);
// Reports a change to a string whose effect is its whole new value and deadline.
void report_value(Context& ctx, const storage::KeyRef& key, const storage::Found& found,
                  std::string_view event, std::string_view value);
inline bool is_string(const storage::Found& found) { return found->type() == storage::Type::kString; }

// string_set.cc
void set_command(Context& ctx);
void setex_command(Context& ctx);
void psetex_command(Context& ctx);
void setnx_command(Context& ctx);
void getset_command(Context& ctx);
void getdel_command(Context& ctx);
void getex_command(Context& ctx);
void mset_command(Context& ctx);
void msetnx_command(Context& ctx);

// string_edit.cc
void incr_command(Context& ctx);
void incrby_command(Context& ctx);
void incrbyfloat_command(Context& ctx);
void decr_command(Context& ctx);
void decrby_command(Context& ctx);
void append_command(Context& ctx);
void setrange_command(Context& ctx);

// string_lcs.cc
void lcs_command(Context& ctx);

}  // namespace cloakroom::server
