"""Subscribers that do not read, that subscribe to everything, or by patterns made to explode."""
import time

from report import expect, expect_true
from resp import Eof, request
from servers import poll_until
from watched import run_each

MANY = 100_000


def _nothing_left(conn):
    text = conn.value("INFO", "stats")
    return all(b"%s:0\r\n" % name in text for name in (b"pubsub_channels", b"pubsub_patterns", b"pubsubshard_channels"))


def _answers(conn):
    begin = time.monotonic()
    expect(conn.value("PING"), b"PONG", "PING")
    expect_true(time.monotonic() - begin < 2.0, "others are served at once")


def never_reads(watched):
    """The default limit of 32 MB ends it, others get every message."""
    deaf, good, conn = watched.connect(), watched.connect(), watched.connect()
    deaf.call("SUBSCRIBE", "c")
    good.call("SUBSCRIBE", "c")
    counts = []
    for _ in range(600):
        counts.append(conn.value("PUBLISH", "c", "x" * 100_000))
        good.read(1, 10.0)
    expect((counts[0], counts[-1]), (2, 1), "receivers")
    expect_true(watched.grown_mb() < 150, "%.0f MB" % watched.grown_mb())
    _answers(conn)
    deaf.close()
    good.close()
    expect_true(poll_until(lambda: _nothing_left(conn), 10.0), "nothing is left of them")
    conn.close()


def everywhere(watched):
    """One client with a hundred thousand subscriptions of each kind, gone in one go."""
    greedy, conn = watched.connect(), watched.connect()
    for word in ("SUBSCRIBE", "SSUBSCRIBE", "PSUBSCRIBE"):
        for at in range(0, MANY, 1000):
            greedy.send(request(word, *["%s:%d" % (word, n) for n in range(at, at + 1000)]))
        greedy.read(MANY, 60.0)
    expect(conn.value("PUBSUB", "NUMPAT"), MANY, "patterns")
    expect(conn.value("PUBLISH", "SUBSCRIBE:777", "x"), 1, "receivers")
    used = conn.call("CLIENT", "LIST", "TYPE", "pubsub")[1]
    expect_true(int(used.split(b"tot-mem=")[1].split()[0]) > 3 * MANY * 100, "its subscriptions count as its memory")
    expect_true(watched.grown_mb() < 400, "%.0f MB" % watched.grown_mb())
    greedy.close()
    expect_true(poll_until(lambda: _nothing_left(conn), 20.0), "nothing is left of it")
    _answers(conn)
    conn.close()


def exploding_patterns(watched):
    """Patterns that take a backtracking matcher for ever."""
    hostile, conn = watched.connect(), watched.connect()
    for n in range(100):
        hostile.call("PSUBSCRIBE", "a*" * 30 + "[^a]%d" % n)
    begin = time.monotonic()
    for _ in range(20):
        expect(conn.value("PUBLISH", "a" * 2000, "x"), 0, "receivers")
    expect_true(time.monotonic() - begin < 20.0, "PUBLISH past hostile patterns")
    expect(conn.call("PUBSUB", "CHANNELS", "a*" * 30 + "b")[1], [], "channels")
    hostile.close()
    conn.close()


def killed_at_the_soft_limit(watched):
    """Without any traffic after it, too."""
    deaf, conn = watched.connect(), watched.connect()
    expect(conn.value("CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 1mb 1"), b"OK", "CONFIG SET")
    deaf.call("SUBSCRIBE", "c")
    for _ in range(150):
        conn.value("PUBLISH", "c", "x" * 100_000)
    expect_true(poll_until(lambda: _nothing_left(conn), 10.0), "closed once the soft limit has lasted")
    try:
        while True:
            deaf.read(1, 5.0)
    except Eof:
        pass
    conn.close()


def run_all(report, full):
    run_each(report, "subscribers", [(never_reads, 64), (everywhere, 200), (exploding_patterns, 64),
                                     (killed_at_the_soft_limit, 64)])
