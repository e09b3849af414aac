#include "server/net/tcp_ports.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "server/stats/log.h"

namespace cloakroom::server {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// What getaddrinfo says of one family.
std::vector<TcpEndpoint> lookup(const char* name, uint16_t port, int family, std::string& reason) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(name, std::to_string(port).c_str(), &hints, &found); error != 0) {
    reason = ::gai_strerror(error);
    return {};
  }
  std::vector<TcpEndpoint> endpoints;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    TcpEndpoint endpoint;
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    endpoints.push_back(endpoint);
  }
  ::freeaddrinfo(found);
  return endpoints;
}

// The addresses of a word of `bind`, those of IPv4 first; none: the reason.
std::vector<TcpEndpoint> resolve(const std::string& name, uint16_t port, std::string& reason) {
  if (name == "*") return lookup(nullptr, port, AF_INET, reason);
  if (name == "::*") return lookup(nullptr, port, AF_INET6, reason);
  if (name.find(':') != name.npos) return lookup(name.c_str(), port, AF_INET6, reason);
  auto endpoints = lookup(name.c_str(), port, AF_INET, reason);
  std::string ignored;
  const auto v6 = lookup(name.c_str(), port, AF_INET6, ignored);
  endpoints.insert(endpoints.end(), v6.begin(), v6.end());
  return endpoints;
}

error_code listen_at(asio::io_context& context, const TcpEndpoint& endpoint, const Config& config,
                     const TcpPorts& present, TcpPorts& ports) {
  if (ports.contains(endpoint)) return asio::error::address_in_use;
  if (const auto at = present.find(endpoint); at != present.end()) {
    ports.insert(*at);
    return {};
  }
  error_code error;
  auto acceptor = std::make_shared<TcpAcceptor>(context);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(TcpAcceptor::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) acceptor->set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(static_cast<int>(config.tcp_backlog), error);
  if (!error) acceptor->non_blocking(true, error);
  if (!error) ports.emplace(endpoint, std::move(acceptor));
  return error;
}

void warn(std::string_view address, std::string_view reason) {
  log(LogLevel::kWarning,
      fmt::format("Warning: Could not create server TCP listening socket {}: {}", address, reason));
}

}  // namespace

std::string endpoint_text(const TcpEndpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                    : fmt::format("{}:{}", address, endpoint.port());
}

std::vector<BindAddress> bind_addresses(const Config& config) {
  std::vector<BindAddress> addresses;
  if (config.port == 0) return addresses;
  for (const std::string& word : config.bind) {
    const bool optional = word.starts_with('-');
    BindAddress address{optional ? word.substr(1) : word, optional, {}, {}};
    address.endpoints = resolve(address.name, config.port, address.reason);
    addresses.push_back(std::move(address));
  }
  return addresses;
}

bool names_endpoint(std::span<const BindAddress> addresses, const TcpEndpoint& endpoint) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const BindAddress& address) {
    return std::find(address.endpoints.begin(), address.endpoints.end(), endpoint) != address.endpoints.end();
  });
}

TcpPorts open_ports(asio::io_context& context, std::span<const BindAddress> addresses, const Config& config,
                    const TcpPorts& present) {
  TcpPorts ports;
  for (const BindAddress& address : addresses) {
    error_code error;
    std::string reason = address.reason;
    if (!address.endpoints.empty()) {
      error = listen_at(context, address.endpoints.front(), config, present, ports);
      if (!error) continue;
      reason = error.message();
    }
    warn(fmt::format("{}:{}", address.name, config.port), reason);
    const bool absent = address.optional && error.value() == EADDRNOTAVAIL;
    if (absent || error == asio::error::address_family_not_supported) continue;
    throw std::runtime_error(fmt::format("Failed listening on port {} (TCP), aborting.", config.port));
  }
  for (const BindAddress& address : addresses) {
    for (size_t i = 1; i < address.endpoints.size(); ++i) {
      const TcpEndpoint& endpoint = address.endpoints[i];
      if (ports.contains(endpoint)) continue;
      const error_code error = listen_at(context, endpoint, config, present, ports);
      if (!error || error.value() == EADDRNOTAVAIL || error == asio::error::address_family_not_supported)
        continue;
      warn(endpoint_text(endpoint), error.message());
    }
  }
  return ports;
}

}  // namespace cloakroom::server
