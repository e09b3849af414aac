"""Clients that end in the middle of their own pipeline, and values that change hands while they are looked at."""
import socket
import struct

from report import expect, expect_true
from resp import Eof, exchange, request
from servers import poll_until
from watched import MB, run_each

REGISTERING = request("WATCH", "k") + request("MONITOR") + request("SET", "written", "1")


def reset(conn):
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def until_closed(watched, payload):
    conn = watched.connect(60.0)
    expect(conn.value("PING"), b"PONG", "it has been accepted")
    conn.send(payload)
    # Who reads at once may keep up with what is sent, and never passes a limit.
    expect_true(poll_until(lambda: watched.clients() == 1, 10.0), "the server has closed it")
    try:
        while True:
            conn.read(1)
    except Eof:
        conn.close()


def nothing_left(watched, conn):
    """What the dead have watched is changed; of them only the caller is left."""
    expect_true(poll_until(lambda: watched.clients() == 1, 10.0), "the dead are gone")
    for number in range(3):
        expect(conn.value("SET", "k", number), b"OK", "SET of a watched key")
    expect(conn.value("EXISTS", "written"), 0, "nothing ran behind the end")


def reset_in_a_pipeline(watched):
    conn = watched.connect(60.0)
    conn.value("SET", "big", "x" * (16 * MB))
    for key in ("big1", "big2"):
        conn.value("SADD", key, *["%s:%d" % (key, n) for n in range(50000)])
    for _ in range(10):
        victim = watched.connect()
        victim.send(request("SUNIONSTORE", "d", "big1", "big2") + request("GET", "big") + REGISTERING)
        watched.clients()
        reset(victim)
        nothing_left(watched, conn)
    conn.close()


def over_the_limit_in_a_pipeline(watched):
    conn = watched.connect(60.0)
    conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 2mb 0 0")
    conn.value("SET", "big", "x" * (16 * MB))
    exec_big = request("MULTI") + request("GET", "big") + request("EXEC")
    for first in (request("GET", "big"), exec_big, request("QUIT"), b"POST / HTTP/1.1\r\n"):
        until_closed(watched, first + REGISTERING)
        nothing_left(watched, conn)
    conn.close()


def values_of_others(watched):
    """Four clients set the same key to large values; the slow log shows each its own letters."""
    conn = watched.connect(60.0)
    conn.value("CONFIG", "SET", "slowlog-log-slower-than", "0")
    conn.value("CONFIG", "SET", "slowlog-max-len", "1000")
    conns = [watched.connect(60.0) for _ in range(4)]
    payloads = [request("SET", "k", bytes([97 + n]) * ((33 + 2 * n) * MB)) for n in range(4)]
    for _ in range(12):
        jobs = [(one, payload, 1) for one, payload in zip(conns, payloads)]
        for replies, failure in exchange(jobs, 60.0):
            expect((replies, failure), ([b"+OK\r\n"], None), "SET")
    shown = [entry[3] for entry in conn.value("SLOWLOG", "GET", "-1") if entry[3][0] == b"SET"]
    expect(len(shown), 48, "all are slow")
    for words in shown:
        value, size = words[2].split(b"... (")
        expect(value, value[:1] * 128, "the letters of one client")
        expect(size, b"%d more bytes)" % ((33 + 2 * (value[0] - 97)) * MB - 128), "their number")
    conn.value("FLUSHALL")
    for one in [*conns, conn]:
        one.close()


TESTS = [(reset_in_a_pipeline, 128), (over_the_limit_in_a_pipeline, 128), (values_of_others, 256)]


def run_all(report, _full):
    run_each(report, "dying clients", TESTS)
