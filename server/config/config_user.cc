#include "server/config/config_user.h"

#include <sodium.h>

#include <array>

#include "server/config/config_table.h"
#include "storage/base/nocase.h"

namespace cloakroom::server {
namespace {

std::string sha256_hex(const std::string& text) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  std::array<char, 2 * crypto_hash_sha256_BYTES + 1> hex{};
  return sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
}

struct Rights {
  bool on = false, keys = false, channels = false, commands = false;
  bool logs_in = false;  // nopass or a password
  DefaultUser user;

  // False: a rule that the default user does not have.
  bool apply(const std::string& rule) {
    const std::string word = lower(rule);
    if (word == "on" || word == "off") {
      on = word == "on";
    } else if (word == "~*" || word == "allkeys" || word == "%rw~*") {
      keys = true;
    } else if (word == "&*" || word == "allchannels") {
      channels = true;
    } else if (word == "+@all" || word == "allcommands") {
      commands = true;
    } else if (word == "nopass") {
      user = {};
      logs_in = true;
    } else if (rule.starts_with('>') || rule.starts_with('#')) {
      return add_password(rule);
    } else {
      return word == "sanitize-payload" || word == "clearselectors";
    }
    return true;
  }

 private:
  bool add_password(const std::string& rule) {
    if (user.has_password()) return false;
    (rule[0] == '>' ? user.password : user.hash) = rule.substr(1);
    logs_in = true;
    return user.has_password();
  }
};

}  // namespace

bool DefaultUser::accepts(const std::string& word) const {
  return hash.empty() ? word == password : sha256_hex(word) == hash;
}

std::optional<DefaultUser> read_default_user(std::span<const std::string> words) {
  if (words.empty() || words[0] != "default") return std::nullopt;
  Rights rights;
  for (const std::string& rule : words.subspan(1)) {
    if (!rights.apply(rule)) return std::nullopt;
  }
  const bool whole = rights.on && rights.keys && rights.channels && rights.commands && rights.logs_in;
  return whole ? std::optional<DefaultUser>(std::move(rights.user)) : std::nullopt;
}

}  // namespace cloakroom::server
