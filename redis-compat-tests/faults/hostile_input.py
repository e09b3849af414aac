"""Bytes that no client should send."""
import random
import socket

from report import expect_true
from resp import Eof, Timeout, request
from watched import MB, run_each


def half_requests(watched):
    whole = request("SET", "key", "value" * 20)
    for at in range(1, len(whole)):
        conn = watched.connect()
        conn.send(whole[:at])
        conn.close()


def slow_bytes(watched):
    """Fifty connections that send a byte each in turn do not keep others from being served."""
    whole = request("SET", "slow", "x" * 30)
    slow = [watched.connect() for _ in range(50)]
    other = watched.connect()
    for byte in whole:
        for conn in slow:
            conn.send(bytes([byte]))
        expect_true(other.value("PING") == b"PONG", "PING among slow clients")
    for conn in slow:
        expect_true(conn.read(1)[0] == b"+OK\r\n", "the slow ones are answered as well")
    for conn in [*slow, other]:
        conn.close()


def announced_and_not_sent(watched):
    """Lengths of up to 512 MB announced by 40 clients: memory follows what was sent, not what was promised."""
    conns = []
    for size in (536870912, 100 * MB, 32 * MB, 65536):
        for _ in range(10):
            conn = watched.connect()
            conn.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\nstart" % size)
            conns.append(conn)
    for count in (1024 * 1024, 100000, 1000):
        conn = watched.connect()
        conn.send(b"*%d\r\n$3\r\nDEL\r\n" % count)
        conns.append(conn)
    expect_true(watched.connect().value("PING") == b"PONG", "PING")
    grown = watched.grown_mb()
    for conn in conns:
        conn.close()
    expect_true(grown < 200, "%.0f MB for nothing" % grown)


def many_empty_arguments(watched):
    """A request of very many tiny arguments stays in proportion."""
    conn = watched.connect(60.0)
    conn.send(b"*200001\r\n$3\r\nDEL\r\n" + b"$0\r\n\r\n" * 200000)
    expect_true(conn.read(1)[0].startswith((b":", b"-")), "answered")
    conn.close()
    expect_true(watched.grown_mb() < 128, "%.0f MB" % watched.grown_mb())


def garbage(watched):
    rng = random.Random(5)
    for _ in range(300):
        conn = watched.connect(5.0)
        size = rng.choice((1, 10, 100, 5000))
        kind = rng.random()
        data = rng.randbytes(size) if kind < 0.5 else bytes(rng.choice(b"*$\r\n0123456789-PINGSETget \"'+:") for _ in range(size))
        try:
            conn.send(data)
            conn.sock.shutdown(socket.SHUT_WR)
            while conn.sock.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError, socket.timeout):
            pass
        conn.close()


def mutated_requests(watched):
    rng = random.Random(6)
    base = request("SET", "key", "value") + request("HSET", "hash", "f", "v") + request("MULTI") + request("EXEC") + b"PING x\r\n"
    for _ in range(400):
        data = bytearray(base)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.choice(b"0123456789$*\r\n\x00\xff-a")
        conn = watched.connect(5.0)
        try:
            conn.send(bytes(data))
            conn.sock.shutdown(socket.SHUT_WR)
            while conn.sock.recv(65536):
                pass
        except (ConnectionResetError, BrokenPipeError, socket.timeout):
            pass
        conn.close()


def big_value(watched):
    conn = watched.connect(60.0)
    value = b"v" * (64 * MB)
    conn.send(request("SET", "big", value))
    expect_true(conn.read(1, 60.0)[0] == b"+OK\r\n", "64 MB SET")
    expect_true(len(conn.value("GET", "big")) == len(value), "64 MB GET")
    expect_true(conn.value("DEL", "big") == 1, "DEL")
    conn.close()


def protocol_error_floods(watched):
    for _ in range(200):
        conn = watched.connect(5.0)
        try:
            conn.send(b"*1\r\n:bad\r\n" * 50)
            conn.read(2)
        except (Eof, Timeout, ConnectionResetError, BrokenPipeError):
            pass
        conn.close()


TESTS = [(half_requests, 64), (slow_bytes, 64), (announced_and_not_sent, 200), (many_empty_arguments, 128), (garbage, 64),
         (mutated_requests, 64), (protocol_error_floods, 64), (big_value, 256)]


def run_all(report, _full):
    run_each(report, "hostile input", TESTS)
