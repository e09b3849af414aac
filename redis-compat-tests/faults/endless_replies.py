"""Replies that would not fit: they stop at the client's limit, none of them goes out in part, and the client is closed."""
from report import expect, expect_true
from resp import Eof, request
from watched import MB, run_each

SERVE_MB = 40  # what a limit of 10 MB may cost


def disconnections(conn):
    text = conn.value("INFO", "stats")
    return int(text.split(b"client_output_buffer_limit_disconnections:")[1].split(b"\r\n")[0])


def bytes_until_closed(conn):
    """How many bytes came before the server closed."""
    count = 0
    conn.sock.settimeout(20.0)
    try:
        while True:
            data = conn.sock.recv(1 << 20)
            if not data:
                return count
            count += len(data)
    except ConnectionResetError:
        return count


def fill(conn, count=20000):
    """Values of about 2 MB, of every kind that has members."""
    members = ["%s-%d" % ("m" * 90, n) for n in range(count)]
    for key in ("set", "set2"):
        conn.value("SADD", key, *members)
    conn.value("SADD", "few", "x" * 50)
    conn.value("HSET", "hash", *[text for member in members for text in (member, "v")])
    conn.value("HSET", "flat", "field", "v" * 50)
    conn.value("SET", "big", "x" * 100000)
    conn.value("SET", "text", "y" * 2000000)
    conn.value("APPEND", "text", "z")


def endless(watched):
    """Members drawn again and again stop at the limit, whether it is set, follows maxmemory, or nobody reads."""
    conn = watched.connect(60.0)
    fill(conn, 2000)
    commands = [("SRANDMEMBER", "few", "-1000000000"), ("SRANDMEMBER", "set", "-1000000000"),
                ("HRANDFIELD", "flat", "-1000000000"), ("HRANDFIELD", "flat", "-1000000000", "WITHVALUES"),
                ("HRANDFIELD", "hash", "-1000000000", "WITHVALUES")]
    for setting in (("client-output-buffer-limit", "normal 10mb 0 0"), ("maxmemory", "20mb")):
        expect(conn.value("CONFIG", "SET", *setting), b"OK", "CONFIG SET")
        for command in commands:
            for prefix in (b"", b"*1\r\n$5\r\nMULTI\r\n"):
                one = watched.connect(60.0)
                suffix = request("EXEC") if prefix else b""
                one.send(prefix + request(*command) + suffix + request("SET", "after", "1"))
                expect(one.at_eof(60.0) or one.buf, True, "closed without a reply: %r" % (command,))
                one.close()
                expect_true(watched.grown_mb() < SERVE_MB, "%.0f MB for %r" % (watched.grown_mb(), command))
        conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    expect(conn.value("EXISTS", "after"), 0, "what came after was not done")
    expect(disconnections(conn), 4 * len(commands), "they are counted")
    conn.close()


def unheard(watched):
    """Nor is anything drawn for a client that has switched its replies off."""
    conn = watched.connect(20.0)
    fill(conn, 2000)
    for command in (("SRANDMEMBER", "few", "-4000000000000000"), ("HRANDFIELD", "hash", "-4000000000000000")):
        conn.send(request("CLIENT", "REPLY", "OFF") + request(*command) + request("CLIENT", "REPLY", "ON")
                  + request("ECHO", "here"))
        expect(conn.read(2), [b"+OK\r\n", b"$4\r\nhere\r\n"], "goes on")
    conn.close()


def whole_collections(watched):
    """A reply of 2 MB passes a limit of 1 MB: no byte of it is sent."""
    conn = watched.connect(60.0)
    fill(conn)
    expect(conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"), b"OK", "CONFIG SET")
    texts = request("COMMAND", "DOCS") * 12 + request("COMMAND") * 12 + request("CLIENT", "LIST") + request("INFO") * 20
    commands = [("SMEMBERS", "set"), ("SUNION", "set", "set2"), ("SINTER", "set", "set2"), ("SDIFF", "set", "none"),
                ("SRANDMEMBER", "set", "20000"), ("HGETALL", "hash"), ("HKEYS", "hash"), ("HRANDFIELD", "hash", "20000"),
                ("SSCAN", "set", "0", "COUNT", "1000000"), ("HSCAN", "hash", "0", "COUNT", "1000000"),
                ("GET", "text"), ("GETRANGE", "text", "0", "-1"), ("MGET", *["big"] * 30),
                ("HMGET", "flat", *["field"] * 40000), ("COMMAND", "DOCS", *["client"] * 1000),
                ("COMMAND", "INFO", *["client"] * 1000), ("ECHO", "e" * 2000000)]
    for at, command in enumerate(commands):
        one = watched.connect(60.0)
        one.send(request("HELLO", "3" if at % 2 else "2"))
        one.read(1)
        one.send(request(*command) + request("SET", "after", "1"))
        expect(bytes_until_closed(one), 0, "bytes of %s" % command[0])
        one.close()
    one = watched.connect(60.0)
    one.send(request("MULTI") + texts + request("SET", "done", "1"))
    one.read(47)
    one.send(request("EXEC") + request("SET", "after", "1"))
    expect(bytes_until_closed(one), 0, "bytes of EXEC")
    one.close()
    expect(conn.value("MGET", "after", "done"), [None, b"1"], "a transaction is done as a whole, nothing after it")
    expect(disconnections(conn), len(commands) + 1, "they are counted")
    conn.close()


def all_keys(watched):
    conn = watched.connect(60.0)
    conn.send(b"".join(request("SET", "k" * 80 + str(n), "v") for n in range(30000)))
    conn.read(30000)
    conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    for command in (("KEYS", "*"), ("SCAN", "0", "COUNT", "1000000")):
        one = watched.connect(60.0)
        one.send(request(*command))
        expect(bytes_until_closed(one), 0, "bytes of %s" % command[0])
        one.close()
    expect(disconnections(conn), 2, "they are counted")
    conn.value("FLUSHALL")
    conn.close()


def transactions_end(watched):
    """A reply past the limit inside EXEC closes the client after the whole of the transaction."""
    conn = watched.connect(60.0)
    conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 200kb 0 0")
    conn.value("SET", "big", "x" * 20000)
    one = watched.connect(60.0)
    one.send(request("MULTI") + request("INCR", "a") + request("GET", "big") * 20 + request("INCR", "b"))
    one.read(23)
    one.send(request("EXEC") + request("INCR", "c"))
    expect(bytes_until_closed(one), 0, "bytes of EXEC")
    expect(conn.value("MGET", "a", "b", "c"), [b"1", b"1", None], "done as a whole")
    one.close()
    conn.close()


def pipelines(watched):
    """Who reads gets every reply, however long the pipeline; who does not is not held in memory."""
    conn = watched.connect(60.0)
    conn.value("SET", "big", "x" * 100000)
    conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0")
    reader = watched.connect(60.0)
    reader.send(request("GET", "big") * 200)
    expect_true(all(len(raw) == 100011 for raw in reader.read(200, 60.0)), "all replies")
    conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 0 0 0")
    deaf = [watched.connect(60.0) for _ in range(5)]
    for one in deaf:
        one.send(request("COMMAND", "DOCS") * 300)
    expect(conn.value("PING"), b"PONG", "PING")
    expect_true(watched.grown_mb() < 100, "%.0f MB" % watched.grown_mb())
    for one in [*deaf, reader, conn]:
        one.close()


def large_values(watched):
    """What could be stored can be read, even if it is more than half of maxmemory."""
    conn = watched.connect(60.0)
    conn.value("CONFIG", "SET", "maxmemory", "40mb")
    expect(conn.value("SET", "large", "x" * (25 * MB)), b"OK", "SET")
    expect(len(conn.value("GET", "large")), 25 * MB, "GET")
    conn.send(request("MGET", *["large"] * 2))
    expect_true(conn.at_eof(20.0), "not as often as one likes")
    other = watched.connect()
    other.value("CONFIG", "SET", "maxmemory", "0")
    other.value("FLUSHALL")
    other.close()
    conn.close()


def unread_monitor(watched):
    """A MONITOR that nobody reads ends at the same bound."""
    conn, monitor = watched.connect(60.0), watched.connect(60.0)
    conn.value("CONFIG", "SET", "maxmemory", "20mb")
    monitor.value("MONITOR")
    payload = request("ECHO", "e" * 500000)
    for _ in range(80):
        conn.send(payload)
        conn.read(1)
    expect(disconnections(conn), 1, "closed")
    expect_true(watched.grown_mb() < SERVE_MB, "%.0f MB" % watched.grown_mb())
    monitor.close()
    conn.close()


TESTS = [endless, unheard, whole_collections, all_keys, transactions_end, pipelines, large_values, unread_monitor]


def run_all(report, _full):
    run_each(report, "endless replies", [(test, 128) for test in TESTS])
