#pragma once

namespace cloakroom::storage {

// Prints the failed condition with its place and aborts. Never prints data.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace cloakroom::storage

// Stays on in release builds: a broken invariant must stop the process before it answers wrongly.
#define CLOAKROOM_ASSERT(condition)                  \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::cloakroom::storage::assertion_failed(#condition, __FILE__, __LINE__))
