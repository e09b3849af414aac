#pragma once

// Benchmarks of parts, in one process: `cloakroom-bench [text]` runs those whose name contains the text.
namespace cloakroom::bench {

// Call from the initializer of a namespace-scope constant; returns 0.
int register_bench(const char* name, void (*fn)());

}  // namespace cloakroom::bench
