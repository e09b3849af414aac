"""MONITOR."""
import re

from report import expect, expect_true
from resp import request
from servers import poll_until

LINE = re.compile(rb"\+\d+\.\d{6} \[(\d+) ([^\]]+)\] (.*)\r\n$", re.S)


def lines(conn, count, timeout_s=5.0):
    """(database, address, arguments) of so many lines."""
    found = []
    for raw in conn.read(count, timeout_s):
        match = LINE.match(raw)
        expect_true(match, "a MONITOR line: %r" % raw)
        found.append(match.groups())
    return found


def monitored(server):
    conn = server.connect()
    expect(conn.value("MONITOR"), b"OK")
    return conn


def texts(conn, count):
    return [args for _, _, args in lines(conn, count)]


def output(server):
    watcher = monitored(server)
    conn = server.connect()
    conn.value("SET", "key with space", 'quote" and \\ and \x01 \n\r\t\a\b')
    conn.send(request("get", b"\xff\x00"))
    conn.read(1)
    conn.value("SELECT", "2")
    conn.value("GET", "x")
    conn.value("NOSUCH")
    conn.value("GET")
    conn.value("CLIENT", "LIST")
    conn.value("PING", "end")
    seen = lines(watcher, 5)
    address = ("%s:%d" % conn.sock.getsockname()).encode()
    expect({line[1] for line in seen}, {address})
    expect([(line[0], line[2]) for line in seen], [
        (b"0", b'"SET" "key with space" "quote\\" and \\\\ and \\x01 \\n\\r\\t\\a\\b"'),
        (b"0", b'"get" "\\xff\\x00"'),
        (b"2", b'"SELECT" "2"'),
        (b"2", b'"GET" "x"'),
        (b"2", b'"PING" "end"'),
    ])


def from_two_threads(server):
    watchers = [monitored(server) for _ in range(4)]
    writers = [server.connect() for _ in range(6)]
    rounds = 200
    for number, conn in enumerate(writers):
        conn.send(b"".join(request("SET", "w%d" % number, "%d" % i) for i in range(rounds)))
    for conn in writers:
        conn.read(rounds)
    for watcher in watchers:
        seen = texts(watcher, rounds * len(writers))
        for number in range(len(writers)):
            own = [line for line in seen if line.startswith(b'"SET" "w%d" ' % number)]
            expect(own, [b'"SET" "w%d" "%d"' % (number, i) for i in range(rounds)], "each client's commands in their order")


def same_order_as_the_key(server):
    """The last SET that MONITOR shows is the value that stands."""
    watcher = monitored(server)
    writers = [server.connect() for _ in range(4)]
    for number, conn in enumerate(writers):
        conn.send(b"".join(request("SET", "k", "%d-%d" % (number, i)) for i in range(500)))
    for conn in writers:
        conn.read(500)
    last = texts(watcher, 2000)[-1]
    expect(last, b'"SET" "k" "%s"' % writers[0].value("GET", "k"))


def transaction(server):
    watcher = monitored(server)
    conn = server.connect()
    conn.value("MULTI")
    conn.value("INCR", "n")
    conn.value("SELECT", "1")
    conn.value("SET", "m", "1")
    conn.value("EXEC")
    conn.value("PING")
    expect(texts(watcher, 6), [b'"MULTI"', b'"INCR" "n"', b'"SELECT" "1"', b'"SET" "m" "1"', b'"EXEC"', b'"PING"'])


def no_secret(server):
    watcher = monitored(server)
    conn = server.connect()
    conn.call("AUTH", "default", "secret")
    conn.call("HELLO", "2", "AUTH", "default", "secret")
    conn.value("PING", "end")
    seen = []
    while not seen or b'"end"' not in seen[-1]:
        seen += texts(watcher, 1)
    expect(seen, [b'"AUTH" "(redacted)" "(redacted)"', b'"HELLO" "2" "AUTH" "(redacted)" "(redacted)"', b'"PING" "end"'])


def coming_and_going(server):
    watcher = monitored(server)
    expect(watcher.call("GET", "x"), ("-", b"ERR Replica can't interact with the keyspace"))
    other = server.connect()
    other.value("PING", "1")
    watcher.read(1)
    watcher.send(request("RESET"))
    expect(watcher.read(1), [b"+RESET\r\n"])
    other.value("PING", "2")
    expect(watcher.value("GET", "x"), None, "an ordinary client again")
    again = monitored(server)
    flags = [line for line in other.value("CLIENT", "LIST").split(b"\n") if b" flags=O " in line]
    expect(len(flags), 1, "one shown as monitoring")
    identity = int(re.match(rb"id=(\d+)", flags[0]).group(1))
    expect(other.value("CLIENT", "KILL", "ID", identity), 1)
    while not again.eof:
        again.at_eof()  # skips lines
    expect_true(poll_until(lambda: b"flags=O" not in other.value("CLIENT", "LIST"), 5.0), "gone")


def slow_monitor(server):
    """One that does not read is cut off; the others are served."""
    watcher = monitored(server)
    conn = server.connect()
    conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0 replica 1mb 0 0")
    payload = "x" * 100_000
    for _ in range(300):
        conn.send(request("ECHO", payload))
        conn.read(1)
    listed = lambda: b"flags=O" in conn.value("CLIENT", "LIST")  # noqa: E731
    expect_true(poll_until(lambda: not listed(), 5.0), "cut off")
    watcher.close()


CHECKS = [
    ("MONITOR: format, quoting, what is shown", [], output),
    ("MONITOR: commands of two I/O threads", [], from_two_threads),
    ("MONITOR: order of one key's writes", [], same_order_as_the_key),
    ("MONITOR: EXEC", [], transaction),
    ("MONITOR: no password", [], no_secret),
    ("MONITOR: RESET and KILL", [], coming_and_going),
    ("MONITOR: one that does not read", [], slow_monitor),
]
