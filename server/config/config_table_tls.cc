#include "server/config/config_table.h"

namespace cloakroom::server::directives {
namespace {

constexpr std::string_view kNoTls = "TLS is not supported yet";

constinit const Row kRows[] = {
    integer("tls-port", "0", 0, 65535).refused(kNoTls),
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
    boolean("tls-replication", false).refused(kNoTls),
    boolean("tls-cluster", false).refused(kNoTls),
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
