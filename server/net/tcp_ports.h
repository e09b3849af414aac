#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/config/config.h"

namespace cloakroom::server {

using TcpEndpoint = boost::asio::ip::tcp::endpoint;
using TcpAcceptor = boost::asio::ip::tcp::acceptor;
// What is listened on, by address.
using TcpPorts = std::map<TcpEndpoint, std::shared_ptr<TcpAcceptor>>;

std::string endpoint_text(const TcpEndpoint& endpoint);  // "address:port", "[address]:port"

// A word of `bind`.
struct BindAddress {
  std::string name;
  bool optional;                       // "-name": its address may be missing
  std::vector<TcpEndpoint> endpoints;  // those of IPv4 first
  std::string reason;                  // why there are none
};

// What `bind` and `port` stand for; asks for names. Nothing with port 0.
std::vector<BindAddress> bind_addresses(const Config& config);
bool names_endpoint(std::span<const BindAddress> addresses, const TcpEndpoint& endpoint);

// Listens there; what `present` listens on already is taken from it. As in Redis a name's first address must be
// one of this machine; its others, where Redis would not listen, need not. Throws std::runtime_error with
// Redis' words when an address that was asked for cannot be had.
TcpPorts open_ports(boost::asio::io_context& context, std::span<const BindAddress> addresses,
                    const Config& config, const TcpPorts& present);

}  // namespace cloakroom::server
