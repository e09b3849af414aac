"""Server commands: memory full, slow log, statistics, configuration, COMMAND, DEBUG, SHUTDOWN."""
import re

from gen_server import CONTAINERS_BEYOND, NAMES
from resp import parse, plain

WRITES = [["SET", "a", "1"], ["SETEX", "a", "100", "1"], ["PSETEX", "a", "100000", "1"], ["SETNX", "a", "1"], ["GETSET", "a", "1"],
          ["MSET", "a", "1"], ["MSETNX", "a", "1"], ["INCR", "n"], ["INCRBY", "n", "1"], ["INCRBYFLOAT", "n", "1"],
          ["DECR", "n"], ["DECRBY", "n", "1"], ["APPEND", "a", "x"], ["SETRANGE", "a", "0", "x"], ["HSET", "h", "f", "v"],
          ["HMSET", "h", "f", "v"], ["HSETNX", "h", "f", "v"], ["HINCRBY", "h", "n", "1"], ["HINCRBYFLOAT", "h", "n", "1"],
          ["SADD", "s", "a"], ["SINTERSTORE", "d", "s"], ["SUNIONSTORE", "d", "s"], ["SDIFFSTORE", "d", "s"], ["COPY", "s", "d"]]
OTHERS = [["GET", "a"], ["GETEX", "a", "EX", "100"], ["GETDEL", "a"], ["DEL", "a"], ["UNLINK", "a"], ["EXPIRE", "s", "100"], ["PERSIST", "s"],
          ["RENAME", "s", "s2"], ["RENAMENX", "s2", "s"], ["MOVE", "s", "1"], ["SREM", "s", "a"], ["SMOVE", "s", "s2", "a"],
          ["SPOP", "s"], ["HDEL", "h", "f"], ["TOUCH", "a"], ["SWAPDB", "0", "1"], ["FLUSHDB"], ["CONFIG", "GET", "maxmemory"],
          ["SCAN", "0"], ["MULTI"], ["PING"], ["EXEC"]]


def memory_full(s):
    for args in WRITES:
        s.do("a", *args)
    s.ask("a", "FLUSHALL")
    s.do("a", "SADD", "s", "a", "b")
    s.do("a", "CONFIG", "SET", "maxmemory", "1")
    for args in WRITES + OTHERS:
        s.do("a", *args)
    for args in (["MULTI"], ["SET", "a", "1"], ["GET", "a"], ["EXEC"], ["MULTI"], ["GET", "a"], ["EXEC"], ["MULTI"], ["MULTI"],
                 ["WATCH", "a"], ["DISCARD"], ["WATCH", "a"], ["MULTI"], ["EXEC"]):
        s.do("a", *args)
    s.do("a", "CONFIG", "SET", "maxmemory", "0")
    s.do("a", "SET", "a", "1")


def memory_full_volatile(s):
    s.do("a", "SET", "keep", "1")
    for policy in ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "noeviction"):
        s.do("a", "CONFIG", "SET", "maxmemory-policy", policy)
        s.do("a", "CONFIG", "SET", "maxmemory", "1")
        s.do("a", "SET", "new", "1")
        s.do("a", "GET", "keep")
        s.do("a", "CONFIG", "SET", "maxmemory", "0")
        s.do("a", "SET", "session", "x", "EX", "1000")
        s.do("a", "CONFIG", "SET", "maxmemory", "1")
        s.do("a", "SET", "new", "1")
        s.do("a", "EXISTS", "session")
        s.do("a", "CONFIG", "SET", "maxmemory", "0")
        s.do("a", "DEL", "session")
    for policy in ("allkeys-lru", "allkeys-lfu", "allkeys-random"):
        s.do("a", "CONFIG", "SET", "maxmemory-policy", policy)
        s.do("a", "SET", "keep", "1")
        s.do("a", "CONFIG", "SET", "maxmemory", "1")
        s.do("a", "SET", "new", "1")
        s.do("a", "DBSIZE")
        s.do("a", "CONFIG", "SET", "maxmemory", "0")


def _slow_entry(entry):
    fields = plain(entry)
    return repr([fields[0], fields[3], re.sub(rb":\d+$", b":PORT", fields[4]), fields[5]]).encode()


def slow_log(s):
    s.do("a", "CLIENT", "SETNAME", "slow")
    s.do("a", "CONFIG", "SET", "slowlog-log-slower-than", "0")
    s.do("a", "SET", "k", "x" * 200)
    s.do("a", "DEL", *["key%d" % i for i in range(40)])
    s.do("a", "GET")
    s.do("a", "nosuch", "x")
    s.do("a", "AUTH", "default", "secret")
    s.do("a", "MULTI")
    s.do("a", "INCR", "n")
    s.do("a", "EXEC")
    s.do("a", "CONFIG", "SET", "slowlog-log-slower-than", "-1")
    s.do("a", "GET", "not logged")
    s.do("a", "SLOWLOG", "LEN")
    for entry in parse(s.ask("a", "SLOWLOG", "GET", "-1"))[1]:
        s.note("entry", _slow_entry(entry))
    s.do("a", "SLOWLOG", "GET", "2", norm="type")
    s.do("a", "CONFIG", "SET", "slowlog-max-len", "3")
    s.do("a", "CONFIG", "SET", "slowlog-log-slower-than", "0")
    for number in range(5):
        s.do("a", "GET", "after%d" % number)
    s.do("a", "SLOWLOG", "LEN")
    s.do("a", "SLOWLOG", "RESET")
    s.do("a", "SLOWLOG", "LEN")


INFO_FIELDS = (b"keyspace_hits", b"keyspace_misses", b"expired_keys", b"evicted_keys", b"total_commands_processed",
               b"total_error_replies", b"unexpected_error_replies", b"rejected_connections", b"db0", b"db3", b"connected_clients",
               b"blocked_clients", b"maxmemory_policy", b"role", b"connected_slaves", b"loading", b"redis_version", b"redis_mode",
               b"cluster_enabled", b"maxmemory", b"maxmemory_human", b"aof_enabled", b"rdb_bgsave_in_progress", b"maxclients",
               b"aof_rewrite_in_progress", b"rdb_last_bgsave_status", b"aof_last_write_status", b"tracking_clients",
               b"total_reads_processed_", b"errorstat_ERR", b"errorstat_WRONGTYPE", b"errorstat_EXECABORT")
COUNTED = (b"cmdstat_get", b"cmdstat_set", b"cmdstat_incr", b"cmdstat_config|get", b"cmdstat_client|getname", b"cmdstat_exec",
           b"cmdstat_multi", b"cmdstat_hset", b"cmdstat_config|resetstat", b"cmdstat_flushall", b"cmdstat_select")


def _info_values(s, section):
    text = parse(s.ask("a", "INFO", section))[1]
    for line in sorted(text.split(b"\r\n")):  # commandstats come in no order
        name, _, value = line.partition(b":")
        if name in INFO_FIELDS:
            s.note("INFO " + name.decode(), re.sub(rb"avg_ttl=\d+", b"avg_ttl=N", value))
        if name in COUNTED:
            s.note("INFO " + name.decode(), re.sub(rb"usec=\d+,usec_per_call=[\d.]+", b"usec", value))


def statistics(s):
    s.do("a", "CONFIG", "RESETSTAT")
    for args in (["SET", "a", "1"], ["GET", "a"], ["GET", "missing"], ["EXISTS", "a", "missing"], ["INCR", "a"], ["GET"],
                 ["HSET", "a", "f", "v"], ["nosuch"], ["CLIENT", "GETNAME"], ["CONFIG", "GET", "port"], ["MGET", "a", "b", "c"],
                 ["TTL", "a"], ["TYPE", "b"], ["MULTI"], ["INCR", "a"], ["HSET", "a", "f"], ["EXEC"], ["MULTI"], ["INCR", "a"],
                 ["HSET", "a", "f", "v"], ["EXEC"], ["SELECT", "3"], ["SET", "x", "1", "EX", "1000"], ["SET", "y", "1"],
                 ["SELECT", "0"], ["STRLEN", "a"], ["SISMEMBER", "none", "x"], ["SET", "p", "1", "PX", "1"], ["RENAME", "no", "no2"],
                 ["OBJECT", "ENCODING", "none"], ["TOUCH", "a", "zz"], ["EXPIRE", "zz", "1"], ["GETDEL", "zz"], ["DEL", "zz"]):
        s.do("a", *args, norm="config" if args[0] == "CONFIG" else None)
    s.ask("a", "DEL", "p")
    for section in ("server", "clients", "memory", "persistence", "replication", "cluster", "keyspace", "commandstats", "errorstats"):
        _info_values(s, section)
    text = parse(s.ask("a", "INFO", "stats"))[1]
    for name in (b"keyspace_hits", b"keyspace_misses", b"total_error_replies", b"total_commands_processed"):
        s.note("INFO " + name.decode(), re.search(name + rb":(\d+)", text).group(1))
    s.do("a", "CONFIG", "RESETSTAT")
    _info_values(s, "stats")
    for sections in ((), ("all",), ("everything",), ("default",), ("server", "cpu"), ("Keyspace",), ("latencystats",), ("modules",)):
        s.do("a", "INFO", *sections, norm="info")


def configuration(s):
    s.do("a", "CONFIG", "GET", "*", norm="config")
    s.do("a", "CONFIG", "GET", "maxmemory", "maxmemory", "MAXMEMORY", "max*", norm="config")
    for args in (["maxmemory", "1.5gb"], ["maxmemory", "10k"], ["maxmemory", "10kb"], ["maxmemory", "1G"], ["maxmemory", "-5"],
                 ["maxmemory-policy", "nonsense"], ["hz", "1000"], ["hz", "0"], ["timeout", "10", "hz", "20"],
                 ["timeout", "11", "hz", "abc"], ["timeout", "12", "timeout", "13"], ["nosuch", "1"], ["timeout", "14", "nosuch", "1"],
                 ["port", "-1"], ["daemonize", "yes"], ["databases", "8"], ["bind", "not an address !"], ["save", "60 1000 300 10"],
                 ["save", "60"], ["save", "60 x"], ["save", ""], ["maxclients", "100"], ["appendonly", "maybe"], ["loglevel", "loud"],
                 ["client-output-buffer-limit", "normal 1mb 2mb 60"], ["client-output-buffer-limit", "slave 1gb 1gb 60 pubsub 1 2 3"],
                 ["notify-keyspace-events", "KEgx$lshzetdmn"], ["notify-keyspace-events", "KEA"], ["notify-keyspace-events", "q"],
                 ["oom-score-adj", "sometimes"], ["lfu-decay-time", "-5"], ["latency-tracking-info-percentiles", "50 99 99.9"],
                 ["latency-tracking-info-percentiles", "500"], ["proc-title-template", "{title} {nosuch}"], ["tls-port", "abc"],
                 ["list-compress-depth", "-1"], ["maxmemory-clients", "5%"], ["maxmemory-clients", "500%"], ["aclfile", "/x"],
                 ["enable-debug-command", "yes"], ["io-threads", "2"], ["unixsocketperm", "777"], ["logfile", "/x"], ["dbfilename", "a/b"],
                 ["repl-timeout", "0"], ["set-max-intset-entries", "12b"], ["hash-max-listpack-value", "1kb"], ["timeout"], []):
        s.do("a", "CONFIG", "SET", *args)
        if args:
            s.do("a", "CONFIG", "GET", args[0], norm="config")
    s.do("a", "CONFIG", "GET", "timeout", "hz", norm="config")
    s.do("a", "CONFIG", "REWRITE")
    s.do("a", "CONFIG", "HELP", norm="help")


def commands(s):
    for version in ("2", "3"):
        s.do("a", "HELLO", version, norm="hello")
        for name in NAMES:
            s.do("a", "COMMAND", "INFO", name,
                 norm="command_container" if name in CONTAINERS_BEYOND else "command_info")
    s.do("a", "COMMAND", "INFO", "get", "nosuch", "SET", norm="command_info")
    for name in NAMES:
        s.do("a", "COMMAND", "DOCS", name, norm="command_docs")
    s.do("a", "COMMAND", "LIST", "FILTERBY", "PATTERN", "hincr*", norm="unordered")
    s.do("a", "COMMAND", "LIST", "FILTERBY", "ACLCAT", "set", norm="type")
    s.do("a", "COMMAND", "COUNT")


def debug_forbidden(s):
    s.do("a", "DEBUG", "SLEEP", "0")
    s.do("a", "DEBUG", "OBJECT", "x")
    s.do("a", "DEBUG")


def object_lfu(s):
    s.do("a", "SET", "k", "v")
    s.do("a", "OBJECT", "FREQ", "k")
    s.do("a", "OBJECT", "FREQ", "missing")
    s.do("a", "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    s.do("a", "SET", "k2", "v")
    s.do("a", "OBJECT", "FREQ", "k2")
    s.do("a", "OBJECT", "IDLETIME", "k2")
    s.do("a", "OBJECT", "IDLETIME", "missing")
    s.do("a", "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    s.do("a", "OBJECT", "FREQ", "k2")
    s.do("a", "OBJECT", "IDLETIME", "k2", norm="type")
    for value in ("0", "9999", "10000", "-1", "abc", "12345678901234567890", "x" * 44, "x" * 45):
        s.do("a", "SET", "v", value)
        s.do("a", "OBJECT", "ENCODING", "v")
        s.do("a", "OBJECT", "REFCOUNT", "v")


def small_databases(s):
    for args in (["SELECT", "3"], ["SELECT", "4"], ["SWAPDB", "0", "4"], ["MOVE", "x", "4"], ["SET", "x", "1"], ["MOVE", "x", "3"],
                 ["MOVE", "x", "0"], ["COPY", "x", "y", "DB", "4"], ["SELECT", "0"], ["GET", "x"], ["CONFIG", "GET", "databases"]):
        s.do("a", *args)


def renamed(s):
    for args in (["FLUSHALL"], ["FLUSHDB"], ["WIPE"], ["CONFIG", "GET", "maxmemory"], ["COMMAND", "INFO", "flushall"]):
        s.do("a", *args, norm="command_info")


def latency(s):
    s.do("a", "CONFIG", "SET", "latency-monitor-threshold", "20")
    s.do("a", "DEBUG", "SLEEP", "0.05")
    s.do("a", "LATENCY", "LATEST", norm="shape")
    s.do("a", "LATENCY", "HISTORY", "command", norm="shape")
    s.do("a", "LATENCY", "RESET", "command")
    s.do("a", "LATENCY", "LATEST")
    s.do("a", "LATENCY", "HISTOGRAM", "nosuch", norm="type")
    s.do("a", "LATENCY", "HISTOGRAM", "debug", norm="type")


def shut_down(s):
    s.do("a", "SET", "k", "v")
    s.do("a", "SHUTDOWN", "ABORT")
    s.do("a", "SHUTDOWN", "nonsense")
    s.ask("b", "PING")
    s.note("SHUTDOWN closes", s.ask("a", "SHUTDOWN", "NOSAVE"))
    s.note("others too", b"yes" if s.conn("b").at_eof() else b"no")
    code = s.server.process.wait(10)
    s.note("exit code", str(code).encode())


SCENARIOS = [
    ("memory full", [], memory_full),
    ("memory full, volatile and allkeys policies", [], memory_full_volatile),
    ("SLOWLOG", [], slow_log),
    ("INFO and statistics", [], statistics),
    ("CONFIG", [], configuration),
    ("COMMAND INFO and DOCS of every command", [], commands),
    ("DEBUG without permission", [], debug_forbidden),
    ("OBJECT and the policies", [], object_lfu),
    ("four databases", ["--databases", "4"], small_databases),
    ("rename-command", ["--rename-command", "FLUSHALL", "", "--rename-command", "FLUSHDB", "WIPE"], renamed),
    ("LATENCY", ["--enable-debug-command", "yes"], latency),
    ("SHUTDOWN", [], shut_down),
]
