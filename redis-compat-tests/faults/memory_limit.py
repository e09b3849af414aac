"""maxmemory holds: while big values come, when the limit is set on an idle server, and without a victim too many."""
from report import expect, expect_true
from resp import Connection, request
from servers import poll_until
from watched import Watched

MB = 1024 * 1024
KEYS = 50000


def info(conn, section, name):
    text = conn.value("INFO", section)
    return int(text.split(b"\r\n" + name + b":")[1].split(b"\r\n")[0])


def used(conn):
    return info(conn, "memory", b"used_memory")


def fill(conn, count=KEYS, size=100):
    """Keys of which none is worth more than the other."""
    value = "v" * size
    for first in range(0, count, 1000):
        conn.send(b"".join(request("SET", "small:%d" % i, value) for i in range(first, first + 1000)))
        expect_true(all(raw == b"+OK\r\n" for raw in conn.read(1000)), "SET")


def limit_at(conn, bytes_more, policy="allkeys-lru"):
    limit = used(conn) + bytes_more
    expect(conn.value("CONFIG", "SET", "maxmemory", limit, "maxmemory-policy", policy), b"OK", "CONFIG SET")
    return limit


def over_mb(conn, limit):
    return (used(conn) - limit) / MB


def holds(conn, limit, what):
    """Without a command that would evict for us: INFO is asked seldom."""
    expect_true(poll_until(lambda: used(conn) <= limit, 8.0, 0.25), "%s: %.1f MB over" % (what, over_mb(conn, limit)))


def big_values(watched):
    """50,000 keys of 100 bytes have to make room for values of 1 MB each."""
    conn, other = watched.connect(), watched.connect()
    fill(conn)
    limit = limit_at(conn, MB)
    worst = 0.0
    for number in range(100):
        expect(conn.value("SET", "big:%d" % number, "x" * MB), b"OK", "SET")
        if number % 10 == 9:
            worst = max(worst, over_mb(other, limit))
    holds(other, limit, "after the last")
    expect_true(worst < 4, "%.1f MB over the limit while they came" % worst)
    conn.close()
    other.close()


def big_pipelines(watched):
    """The same from four clients at once that do not wait for replies."""
    conn = watched.connect()
    fill(conn)
    limit = limit_at(conn, 4 * MB)
    writers = [watched.connect(30.0) for _ in range(4)]
    worst = 0.0
    for number in range(10):
        for index, writer in enumerate(writers):
            writer.send(request("SET", "big:%d:%d" % (index, number), "x" * MB) * 2)
        worst = max(worst, over_mb(conn, limit))
    for writer in writers:
        expect_true(all(raw == b"+OK\r\n" for raw in writer.read(20)), "all are answered")
    worst = max(worst, over_mb(conn, limit))
    holds(conn, limit, "after the last")
    expect_true(worst < 16, "%.1f MB over the limit while they came" % worst)
    for one in (conn, *writers):
        one.close()


def copies(watched):
    """A short command may need much room as well."""
    conn, other = watched.connect(30.0), watched.connect()
    fill(conn)
    for first in range(0, 10000, 1000):
        conn.value("HSET", "hash", *["%s%d" % (c, i) for i in range(first, first + 1000) for c in ("field", "value" * 9)])
    limit = limit_at(conn, MB)
    conn.send(b"".join(request("EXISTS", "hash") + request("COPY", "hash", "copy:%d" % i) for i in range(60)))
    conn.read(120)
    expect_true(over_mb(other, limit) < 4, "%.1f MB over the limit" % over_mb(other, limit))
    holds(other, limit, "after the last")
    conn.close()
    other.close()


def set_when_idle(watched):
    """CONFIG SET maxmemory on a server on which nothing else happens, and a policy after the limit."""
    conn = watched.connect()
    fill(conn, 2 * KEYS)
    holds(conn, limit_at(conn, -4 * MB), "limit")
    limit = limit_at(conn, -4 * MB, "noeviction")
    evicted = info(conn, "stats", b"evicted_keys")
    expect(conn.value("SET", "k", "v") if watched.server.redis else conn.call("SET", "k", "v")[0], "-", "refused")
    expect(info(conn, "stats", b"evicted_keys"), evicted, "noeviction evicts nothing")
    conn.value("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    holds(conn, limit, "policy")
    conn.close()


def others_are_served(watched):
    """Whoever evicts much does not keep others waiting: their commands run in between."""
    conn, other = watched.connect(), watched.connect()
    fill(conn, 4 * KEYS, 50)
    limit = limit_at(conn, -12 * MB)
    served = 0
    while used(other) > limit:
        other.send(request("GET", "small:1") * 20)
        served += len(other.read(20))
        expect_true(served < 1000000, "the limit is never reached")
    expect_true(served >= 100, "%d commands while 12 MB were evicted" % served)
    conn.close()
    other.close()


def paused(watched):
    """While CLIENT PAUSE lasts the keys stay as they are; the limit is held afterwards."""
    conn = watched.connect()
    fill(conn)
    expect(conn.value("CLIENT", "PAUSE", "100000", "WRITE"), b"OK", "PAUSE")
    limit = limit_at(conn, -2 * MB)
    expect_true(not poll_until(lambda: conn.value("DBSIZE") != KEYS, 0.5, 0.05), "nothing is evicted")
    expect(conn.value("CLIENT", "UNPAUSE"), b"OK", "UNPAUSE")
    holds(conn, limit, "after the pause")
    conn.close()


def waiting_clients(_):
    """Who waits for room may leave, be killed or paused; who stays gets all replies in order."""
    with Watched("--io-threads", "2") as watched:
        conn = watched.connect()
        fill(conn)
        limit_at(conn, 12 * MB)
        writers = [Connection(watched.port, timeout_s=30.0) for _ in range(12)]
        for index, writer in enumerate(writers):
            writer.value("CLIENT", "SETNAME", "writer")
            writer.send(b"".join(request("SET", "big:%d:%d" % (index, i % 4), "x" * MB) + request("ECHO", str(i))
                                 for i in range(4 if index < 8 else 1)))
        conn.value("CLIENT", "PAUSE", "50", "WRITE")
        for writer in writers[8:10]:
            writer.close()
        for writer in writers[10:]:
            address = "%s:%d" % writer.sock.getsockname()
            conn.value("CLIENT", "KILL", "ADDR", address)
            writer.close()
        for writer in writers[:8]:
            got = writer.read(8)
            expect([raw for raw in got if raw != b"+OK\r\n"], [b"$1\r\n%d\r\n" % i for i in range(4)], "in order")
            writer.close()
        conn.value("FLUSHALL")
        conn.value("CONFIG", "SET", "maxmemory", "0")
        conn.close()
        watched.healthy(400)


SHARED = [big_values, big_pipelines, copies, set_when_idle, others_are_served, paused]


def run_all(report, _):
    for test in SHARED:
        def body(test=test):
            with Watched() as watched:
                test(watched)
                expect_true(watched.server.alive(), "the server has ended: " + watched.server.log())
        report.run("memory limit: " + test.__name__.replace("_", " "), body)
    report.run("memory limit: waiting clients", waiting_clients, None)
