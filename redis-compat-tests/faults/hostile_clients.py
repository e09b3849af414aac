"""Clients that do not read, come in thousands, die in the middle, or stay idle."""
import os
import signal
import socket
import subprocess
import sys
import time

from report import expect, expect_true
from resp import Eof, Timeout, request
from servers import poll_until
from watched import Watched


def _worst_mb(watched, seconds):
    """The most memory the server takes while it is left to work for a while."""
    worst = 0.0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        worst = max(worst, watched.grown_mb())
        time.sleep(0.01)
    return worst


def replies_not_read(watched):
    """Ten clients ask for 400 MB in all and never read: backpressure keeps the replies from piling up."""
    conn = watched.connect()
    conn.value("SET", "big", "x" * 100000)
    hungry = [watched.connect() for _ in range(10)]
    for one in hungry:
        one.send(request("GET", "big") * 400)
    worst = _worst_mb(watched, 0.7)
    begin = time.monotonic()
    expect_true(conn.value("PING") == b"PONG", "PING")
    expect_true(time.monotonic() - begin < 2.0, "others are served at once")
    first = hungry.pop()
    expect_true(all(len(raw) == 100011 for raw in first.read(400, 60.0)), "who reads late gets everything")
    for one in [first, *hungry, conn]:
        one.close()
    bound = 600 if watched.server.redis else 150  # Redis keeps every reply in memory by default
    expect_true(worst < bound, "%.0f MB for replies nobody reads" % worst)


def output_limit(watched):
    """With a hard limit memory stays near it, whatever a client that does not read has asked for."""
    conn = watched.connect()
    expect(conn.value("CONFIG", "SET", "client-output-buffer-limit", "normal 8mb 0 0"), b"OK", "CONFIG SET")
    conn.value("SET", "big", "x" * 1000000)
    one = watched.connect()
    one.send(request("GET", "big") * 200)
    worst = _worst_mb(watched, 0.5)
    expect_true(conn.value("PING") == b"PONG", "PING")
    one.close()
    conn.close()
    expect_true(worst < 60, "%.0f MB" % worst)


def not_authenticated(watched):
    """Who has no password and does not read is closed: not held, nor left to wait."""
    conn = watched.connect()
    conn.value("CONFIG", "SET", "requirepass", "x")
    stranger = watched.connect(5.0)
    try:
        for _ in range(2000):  # 64 MB at most
            stranger.send(request("SET", "x", "5") * 1000)
        raise AssertionError("it is still there")
    except ConnectionError:
        pass
    conn.value("CONFIG", "SET", "requirepass", "")
    conn.close()


def connects_and_disconnects(watched, count):
    payload = request("PING")
    for number in range(count):
        sock = socket.create_connection(("127.0.0.1", watched.port), timeout=10)
        if number % 3 == 0:
            sock.sendall(payload)
        if number % 7 == 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.close()
    expect_true(watched.grown_mb() < 64, "%.0f MB" % watched.grown_mb())


def thousand_idle(watched):
    conns = [watched.connect() for _ in range(900)]
    for conn in conns[::50]:
        expect_true(conn.value("PING") == b"PONG", "PING")
    expect_true(poll_until(lambda: watched.clients() >= 900, 10.0), "all connected")
    grown = watched.grown_mb()
    for conn in conns:
        conn.close()
    expect_true(grown < 40, "%.0f MB for 900 connections" % grown)


CHILD = """
import socket, sys, time
sys.path.insert(0, sys.argv[2])
from resp import Connection, request
conn = Connection(int(sys.argv[1]))
conn.call("WATCH", "w")
conn.call("MULTI")
conn.call("SET", "half", "done")
conn.call("INCR", "n")
conn.send(request("SET", "other", "x" * 1000)[:500])
print("ready", flush=True)
time.sleep(60)
"""


def killed_in_multi(watched):
    lib = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib")
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-B", "-c", CHILD, str(watched.port), lib], stdout=subprocess.PIPE)
        expect(child.stdout.readline(), b"ready\n", "child")
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
    conn = watched.connect()
    expect_true(poll_until(lambda: watched.clients() <= 1, 5.0), "dead clients are noticed")
    expect(conn.value("MGET", "half", "n", "other"), [None, None, None], "nothing of an unfinished transaction")
    conn.close()


def half_closed(watched):
    """A client that only closes its sending side still gets its replies."""
    conn = watched.connect()
    conn.send(request("SET", "a", "1") + request("GET", "a"))
    conn.sock.shutdown(socket.SHUT_WR)
    got = b""
    try:
        got = b"".join(conn.read(2))
    except Eof as end:
        got = b"".join(end.replies)
    expect(got, b"+OK\r\n$1\r\n1\r\n", "replies after the half close")
    conn.close()


def max_clients(_):
    with Watched("--maxclients", "20") as watched:
        conns = [watched.connect() for _ in range(20)]
        for conn in conns:
            expect_true(conn.value("PING") == b"PONG", "PING")
        for _ in range(50):
            extra = watched.connect()
            try:
                expect(extra.read(1)[0], b"-ERR max number of clients reached\r\n", "one too many")
                extra.read(1)
                raise AssertionError("not closed")
            except Eof:
                pass
            extra.close()
        conns.pop().close()

        def room():
            conn = watched.connect()
            try:
                return conn.value("PING") == b"PONG"
            except (Eof, Timeout, ConnectionResetError, BrokenPipeError):
                return False
            finally:
                conn.close()
        expect_true(poll_until(room, 5.0), "room again")
        for conn in conns:
            conn.close()
        expect_true(poll_until(room, 5.0), "healthy")


def idle_timeout(_):
    with Watched("--timeout", "1") as watched:
        idle, busy = watched.connect(), watched.connect()
        busy.call("PING")
        begin = time.monotonic()
        closed = []

        def step():
            busy.call("PING")
            idle.sock.settimeout(0.05)
            try:
                closed.append(idle.sock.recv(10) == b"")
            except socket.timeout:
                return False
            return True
        expect_true(poll_until(step, 8.0), "the idle one is closed")
        expect_true(closed[0] and time.monotonic() - begin > 0.8, "not before its time")
        expect_true(busy.value("PING") == b"PONG", "the busy one stays")
        idle.close()
        busy.close()


def endless_transaction(watched):
    """MULTI with very many queued commands, then the client leaves."""
    conn = watched.connect(60.0)
    conn.call("MULTI")
    conn.send(request("SET", "k", "v" * 100) * 100000)
    conn.read(100000, 60.0)
    conn.close()
    expect_true(watched.grown_mb() < 300, "%.0f MB" % watched.grown_mb())


SHARED = [(replies_not_read, 600), (output_limit, 200), (not_authenticated, 64), (thousand_idle, 64), (killed_in_multi, 64), (half_closed, 64),
          (endless_transaction, 300)]


def run_all(report, full):
    for test, most_mb in SHARED:
        def body(test=test, most_mb=most_mb):
            with Watched() as watched:
                test(watched)
                watched.healthy(most_mb)
        report.run("hostile clients: " + test.__name__.replace("_", " "), body)

    def many():
        with Watched() as watched:
            connects_and_disconnects(watched, 40000 if full else 10000)
            watched.healthy()
    report.run("hostile clients: connects and disconnects", many)
    report.run("hostile clients: maxclients", max_clients, None)
    report.run("hostile clients: idle timeout", idle_timeout, None)
