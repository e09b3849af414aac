#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/bench/bench.h"

namespace cloakroom::bench {
namespace {

std::vector<std::pair<const char*, void (*)()>>& benches() {
  static std::vector<std::pair<const char*, void (*)()>> all;
  return all;
}

}  // namespace

int register_bench(const char* name, void (*fn)()) {
  benches().emplace_back(name, fn);
  return 0;
}

}  // namespace cloakroom::bench

int main(int argc, char** argv) {
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  for (const auto& [name, fn] : cloakroom::bench::benches()) {
    if (std::string_view(name).find(wanted) == std::string_view::npos) continue;
    std::printf("%s\n", name);
    fn();
  }
}
