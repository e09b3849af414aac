#pragma once

#include "server/dispatch/context.h"

// Handlers of the keys family and what they share; the rows stand in key_family.cc.
namespace cloakroom::server {

// Looks up for commands that ask about a key without using its value: counted as a hit or a miss, not as an
// access.
storage::Found look_at(Context& ctx, const storage::KeyRef& key);

// key_family.cc
void del_command(Context& ctx);
void exists_command(Context& ctx);
void touch_command(Context& ctx);
void type_command(Context& ctx);

// key_expire.cc
void expire_command(Context& ctx);
void expireat_command(Context& ctx);
void pexpire_command(Context& ctx);
void pexpireat_command(Context& ctx);
void ttl_command(Context& ctx);
void pttl_command(Context& ctx);
void expiretime_command(Context& ctx);
void pexpiretime_command(Context& ctx);
void persist_command(Context& ctx);

// key_move.cc
void rename_command(Context& ctx);
void renamenx_command(Context& ctx);
void copy_command(Context& ctx);
void move_command(Context& ctx);

// key_scan.cc
void keys_command(Context& ctx);
void scan_command(Context& ctx);
void randomkey_command(Context& ctx);
void dbsize_command(Context& ctx);
void flushdb_command(Context& ctx);
void flushall_command(Context& ctx);
void swapdb_command(Context& ctx);

// key_object.cc
void object_encoding_command(Context& ctx);
void object_freq_command(Context& ctx);
void object_help_command(Context& ctx);
void object_idletime_command(Context& ctx);
void object_refcount_command(Context& ctx);

}  // namespace cloakroom::server
