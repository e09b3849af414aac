#include "server/config/config_table.h"

namespace cloakroom::server::directives {
namespace {

bool is_path(const ConfigValue& value) { return value.text.find_first_of("/\\") != std::string::npos; }

const char* check_snapshot_name(ConfigValue& value) {
  return is_path(value) ? "dbfilename can't be a path, just a filename" : nullptr;
}

const char* check_log_name(ConfigValue& value) {
  if (value.text.empty()) return "appendfilename can't be empty";
  return is_path(value) ? "appendfilename can't be a path, just a filename" : nullptr;
}

const char* check_log_directory(ConfigValue& value) {
  if (value.text.empty()) return "appenddirname can't be empty";
  return is_path(value) ? "appenddirname can't be a path, just a dirname" : nullptr;
}

constinit const Row kRows[] = {
    special("save", "3600 1 300 100 60 10000", kSave).flags(kManyWords).into(store_save),
    text("dbfilename", "dump.rdb").flags(kProtected).check(check_snapshot_name).acts(),
    boolean("stop-writes-on-bgsave-error", true),
    boolean("rdbcompression", true),
    boolean("rdbchecksum", true).flags(kImmutable),
    boolean("rdb-del-sync-files", false),
    boolean("rdb-save-incremental-fsync", true),
    integer("rdb-key-save-delay", "0", INT32_MIN, kIntMax).flags(kHidden),
    integer("key-load-delay", "0", INT32_MIN, kIntMax).flags(kHidden),
    integer("loading-process-events-interval-bytes", "2097152", 1024, kIntMax).flags(kHidden),
    choice("sanitize-dump-payload", "no", "no, yes, clients"),

    boolean("appendonly", false).acts(),
    text("appendfilename", "appendonly.aof").flags(kImmutable).check(check_log_name).acts(),
    text("appenddirname", "appendonlydir").flags(kImmutable).check(check_log_directory).acts(),
    choice("appendfsync", "everysec", "everysec, always, no").acts(),
    boolean("no-appendfsync-on-rewrite", false),
    integer("auto-aof-rewrite-percentage", "100", 0, kIntMax).into<&Config::auto_aof_rewrite_percentage>(),
    memory("auto-aof-rewrite-min-size", "67108864", 0, INT64_MAX).into<&Config::auto_aof_rewrite_min_size>(),
    boolean("aof-disable-auto-gc", false),
    boolean("aof-load-truncated", true).acts(),
    boolean("aof-rewrite-incremental-fsync", true),
    boolean("aof-timestamp-enabled", false).acts(),
    boolean("aof-use-rdb-preamble", true),
};

}  // namespace

std::span<const Row> persistence_rows() { return kRows; }

}  // namespace cloakroom::server::directives
