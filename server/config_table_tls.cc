#include "server/config_table.h"

namespace cloakroom::server::directives {
namespace {

constinit const Row kRows[] = {
    integer("tls-port", "0", 0, 65535).refused("TLS is not supported yet"),
    unset("tls-cert-file"),
    unset("tls-key-file"),
    unset("tls-key-file-pass").flags(kSensitive),
    unset("tls-client-cert-file"),
    unset("tls-client-key-file"),
    unset("tls-client-key-file-pass").flags(kSensitive),
    unset("tls-dh-params-file"),
    unset("tls-ca-cert-file"),
    unset("tls-ca-cert-dir"),
    choice("tls-auth-clients", "yes", "no, yes, optional"),
    boolean("tls-replication", false),
    boolean("tls-cluster", false),
    unset("tls-protocols"),
    unset("tls-ciphers"),
    unset("tls-ciphersuites"),
    boolean("tls-prefer-server-ciphers", false),
    boolean("tls-session-caching", true),
    integer("tls-session-cache-size", "20480", 0, kIntMax),
    integer("tls-session-cache-timeout", "300", 0, kIntMax),
};

}  // namespace

std::span<const Row> tls_rows() { return kRows; }

}  // namespace cloakroom::server::directives
