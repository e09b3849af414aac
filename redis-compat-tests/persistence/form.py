"""What Cloakroom itself writes: commands that mean the same whenever they are read, whole changes in one piece."""
import signal
import time

from files import Home, groups, record
from report import expect, expect_true
from restarts import end, fill, start, written
from running import wait_until_rewritten
from servers import cloakrooms_own, poll_until

# Each of these says all there is to say, whatever the time and the state it meets.
ALLOWED = set(b"""SELECT MULTI EXEC SET APPEND SETRANGE INCRBY INCR DECR DECRBY MSET HSET HMSET HDEL HINCRBY SADD SREM
                  SMOVE SUNIONSTORE SINTERSTORE SDIFFSTORE DEL UNLINK PEXPIREAT PERSIST RENAME COPY MOVE SWAPDB FLUSHDB
                  FLUSHALL""".split())
RELATIVE = {b"EX", b"PX", b"EXAT", b"NX", b"XX", b"GET"}


def records(data):
    found, at = [], 0
    while at < len(data):
        words, at = record(data, at)
        expect_true(words is not None, "the file ends with a whole record")
        found.append(words)
    return found


def well_formed(path):
    """One file of a log."""
    found = [words for words in records(path.read_bytes()) if words]
    expect(found[0][0].upper() if found else b"SELECT", b"SELECT", "first record of " + path.name)
    depth = 0
    for words in found:
        name = words[0].upper()
        expect_true(name in ALLOWED, "%r is no effect" % words[:3])
        if name == b"SET":
            expect_true(not RELATIVE & {word.upper() for word in words[3:]}, "%r has options" % words[3:])
        depth += {b"MULTI": 1, b"EXEC": -1}.get(name, 0)
        expect_true(depth in (0, 1), "groups within groups")
    expect(depth, 0, "open groups")


@cloakrooms_own
def only_effects(binary, rng):
    with Home() as home:
        for threads in ("1", "4"):
            server = start(binary, home, "--io-threads", threads)
            fill(server, rng, 1500)
            if threads == "4":
                with server.connect() as connection:
                    connection.call("BGREWRITEAOF")
                    wait_until_rewritten(connection)
                fill(server, rng, 300)
            expect(end(server, signal.SIGTERM), 0, "exit code")
            expect([oct(path.stat().st_mode & 0o777) for path in sorted(home.log.glob("*.aof*"))],
                   ["0o600"] * len(list(home.log.glob("*.aof*"))), "modes")
            for name, _ in home.listed():
                well_formed(home.log / name)


def keys_of(group):
    return {word for words in group for word in words[1:] if word.startswith(b"one:")}


def in_one_piece(binary, rng):
    """A transaction is one group in the log, and so is a command that changes several keys."""
    del rng
    with Home() as home:
        server = start(binary, home)
        with server.connect() as connection:
            connection.transaction(["SET", "one:a", "1"], ["SELECT", "2"], ["HSET", "one:b", "f", "v"],
                                   ["SADD", "one:c", "m"])
            connection.call("MSET", "one:d", "1", "one:e", "2")
            connection.call("SADD", "one:f", "m")
            connection.call("SMOVE", "one:f", "one:g", "m")
            connection.call("RENAME", "one:d", "one:h")
            connection.transaction(["DEL", "one:a"], ["GET", "one:b"])
            expect_true(poll_until(lambda: written(connection), 5), "written")
        server.stop()
        found = [keys_of(group) for group, _ in groups(home.last().read_bytes()) if keys_of(group)]
        expect(found, [{b"one:a", b"one:b", b"one:c"}, {b"one:d", b"one:e"}, {b"one:f"}, {b"one:f", b"one:g"},
                       {b"one:d", b"one:h"}], "keys of each group")


def gone(home):
    """Keys deleted in the log."""
    return {key for group, _ in groups(home.last().read_bytes()) for words in group
            if words[0].upper() in (b"DEL", b"UNLINK") for key in words[1:]}


def expired(binary, rng):
    """What has expired is gone in the log too, once the server has noticed."""
    del rng
    with Home() as home:
        server = start(binary, home)
        with server.connect() as connection:
            connection.call("SET", "one:short", "v", "PX", "30")
            connection.call("SET", "one:touched", "v", "PX", "30")
            over = time.time() + 0.04
            expect_true(poll_until(lambda: time.time() > over, 1), "time passes")
            expect(connection.value("GET", "one:touched"), None, "an expired key")
            expect_true(poll_until(lambda: gone(home) == {b"one:short", b"one:touched"}, 5),
                        "the other goes by itself: deleted are %r" % gone(home))
        server.stop()


CHECKS = [
    ("the log holds effects, and nothing that depends on when it is read", only_effects),
    ("a change of several keys is one group", in_one_piece),
    ("expired keys leave the log", expired),
]
