#include "server/config/config_file.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "server/stats/log.h"

using namespace cloakroom::server;
using Strings = std::vector<std::string>;
using Views = std::vector<std::string_view>;

namespace {

class Folder {
 public:
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "cloakroom-config-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name) << content;
    return path_ / name;
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

StartResult start(const Strings& arguments, const std::string& input = "", const Strings& environment = {}) {
  std::istringstream in(input);
  const auto is_command = [](std::string_view name) { return name == "get" || name == "set"; };
  return read_start_config({arguments, environment, in, is_command});
}

std::string value(const StartResult& result, std::string_view name) {
  REQUIRE_MESSAGE(result.config, result.err);
  return std::string(result.config->snapshot()->text(name));
}

std::string error_block(int line, const std::string& text, const std::string& reason) {
  return "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line " +
         std::to_string(line) + "\n>>> '" + text + "'\n" + reason + "\n";
}

// The error for a file of this one line.
std::string line_error(const std::string& line) { return start({"-"}, line + "\n").err; }

}  // namespace

TEST_CASE("a file: comments, quotes, case, repetition, lists") {
  const auto result = start({"-"}, R"(
# a comment
   # another
PORT "\x37001"
  requirepass 'it\'s'
pidfile "a\"b\n"
bind 127.0.0.1 "::1"
save 60 1
save 300 10
client-output-buffer-limit normal 1mb 2 3 pubsub 4 5 6
client-output-buffer-limit replica 7 8 9
list-max-ziplist-entries 5
maxmemory 100mb
maxmemory 1gb
)");
  CHECK(value(result, "port") == "7001");
  CHECK(value(result, "requirepass") == "it's");
  CHECK(value(result, "pidfile") == "a\"b\n");
  CHECK(result.config->snapshot()->bind == Strings{"127.0.0.1", "::1"});
  CHECK(value(result, "save") == "60 1 300 10");
  CHECK(value(result, "client-output-buffer-limit") == "normal 1048576 2 3 slave 7 8 9 pubsub 4 5 6");
  CHECK(value(result, "maxmemory") == "1073741824");
}

TEST_CASE("arguments as redis-server takes them") {
  CHECK(value(start({"--port", "7001", "--save", ""}), "save") == "");
  CHECK(value(start({"--save", "60", "1", "300", "10", "--port", "0"}), "save") == "60 1 300 10");
  CHECK(value(start({"--save", "60 1 300 10"}), "save") == "60 1 300 10");
  CHECK(value(start({"--save", "--port", "7001"}), "save") == "");
  CHECK(value(start({"--save"}), "save") == "");
  CHECK(value(start({"--port 7001", "--hz", "5"}), "port") == "7001");
  CHECK(value(start({"--requirepass", "--secret", "--port", "1"}), "requirepass") == "--secret");
  CHECK(value(start({"--bind", "127.0.0.1", "::1", "--port", "1"}), "bind") == "127.0.0.1 ::1");
  CHECK(value(start({"--unixsocket", "/a b"}), "unixsocket") == "/a b");
  CHECK(value(start({"-", "--hz", "5"}, "hz 3\nport 9"), "hz") == "5");
  CHECK(value(start({"--hz", "5", "-"}, "hz 3\nport 9"), "port") == "9");
  CHECK(value(start({}), "port") == "6379");
  CHECK(start({"--port", "--hz", "5"}).err ==
        error_block(2, "port \"--hz\" \"5\"", "wrong number of arguments"));
  CHECK(start({"--hz", "5", "--port"}).err == error_block(3, "port", "wrong number of arguments"));
  CHECK(start({"-x"}).err == error_block(2, "\"-x\"", "Bad directive or wrong number of arguments"));
}

TEST_CASE("informative options") {
  CHECK(start({"-v"}).exit_code == 0);
  CHECK(start({"--version"}).out.find("7.0.15") != std::string::npos);
  CHECK(start({"-h"}).err.starts_with("Usage: cloakroom-server"));
  CHECK(start({"--test-memory", "1"}).exit_code == 1);
  CHECK_FALSE(start({"--test-memory", "1"}).config);
}

TEST_CASE("errors in a file stop the start with line and reason") {
  const struct {
    const char* line;
    const char* reason;
  } rows[] = {
      {"nonsense 1", "Bad directive or wrong number of arguments"},
      {"port", "wrong number of arguments"},
      {"port 1 2", "wrong number of arguments"},
      {"port x", "argument couldn't be parsed into an integer"},
      {"port 65536", "argument must be between 0 and 65535 inclusive"},
      {"unixsocketperm 8", "argument couldn't be parsed as an octal number"},
      {"unixsocketperm 1777", "argument must be between 0 and 777 inclusive"},
      {"port \"1", "Unbalanced quotes in configuration line"},
      {"maxmemory 1tb", "argument must be a memory value"},
      {"daemonize maybe", "argument must be 'yes' or 'no'"},
      {"supervised x", "argument(s) must be one of the following: upstart, systemd, auto, no"},
      {"include", "Bad directive or wrong number of arguments"},
      {"rename-command foo bar", "No such command in rename-command"},
      {"rename-command get SET", "Target command name already exists"},
      {"loadmodule x", "modules are not supported"},
      {"a.b", "Module config specified without value"},
      {"user alice on", "ACL users are not supported yet; use requirepass"},
      {"aclfile x", "ACL files are not supported yet; use requirepass"},
      {"replicaof a 70000", "Invalid master port"},
      {"slaveof a 6379", "replication is not supported yet"},
      {"cluster-enabled yes", "cluster mode is not supported yet"},
      {"session-key-pattern plain", "argument must hold one placeholder in braces and some text besides"},
      {"dir /nope", "No such file or directory"},
      {"bind 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."},
      {"oom-score-adj-values 1 2", "wrong number of arguments"},
  };
  for (const auto& row : rows) {
    INFO(row.line);
    CHECK(line_error(row.line) == error_block(1, row.line, row.reason));
  }
  CHECK(line_error("replicaof no one") == "");
  CHECK(start({"--logfile", "/nope/x"}).err ==
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nCan't open the log file: No such file or "
        "directory\n");
  CHECK(start({"/nope"}).err == "Fatal error, can't open config file '/nope': No such file or directory\n");
  CHECK(start({"/nope"}).exit_code == 1);
  CHECK(value(start({"/"}), "port") == "6379");  // nothing to read, as in Redis
}

TEST_CASE("rename-command is kept in order") {
  const auto result =
      start({"-"}, "rename-command GET fetch\nrename-command fetch \"\"\nrename-command set GET\n");
  REQUIRE_MESSAGE(result.config, result.err);
  const std::vector<std::pair<std::string, std::string>> wanted{
      {"GET", "fetch"}, {"fetch", ""}, {"set", "GET"}};
  CHECK(result.config->snapshot()->renamed_commands == wanted);
  CHECK(line_error("rename-command get \"\"\nrename-command get x").find("at line 2") != std::string::npos);
}

TEST_CASE("user lines that say what is so anyway") {
  // SHA-256 of "x".
  const std::string hashed = "#2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
  const auto password = [](const std::string& text, const Strings& arguments = {}) {
    Strings all{"-"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return value(start(all, text), "requirepass");
  };
  for (const std::string login :
       {"nopass", "nopass sanitize-payload", "sanitize-payload NOPASS", ">y nopass"}) {
    for (const std::string rights : {"~* &* +@all", "allkeys allchannels allcommands", "%RW~* &* +@ALL"}) {
      CAPTURE(login);
      std::string line = "user default on ";
      line += login + ' ';
      line += rights;
      CHECK(password(line).empty());
    }
  }
  CHECK(password("user default on nopass ~* &* +@all\nrequirepass x") == "x");
  CHECK(password("user default on nopass ~* &* +@all", {"--requirepass", "x"}) == "x");
  CHECK(password("user default on sanitize-payload >x ~* &* +@all") == "x");
  CHECK(password("requirepass x\nuser default on " + hashed + " ~* &* +@all") == "x");
  CHECK(password("user default on " + hashed + " ~* &* +@all\nrequirepass x") == "x");
  CHECK(password("user default on " + hashed + " ~* &* +@all", {"--requirepass", "y"}) == "y");

  const std::string refusal = "ACL users are not supported yet";
  for (const std::string line :
       {"user default", "user default on", "user default on nopass", "user default on nopass ~* +@all",
        "user default off nopass ~* &* +@all", "user default on ~* &* +@all",
        "user default on nopass ~a &* +@all", "user default on nopass ~* &* +@all -flushall",
        "user default on >x >y ~* &* +@all", "user default on nopass skip-sanitize-payload ~* &* +@all",
        "user default on > ~* &* +@all", "user Default on nopass ~* &* +@all",
        "user bob on nopass ~* &* +@all", "user bob off"}) {
    CHECK(line_error(line) == error_block(1, line, refusal + "; use requirepass"));
  }
  const auto refused = [&](const std::string& text) {
    const auto result = start({"-"}, text);
    return !result.config && result.err.find(refusal) != std::string::npos;
  };
  CHECK(refused("user default on " + hashed + " ~* &* +@all"));
  CHECK(refused("requirepass y\nuser default on " + hashed + " ~* &* +@all"));
  CHECK(refused("requirepass y\nuser default on >x ~* &* +@all"));
  CHECK(refused("requirepass y\nuser default on nopass ~* &* +@all"));
  CHECK(start({"-"}, "user default on nopass ~* &* +@all\nuser default on nopass ~* &* +@all")
            .err.find("Duplicate user found") != std::string::npos);
}

TEST_CASE("include: globs, missing files, lines of their own, loops") {
  const Folder folder;
  folder.write("a.inc", "hz 20\n");
  folder.write("b.inc", "\ntimeout x\n");
  const std::string good =
      folder.write("good.conf", "include " + folder.path() + "/a.*\ninclude " + folder.path() + "/none-*\n");
  CHECK(value(start({good}), "hz") == "20");
  CHECK(start({good}).config->file() == good);
  const std::string bad = folder.write("bad.conf", "include " + folder.path() + "/*.inc\n");
  CHECK(start({bad}).err == error_block(3, "timeout x", "argument couldn't be parsed into an integer"));
  CHECK(start({folder.write("missing.conf", "include /nope/x\n")}).err ==
        "Fatal error, can't open config file '/nope/x': No such file or directory\n");
  const std::string loop = folder.path() + "/loop.conf";
  folder.write("loop.conf", "include " + loop + "\n");
  CHECK(start({loop}).err.find("include is nested too deeply") != std::string::npos);
}

TEST_CASE("the environment stands between file and arguments") {
  const Strings environment{
      "CLOAKROOM_MAXMEMORY=256mb",       "CLOAKROOM_TIMEOUT=30",      "CLOAKROOM_SAVE=60 1 300 10",
      "CLOAKROOM_BIO_CPULIST=0-1",       "MAXMEMORY_POLICY=zz",       "CLOAKROOM_PORT=tcp://10.0.0.1:6379",
      "CLOAKROOM_SERVICE_HOST=10.0.0.1", "CLOAKROOM_PORT_6379_TCP=x", "CLOAKROOM_TYPO=1"};
  const auto result = start({"-", "--timeout", "40"}, "timeout 20\nmaxmemory 1\n", environment);
  CHECK(value(result, "maxmemory") == "268435456");
  CHECK(value(result, "timeout") == "40");
  CHECK(value(result, "save") == "60 1 300 10");
  CHECK(value(result, "bio_cpulist") == "0-1");
  CHECK(value(result, "port") == "6379");
  const Strings notices = result.config->startup_notices();
  REQUIRE(notices.size() == 3);
  CHECK(notices[0] == "Ignored a variable of the environment that names no directive: CLOAKROOM_TYPO");
  CHECK(notices[1] == "Accepted without effect in this version: bio_cpulist");
  CHECK(notices[2].find("save points") != std::string::npos);
  CHECK(start({}, "", {"CLOAKROOM_TIMEOUT=x"}).err ==
        error_block(2, "timeout \"x\"", "argument couldn't be parsed into an integer"));
  CHECK(start({"--save", ""}).config->startup_notices().empty());
}

TEST_CASE("CONFIG REWRITE keeps comments and order, reuses lines, appends what is new") {
  const Folder folder;
  const std::string here = std::filesystem::current_path();
  const std::string path = folder.write("c.conf", R"(# top
port 7001
  # indented

save 60 1
hash-max-ziplist-entries 700
maxmemory 100mb
maxmemory 200mb
requirepass ""
unixsocketperm 770
rename-command GET ""
list-max-ziplist-entries 5
notify-keyspace-events KEA
shutdown-on-sigint save now)");
  std::filesystem::permissions(path,
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto store = start({path}).config;
  REQUIRE(store);
  CHECK_FALSE(
      store->set(Views{"maxmemory", "5gb", "save", "1 2 3 4", "timeout", "7", "requirepass", "a \"b\""}));
  CHECK(store->rewrite().value_or("OK") == "OK");
  CHECK(folder.read("c.conf") == R"(# top
port 7001
# indented

save 1 2
hash-max-listpack-entries 700
maxmemory 5gb

requirepass "a \"b\""
unixsocketperm 770
rename-command GET ""
# ??? list-max-ziplist-entries 5
notify-keyspace-events "AKE"
shutdown-on-sigint save now
# Generated by CONFIG REWRITE
timeout 7
latency-tracking-info-percentiles 50 99 99.9
dir ")" + here + "\"\nsave 3 4\n");
  CHECK(std::filesystem::status(path).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  const std::string once = folder.read("c.conf");
  CHECK_FALSE(store->rewrite());
  CHECK_FALSE(store->rewrite());
  CHECK(folder.read("c.conf") == once + "\n");
  CHECK(value(start({path}), "requirepass") == "a \"b\"");

  CHECK(ConfigStore().rewrite() == "ERR The server is running without a config file");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("CONFIG REWRITE of files that hold little or nothing") {
  const Folder folder;
  const std::string path = folder.path() + "/c.conf";
  const auto rewritten = [&](const std::string& before) {
    folder.write("c.conf", before);
    const auto store = start({path, "--hz", "20"}).config;
    REQUIRE(store);
    CHECK(store->rewrite().value_or("OK") == "OK");
    std::string after = folder.read("c.conf");
    CHECK(value(start({path}), "hz") == "20");
    return after;
  };
  const auto holds = [](const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
  };
  const std::string of_nothing = rewritten("");
  CHECK(of_nothing.starts_with("# Generated by CONFIG REWRITE\n"));
  CHECK(holds(of_nothing, "\nhz 20\n"));
  CHECK(
      rewritten("# only\n# comments\n").starts_with("# only\n# comments\n\n# Generated by CONFIG REWRITE\n"));
  CHECK(rewritten("# no end").starts_with("# no end\n# Generated by CONFIG REWRITE\n"));
  CHECK(rewritten("\n").starts_with("\n# Generated by CONFIG REWRITE\n"));
  CHECK(rewritten("# a\nuser default on nopass ~* &* +@all\n# b").starts_with("# a\n\n# b\n# Generated"));
  CHECK(rewritten("# a\r\nhz 5\r\n\r\nport 7001").starts_with("# a\nhz 20\n\nport 7001\n# Generated"));

  folder.write("c.conf", "");
  const auto store = start({path, "--hz", "20"}).config;
  REQUIRE(store);
  std::filesystem::remove(path);
  CHECK(store->rewrite().value_or("OK") == "OK");
  CHECK(folder.read("c.conf") == of_nothing);
}

TEST_CASE("A file rewritten whole says all that is so") {
  const Folder folder;
  const std::string path = folder.write("c.conf", "hz 20\nrequirepass \"\"\nbind 127.0.0.1\n");
  const auto store = start({path}).config;
  REQUIRE(store);
  CHECK(store->rewrite(true).value_or("OK") == "OK");
  CHECK(folder.read("c.conf").find("\nslowlog-max-len 128\n") != std::string::npos);
  const auto again = start({path});
  REQUIRE(again.config);
  CHECK(again.config->get(Views{"*"}) == store->get(Views{"*"}));
}

TEST_CASE("CONFIG REWRITE shows a password to nobody new") {
  using enum std::filesystem::perms;
  const Folder folder;
  const std::string path = folder.write("c.conf", "hz 20\n");
  const std::string log_path = folder.path() + "/log";
  const auto store = start({path}, "", {"CLOAKROOM_REQUIREPASS=open sesame"}).config;
  REQUIRE(store);
  configure_log("notice", log_path);
  const auto warned = [&] {
    const std::string text = folder.read("log");
    CHECK(text.find("sesame") == text.npos);
    std::filesystem::resize_file(log_path, 0);
    return text.find("password") != text.npos;
  };
  std::filesystem::remove(path);
  CHECK_FALSE(store->rewrite());
  CHECK(std::filesystem::status(path).permissions() == (owner_read | owner_write));
  CHECK_FALSE(warned());
  for (const auto others : {group_read, others_read}) {
    std::filesystem::permissions(path, owner_read | owner_write | others);
    CHECK_FALSE(store->rewrite());
    CHECK(std::filesystem::status(path).permissions() == (owner_read | owner_write | others));
    CHECK(warned());
  }
  CHECK_FALSE(store->set(Views{"requirepass", ""}));
  CHECK_FALSE(store->rewrite());
  CHECK_FALSE(warned());
  configure_log("notice", "");
}

TEST_CASE("CONFIG REWRITE that cannot write says so and leaves nothing behind") {
  const Folder folder;
  std::filesystem::create_directory(folder.path() + "/gone");
  const auto store = start({folder.write("gone/c.conf", "hz 20\n")}).config;
  REQUIRE(store);
  std::filesystem::remove_all(folder.path() + "/gone");
  CHECK(store->rewrite() == "ERR Rewriting config file: No such file or directory");
  CHECK(std::filesystem::is_empty(folder.path()));
  // A folder where the file should be: the temporary file is written, only the renaming fails.
  std::filesystem::create_directories(folder.path() + "/gone/c.conf");
  CHECK(store->rewrite() == "ERR Rewriting config file: Is a directory");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path() + "/gone"), {}) == 1);
}
