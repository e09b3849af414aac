#pragma once

#include <string_view>

namespace cloakroom::server {

inline constexpr std::string_view kVersion = "0.1.0";
inline constexpr std::string_view kRedisVersion = "7.0.15";  // the behaviour clients get

}  // namespace cloakroom::server
