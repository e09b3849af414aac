#pragma once

#include "server/dispatch/context.h"
#include "storage/value/hash_value.h"

// Handlers of the hash family and what they share; the rows stand in hash_family.cc.
namespace cloakroom::server {

// The hash at argument 1, or nothing; false after the error reply when something else stands there.
bool find_hash_to_read(Context& ctx, storage::Found& found);
bool find_hash_to_write(Context& ctx, storage::Found& found);

// hash_scan.cc
void hrandfield_command(Context& ctx);
void hscan_command(Context& ctx);

}  // namespace cloakroom::server
