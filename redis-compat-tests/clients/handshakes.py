"""What clients that cannot be installed here send on connecting, replayed as bytes (ecosystem survey, section 2)."""
from report import expect, expect_true
from resp import as_dict, parse, plain, request
from servers_of_tests import start

ANY = object()


def _hello_ok(node):
    hello = as_dict(node)
    for field in (b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"):
        expect_true(field in hello, "HELLO lacks %r" % field)
    expect(hello[b"proto"], 3, "proto")
    expect(hello[b"server"], b"redis", "server")
    expect(hello[b"mode"], b"standalone", "mode")


def _error(prefix):
    def check(node):
        expect_true(node[0] == "-" and node[1].startswith(prefix), "wanted an error %r, got %r" % (prefix, node))
    return check


def _ok(node):
    expect(node, ("+", b"OK"), "reply")


def _info(*fields):
    def check(node):
        for field in fields:
            expect_true(field in node[1], "INFO lacks %r" % field)
    return check


def _value(wanted):
    return lambda node: expect(plain(node), wanted, "reply")


def _no_error(node):
    expect_true(node[0] != "-", "error %r" % (node[1],))


MAINT = ("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "external-ip")
SETINFO = [(("CLIENT", "SETINFO", "LIB-NAME", "lib"), _ok), (("CLIENT", "SETINFO", "LIB-VER", "6.0.0"), _ok)]
SESSION = [(("SET", "session:h1", "{}", "EX", "3600"), _ok), (("GET", "session:h1"), _value(b"{}")),
           (("SADD", "user_sessions:h", "h1"), ANY), (("SMEMBERS", "user_sessions:h"), _value([b"h1"])),
           (("DEL", "session:h1"), _value(1))]

HANDSHAKES = {
    "node-redis 4.7": [*SETINFO, (("SELECT", "1"), _ok), *SESSION],
    "node-redis 6": [(("HELLO", "3"), _hello_ok), *SETINFO, (MAINT, _error(b"ERR unknown subcommand")), *SESSION],
    "ioredis 6": [(("HELLO", "3"), _hello_ok), *SETINFO,
                  (("INFO",), _info(b"loading:0", b"redis_version:7.0.15", b"role:master")), *SESSION],
    "redis-py 5": [*SETINFO, (("CLIENT", "SETNAME", "app"), _ok), (("SELECT", "0"), _ok), *SESSION],
    "redis-py main": [(("HELLO", "3"), _hello_ok), (MAINT, _error(b"ERR")), (("CLIENT", "SETNAME", "app"), _ok), *SETINFO,
                      (("SELECT", "2"), _ok), *SESSION],
    "go-redis v9": [(("hello", "3"), _hello_ok), (("select", "1"), _ok), (("client", "setname", "go"), _ok),
                    (("client", "maint_notifications", "on"), _error(b"ERR")),
                    (("client", "setinfo", "LIB-NAME", "go-redis(,go1.22)"), _ok), (("client", "setinfo", "LIB-VER", "9.7.0"), _ok),
                    *SESSION],
    "lettuce 6": [(("HELLO", "3", "SETNAME", "lettuce"), _hello_ok), (("SELECT", "0"), _ok), *SESSION],
    "jedis": [(("HELLO", "3"), _hello_ok), (("CLIENT", "SETNAME", "jedis"), _ok), *SETINFO, (("SELECT", "0"), _ok), *SESSION],
    "redis-rb 5": [(("HELLO", "3"), _hello_ok), (("CLIENT", "SETINFO", "LIB-NAME", "redis-client(v0.22)"), _ok), *SESSION],
    "StackExchange.Redis": [
        (("HELLO", "3", "SETNAME", "web"), _hello_ok), (("CLIENT", "SETNAME", "web"), _ok),
        (("CLIENT", "SETINFO", "lib-name", "SE.Redis"), _ok), (("CLIENT", "SETINFO", "lib-ver", "2.8.0"), _ok),
        (("CLIENT", "ID"), _no_error), (("CONFIG", "GET", "timeout"), _no_error), (("CONFIG", "GET", "replica-read-only"), _no_error),
        (("CONFIG", "GET", "databases"), lambda n: expect(as_dict(n)[b"databases"], b"16", "databases")),
        (("SENTINEL", "MASTERS"), _error(b"ERR unknown command")),
        (("INFO", "replication"), _info(b"role:master", b"connected_slaves:0", b"master_replid:")),
        (("INFO", "server"), _info(b"redis_version:7.0.15", b"redis_mode:standalone", b"run_id:")),
        (("CLUSTER", "NODES"), _error(b"ERR This instance has cluster support disabled")),
        (("GET", "__Booksleeve_TieBreak"), _value(None)),
        (("ECHO", b"\x01\xfe\x80guid\x00\r\n\xff"), _value(b"\x01\xfe\x80guid\x00\r\n\xff")), *SESSION],
    "phpredis, Predis, redigo": [(("SELECT", "1"), _ok), (("PING",), _value(b"PONG")), *SESSION],
    "redis_exporter": [(("CLIENT", "SETNAME", "redis_exporter"), _ok), (("CONFIG", "GET", "*"), _no_error),
                       (("INFO", "ALL"), _info(b"uptime_in_seconds:", b"connected_clients:", b"blocked_clients:", b"used_memory:",
                                               b"maxmemory:", b"total_net_input_bytes:", b"total_net_output_bytes:",
                                               b"keyspace_hits:", b"keyspace_misses:", b"expired_keys:", b"evicted_keys:",
                                               b"cmdstat_", b"total_commands_processed:", b"mem_fragmentation_ratio:",
                                               b"rdb_changes_since_last_save:", b"used_cpu_sys:")),
                       (("LATENCY", "LATEST"), _no_error), (("LATENCY", "HISTOGRAM"), _no_error), (("SLOWLOG", "LEN"), _no_error),
                       (("SLOWLOG", "GET", "1"), _no_error)],
    "desktop GUIs": [(("INFO",), _info(b"redis_version")), (("DBSIZE",), _no_error), (("MODULE", "LIST"), _value([])),
                     (("COMMAND",), _no_error), (("CONFIG", "GET", "databases"), _no_error), (("CLIENT", "LIST"), _no_error),
                     (("SCAN", "0", "MATCH", "*", "COUNT", "100"), _no_error), (("ACL", "WHOAMI"), ANY)],
}
NEEDS_AUTH = {
    "HELLO 3 AUTH (go-redis, lettuce, node-redis 6)": [(("HELLO", "3", "AUTH", "default", "secret", "SETNAME", "x"), _hello_ok),
                                                       (("PING",), _value(b"PONG"))],
    "HELLO without AUTH, then AUTH": [(("HELLO", "3"), _error(b"NOAUTH HELLO must be called with the client already authenticated")),
                                      (("AUTH", "secret"), _ok), (("HELLO", "3"), _hello_ok)],
    "AUTH, SELECT (ioredis 5, phpredis)": [(("AUTH", "secret"), _ok), (("SELECT", "1"), _ok), (("INFO",), _info(b"loading:0"))],
    "wrong password": [(("AUTH", "wrong"), _error(b"WRONGPASS")), (("GET", "x"), _error(b"NOAUTH"))],
}


def replay(server, steps):
    """The connect sequence twice: answer by answer, then as one pipeline, as clients do."""
    redis_lacks = {"SETINFO"} if server.redis else set()
    conn = server.connect()
    for command, check in steps:
        node = conn.call(*command)
        if check is not ANY and not redis_lacks & {part.upper() for part in command}:
            check(node)
    conn.close()
    conn = server.connect()
    conn.send(b"".join(request(*command) for command, _ in steps))
    for (command, check), raw in zip(steps, conn.read(len(steps))):
        if check is not ANY and not redis_lacks & {part.upper() for part in command}:
            check(parse(raw))
    conn.close()


def run_all(report):
    with start() as server:
        for name, steps in HANDSHAKES.items():
            report.run("connect sequence: " + name, replay, server, steps)
    with start("--requirepass", "secret") as server:
        for name, steps in NEEDS_AUTH.items():
            report.run("connect sequence: " + name, replay, server, steps)
