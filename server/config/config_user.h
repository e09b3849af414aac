#pragma once

#include <optional>
#include <span>
#include <string>

namespace cloakroom::server {

// How the default user logs in: without a password, or with the one that is given or hashed.
struct DefaultUser {
  std::string password;
  std::string hash;  // SHA-256 in hex
  bool has_password() const { return !password.empty() || !hash.empty(); }
  bool accepts(const std::string& word) const;
};

// Reads a `user` line as CONFIG REWRITE of Redis 7.0 leaves it: its words are those of ACL SETUSER after a
// reset. Null for every other user than the default one, and for every other right than that one's: all keys,
// channels and commands.
std::optional<DefaultUser> read_default_user(std::span<const std::string> words);

}  // namespace cloakroom::server
