"""What clients hold is counted, once; what is over maxmemory-clients costs the largest their connection."""
import re

from memory_limit import MB, fill, info, over_mb, used
from report import expect, expect_true
from resp import Eof, request
from servers import poll_until
from watched import Watched, run_each


def listed(conn, name):
    """The line of CLIENT LIST of the client of this name, as a dict, or None."""
    for line in conn.value("CLIENT", "LIST").decode().splitlines():
        fields = dict(part.split("=", 1) for part in line.split())
        if fields["name"] == name:
            return fields
    return None


def names(conn):
    return set(re.findall(rb" name=(\S+) ", conn.value("CLIENT", "LIST")))


def named(watched, name):
    conn = watched.connect(30.0)
    conn.value("CLIENT", "SETNAME", name)
    return conn


def gone(conn, timeout_s=10.0):
    try:
        conn.read(1 << 30, timeout_s)
    except (Eof, ConnectionResetError):
        return True
    return False


def settled(condition, what):
    expect_true(poll_until(condition, 5.0, 0.05), what() if callable(what) else what)


def queued_commands(watched):
    """A transaction being queued is memory in use, to its last byte, and ends where maxmemory does."""
    conn, one = watched.connect(), named(watched, "one")
    before = used(conn)
    one.value("MULTI")
    for _ in range(20):
        one.value("SET", "k", "x" * MB)
    settled(lambda: used(conn) - before > 19 * MB, lambda: "%d of 20 MB are seen" % ((used(conn) - before) // MB))
    fields = listed(conn, "one")
    expect_true(int(fields["multi-mem"]) >= 20 * MB, "multi-mem=%s" % fields["multi-mem"])
    expect_true(int(fields["tot-mem"]) >= int(fields["multi-mem"]), "tot-mem=%s" % fields["tot-mem"])
    expect_true(info(conn, "memory", b"mem_clients_normal") >= 20 * MB, "mem_clients_normal")
    conn.value("CONFIG", "SET", "maxmemory", used(conn) + 20 * MB)
    refused = 0
    for _ in range(60):
        refused += one.call("SET", "k", "x" * MB)[0] == "-"
    expect_true(refused >= 20, "%d of 60 MB are refused" % refused)
    expect_true(over_mb(conn, before + 40 * MB) < 4, "%.1f MB over the limit" % over_mb(conn, before + 40 * MB))
    expect(one.call("EXEC")[1][:9], b"EXECABORT", "EXEC")
    settled(lambda: used(conn) < before + 2 * MB, lambda: "%d bytes stay" % (used(conn) - before))
    expect(int(listed(conn, "one")["multi-mem"]), 0, "multi-mem after EXEC")
    conn.close()
    one.close()


def watched_keys(watched):
    conn, one = watched.connect(), named(watched, "one")
    before = used(conn)
    for first in range(0, 8000, 1000):
        one.value("WATCH", *["%0500d" % i for i in range(first, first + 1000)])
    settled(lambda: used(conn) - before > 4 * MB, lambda: "%d bytes for 8,000 watched keys" % (used(conn) - before))
    expect_true(int(listed(conn, "one")["multi-mem"]) > (0.1 if watched.server.redis else 4) * MB, "multi-mem")
    one.value("UNWATCH")
    settled(lambda: used(conn) - before < MB, lambda: "%d bytes stay" % (used(conn) - before))
    one.close()
    conn.close()


def heap_mb(conn):
    text = conn.value("MEMORY", "MALLOC-STATS")
    return sum(int(n) for n in re.findall(rb"(\d+) bytes (?:in use|mapped)", text)) / MB


def long_transactions(_):
    """What a long EXEC needed to work is not kept."""
    with Watched("--io-threads", "1") as watched:
        conn = watched.connect(60.0)
        before = heap_mb(conn)
        conn.send(request("MULTI") + request("MSET", "a", "1", "b", "2") * 100000 + request("EXEC"))
        conn.read(100002, 60.0)
        keys = [str(i % 10) for i in range(500000)]
        conn.value("MGET", *keys)
        conn.value("DEL", *keys)
        settled(lambda: heap_mb(conn) - before < 4, lambda: "%.1f MB are kept" % (heap_mb(conn) - before))
        conn.close()


def slow_readers(watched):
    """A value that many are sent is one value: no key has to go for it. It counts as long as it is there."""
    conn = watched.connect()
    fill(conn, 2000)
    conn.value("SET", "big", "x" * 20 * MB)
    before = used(conn)
    conn.value("CONFIG", "SET", "maxmemory", before + 30 * MB, "maxmemory-policy", "allkeys-lru")
    readers = [named(watched, "reader%d" % i) for i in range(30)]
    for reader in readers:
        reader.send(request("GET", "big"))
    settled(lambda: int(listed(conn, "reader29")["omem"]) > 10 * MB, "they do not read")
    evicted = lambda: conn.value("SET", "small:1", "v") != b"OK" or info(conn, "stats", b"evicted_keys")
    expect_true(not poll_until(evicted, 0.6, 0.05), "keys are evicted")
    expect(conn.value("DBSIZE"), 2001, "keys")
    expect_true(used(conn) - before < 5 * MB, "%.1f MB for what they share" % (over_mb(conn, before)))
    conn.value("COPY", "big", "copy")
    expect_true(used(conn) - before < 5 * MB, "%.1f MB with a copy" % (over_mb(conn, before)))
    conn.value("DEL", "big", "copy")
    expect_true(used(conn) - before > -5 * MB, "it is still there: %.1f MB" % over_mb(conn, before))
    expect_true(len(readers[0].read(1)[0]) > 20 * MB, "who reads late gets it")
    for reader in readers:
        reader.close()
    settled(lambda: used(conn) - before < -19 * MB, lambda: "%.1f MB after they left" % over_mb(conn, before))
    conn.close()


def big_requests(watched):
    """Requests that are not yet whole, and those that wait, are memory in use."""
    conn, one = watched.connect(), named(watched, "one")
    before = used(conn)
    one.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n" % (30 * MB) + b"x" * (20 * MB))
    settled(lambda: used(conn) - before > 19 * MB, lambda: "%.1f of 20 MB are seen" % over_mb(conn, before))
    conn.value("CLIENT", "PAUSE", "100000", "WRITE")
    one.send(b"x" * (10 * MB) + b"\r\n")
    settled(lambda: used(conn) - before > 29 * MB, lambda: "%.1f of 30 MB are seen" % over_mb(conn, before))
    settled(lambda: int(listed(conn, "one")["tot-mem"]) > 29 * MB, "tot-mem")
    conn.value("CLIENT", "UNPAUSE")
    expect(one.read(1)[0], b"+OK\r\n", "SET")
    settled(lambda: int(listed(conn, "one")["tot-mem"]) < MB, "tot-mem")
    one.close()
    conn.close()


def largest_go(watched):
    """maxmemory-clients: the largest go, one after the other, until the rest fits; who said NO-EVICT stays."""
    conn = watched.connect()
    conn.value("CLIENT", "NO-EVICT", "on")
    clients = {}
    for number in range(1, 6):
        clients[number] = named(watched, "c%d" % number)
        clients[number].value("MULTI")
        clients[number].value("SET", "k", "x" * number * MB)
    safe = named(watched, "safe")
    safe.value("CLIENT", "NO-EVICT", "on")
    safe.value("MULTI")
    safe.value("SET", "k", "x" * 6 * MB)
    expect(conn.value("CONFIG", "SET", "maxmemory-clients", 15 * MB), b"OK", "CONFIG SET")
    settled(lambda: b"c5" not in names(conn) and b"c4" not in names(conn), lambda: "largest first: %r" % names(conn))
    expect(names(conn) - {b"cmd"}, {b"c1", b"c2", b"c3", b"safe"}, "no more than needed")
    expect(info(conn, "stats", b"evicted_clients"), 2, "they are counted")
    big = named(watched, "big")
    try:
        big.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000000\r\n" + b"x" * 19000000)
    except (ConnectionResetError, BrokenPipeError):
        pass
    expect_true(gone(big), "a request that does not fit")
    expect(names(conn) & {b"safe"}, {b"safe"}, "NO-EVICT")
    expect(conn.value("CONFIG", "SET", "maxmemory-clients", "0"), b"OK", "CONFIG SET")
    for one in (*clients.values(), safe, big, conn):
        one.close()


def share_of_maxmemory(watched):
    """A percentage is one of maxmemory; without maxmemory it is no limit."""
    conn, one = watched.connect(), named(watched, "one")
    conn.value("CLIENT", "NO-EVICT", "on")
    expect(conn.value("CONFIG", "SET", "maxmemory-clients", "10%"), b"OK", "CONFIG SET")
    one.value("MULTI")
    one.value("SET", "k", "x" * 12 * MB)
    conn.value("SET", "k", "v")
    expect(names(conn) & {b"one"}, {b"one"}, "no maxmemory, no limit")
    conn.value("CONFIG", "SET", "maxmemory", 200 * MB)
    conn.value("SET", "k", "v")
    expect(names(conn) & {b"one"}, {b"one"}, "20 MB")
    conn.value("CONFIG", "SET", "maxmemory", 100 * MB)
    expect_true(gone(one), "10 MB")
    expect(info(conn, "stats", b"evicted_clients"), 1, "evicted_clients")
    one.close()
    conn.close()


def goes_itself(watched):
    """The client that is over the limit by its own command is closed, others are not."""
    conn, one = named(watched, "small"), named(watched, "one")
    expect(conn.value("CONFIG", "SET", "maxmemory-clients", 4 * MB), b"OK", "CONFIG SET")
    one.value("MULTI")
    try:
        one.send(request("SET", "k", "x" * MB) * 8)
    except (ConnectionResetError, BrokenPipeError):
        pass
    expect_true(gone(one), "closed")
    expect(conn.value("EXISTS", "k"), 0, "nothing of it has run")
    expect(names(conn) & {b"small"}, {b"small"}, "who is small stays")
    one.close()
    conn.close()


SHARED = [queued_commands, watched_keys, slow_readers, big_requests, largest_go, share_of_maxmemory, goes_itself]


def run_all(report, _):
    run_each(report, "memory of clients", [(test, 128) for test in SHARED])
    report.run("memory of clients: long transactions", long_transactions, None)
