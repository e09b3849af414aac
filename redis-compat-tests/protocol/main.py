"""The protocol from outside: the same raw bytes to Cloakroom and to a real redis-server, everything that comes back compared.

  run protocol [--quick|--full] [--seed N] [--streams N]
Environment: CLOAKROOM_SERVER is the server under test (it may be a redis-server), REDIS_SERVER the oracle.

The corpus, and random damage done to it, is sent in several ways. A connection is half-closed after its bytes, so that what
comes back ends at the end of the stream: nothing waits for silence, and replies owed at that moment must still arrive (Redis
owes at most 64 KiB then; larger answers are asked for with a last ECHO instead). What ends in a protocol error is sent once
more without half-closing: then it must be the server that closes.
"""
import argparse
import random
import re
import select
import socket
import time

import corpus
from report import Report
from resp import request
from servers import Server, cloakroom_binary, redis_binary

ANSWER_S = 10.0
LAST = "that was all"
LAST_REPLY = request(LAST)[4:]
CLIENT_ID = re.compile(rb"(\$2\r\nid\r\n:)\d+")


def exchange(server, pieces, half_close=True):
    """Everything the server sends on a fresh connection, and how the connection ended."""
    received, pieces = bytearray(), list(pieces)
    with socket.create_connection(("127.0.0.1", server.port), timeout=ANSWER_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        deadline = time.monotonic() + ANSWER_S
        while (left := deadline - time.monotonic()) > 0:
            readable, writable, _ = select.select([sock], [sock] if pieces else [], [], left)
            if readable:
                try:
                    data = sock.recv(1 << 20)
                except ConnectionResetError:  # it closed with bytes of ours unread
                    data = b""
                if not data:
                    return bytes(received), "closed"
                received += data
                if not half_close and received.endswith(LAST_REPLY):
                    return bytes(received), "answered"
            if writable:
                send_some(sock, pieces, half_close)
    return bytes(received), "still open"


def send_some(sock, pieces, half_close):
    try:
        sent = sock.send(pieces[0])
        pieces[0] = pieces[0][sent:]
        if not pieces[0]:
            pieces.pop(0)
        if not pieces and half_close:
            sock.shutdown(socket.SHUT_WR)
    except OSError:  # the server closed; what it said before is still to be read
        pieces.clear()


def split(data, rng, way):
    if way == "whole" or not data:
        return [data]
    if way == "bytes":
        return [data[i:i + 1] for i in range(len(data))]
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randint(1, 4)))
    bounds = [0, *cuts, len(data)]
    return [data[a:b] for a, b in zip(bounds, bounds[1:]) if a != b]


def shown(data):
    return repr(data if len(data) <= 300 else data[:200] + b" ... " + data[-80:])


class Pair:
    """Both servers with the same options."""

    def __init__(self, *options):
        self.ours = Server(cloakroom_binary(), options)
        self.redis = Server(redis_binary(), options)

    def differences(self, pieces, half_close=True):
        results = [exchange(server, pieces, half_close) for server in (self.ours, self.redis)]
        ours, theirs = [(CLIENT_ID.sub(rb"\1N", data), ended) for data, ended in results]
        if ours == theirs:
            return theirs, None
        return theirs, "sent  %s\nours  %s, %s\nredis %s, %s" % (
            shown(b"".join(pieces)), shown(ours[0]), ours[1], shown(theirs[0]), theirs[1])

    def alive(self):
        return self.ours.alive() and self.redis.alive()

    def stop(self):
        self.ours.stop()
        self.redis.stop()


def check_large(report, pair, rng):
    for number, data in enumerate(corpus.LARGE):
        for way in ("whole", "some"):
            pieces = split(data + request("ECHO", LAST), rng, way)
            theirs, difference = pair.differences(pieces, half_close=False)
            good = not difference and theirs[1] == "answered"
            report.check("large %d, %s: %s" % (number, way, shown(data[:60])), good, difference or theirs[1])


def check_corpus(report, pair, name, entries, ways, rng):
    for number, data in enumerate(entries):
        for way in ways:
            if way == "bytes" and len(data) > 400:
                continue
            theirs, difference = pair.differences(split(data, rng, way))
            report.check("%s %d, %s: %s" % (name, number, way, shown(data[:60])), not difference, difference or "")
        if b"-ERR Protocol error" in theirs[0]:
            theirs, difference = pair.differences([data], half_close=False)
            report.check("%s %d closes" % (name, number), not difference and theirs[1] == "closed", difference or "")


FRAGMENTS = [b"\r\n", b"\r", b"\n", b"*", b"$", b"*1\r\n", b"$4\r\n", b"-1", b"0", b"\0", b" ", b"\"", b"'", b"\\", b"\\x41", b"PING\r\n",
             b"*0\r\n", b"$0\r\n\r\n", b"9", b"99999", b"x"]


CLOSING = (b"QUIT", b"POST", b"Host:")  # Redis drops what it owes then, or not, as it comes


def damaged(rng):
    """A few entries of the corpus joined, with bytes dropped, doubled, replaced or put in between."""
    parts = []
    for _ in range(rng.randint(1, 4)):
        if rng.random() < 0.6:
            size = rng.choice((0, 1, 9, 10, 99, 100, 400))
            parts.append(request("ECHO", bytes(rng.randrange(256) for _ in range(size))))
        else:
            entry = rng.choice(corpus.PLAIN)
            if len(entry) < 500 and not any(word in entry for word in CLOSING):
                parts.append(entry)
    data = bytearray(b"".join(parts))
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[at:at] = rng.choice(FRAGMENTS)
        elif kind == 1:
            del data[at:at + rng.randint(1, 6)]
        elif kind == 2:
            data[at:at + 1] = bytes([rng.randrange(256)])
        else:
            data[at:at] = data[at:at + rng.randint(1, 20)]
    return bytes(data)


def check_damage(report, pair, seed, streams):
    wrong = 0
    for number in range(streams):
        rng = random.Random("%d/%d" % (seed, number))
        _, difference = pair.differences(split(damaged(rng), rng, rng.choice(("whole", "some"))))
        if difference:
            wrong += 1
            report.fail("damage %d of seed %d" % (number, seed), difference)
            if wrong == 20:
                break
    if not wrong:
        report.ok("%d damaged streams, seed %d" % (streams, seed))


def check_limits(report, pair):
    """Limits that CONFIG SET moves, on connections opened before and after."""
    for server in (pair.ours, pair.redis):
        server.connect().call("CONFIG", "SET", "proto-max-bulk-len", "1mb", "client-query-buffer-limit", "2mb")
    for data in (b"*2\r\n$4\r\nECHO\r\n$1048577\r\n", b"*2\r\n$4\r\nECHO\r\n$1048576\r\n" + b"x" * 1000,
                 request("ECHO", b"x" * (1 << 20)), b"*4\r\n" + b"$1048576\r\n%s\r\n" % (b"x" * (1 << 20)) * 3):
        _, difference = pair.differences([data])
        report.check("limits: " + shown(data[:40]), not difference, difference or "")


def main(argv):
    parser = argparse.ArgumentParser(prog="run")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--streams", type=int)
    options = parser.parse_args(argv)
    streams = options.streams or (20000 if options.full else 1500)
    report = Report()
    rng = random.Random(options.seed)
    report.line("seed %d" % options.seed)
    plain, guarded = Pair(), Pair("--requirepass", "secret")
    ways = ("whole", "bytes", "some", "some") if options.full else ("whole", "bytes", "some")
    check_corpus(report, plain, "plain", corpus.PLAIN, ways, rng)
    check_large(report, plain, rng)
    check_corpus(report, guarded, "guarded", corpus.GUARDED, ways, rng)
    check_damage(report, plain, options.seed, streams)
    check_limits(report, plain)
    report.check("both servers are still there", plain.alive() and guarded.alive())
    plain.stop()
    guarded.stop()
    report.finish()
