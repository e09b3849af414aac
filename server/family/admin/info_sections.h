#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "server/dispatch/context.h"

// The sections of INFO; each appends its title and lines.
namespace cloakroom::server {

struct InfoWriter {
  std::string text;

  void section(std::string_view title) {
    if (!text.empty()) text += "\r\n";
    text += fmt::format("# {}\r\n", title);
  }
  template <class Value>
  void line(std::string_view name, const Value& value) {
    text += fmt::format("{}:{}\r\n", name, value);
  }
  // What Redis counts and this server has none of.
  void zeros(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) line(name, 0);
  }
};

void info_server(InfoWriter& out, Context& ctx);
void info_clients(InfoWriter& out, Context& ctx);
void info_memory(InfoWriter& out, Context& ctx);
void info_persistence(InfoWriter& out, Context& ctx);
void info_stats(InfoWriter& out, Context& ctx);
void info_replication(InfoWriter& out, Context& ctx);
void info_cpu(InfoWriter& out, Context& ctx);
void info_modules(InfoWriter& out, Context& ctx);
void info_commands(InfoWriter& out, Context& ctx);
void info_errors(InfoWriter& out, Context& ctx);
void info_latencies(InfoWriter& out, Context& ctx);
void info_cluster(InfoWriter& out, Context& ctx);
void info_sessions(InfoWriter& out, Context& ctx);
void info_keyspace(InfoWriter& out, Context& ctx);

}  // namespace cloakroom::server
