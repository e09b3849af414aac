"""A disk that is full, or hangs: clients are told or wait, nothing that was answered is lost, and it goes on after it."""
import time

from disk import Disk
from files import Home
from report import expect, expect_true
from resp import Timeout, request
from restarts import LOGGED, same, written
from running import info
from servers import Server, cloakrooms_own, poll_until, select_pause

FULL = b"-MISCONF Errors writing to the AOF file: No space left on device\r\n"


def begin(binary, home, disk, *options):
    return Server(binary, [*LOGGED, *options], directory=str(home.path), env=disk.environment())


def refused_since_then(connection):
    """Writes until one is refused; what was answered."""
    answered = 0
    while answered < 1000:
        if connection.pipeline([["SET", "counted", answered + 1]])[0] == FULL:
            return answered
        answered += 1
        select_pause(0.01)
    raise AssertionError("no write was refused")


def full(binary, rng):
    """Writes are refused in Redis' words, also when they are queued; what changes nothing goes on."""
    del rng
    with Home() as home, Disk(home) as disk:
        server = begin(binary, home, disk)
        with server.connect() as connection:
            connection.call("SET", "before", "1")
            expect_true(poll_until(lambda: written(connection), 5), "written")
            with disk.fault("full"):
                counted = refused_since_then(connection)
                expect(info(connection)["aof_last_write_status"], "err", "aof_last_write_status")
                replies = connection.pipeline([
                    ["PING"], ["GET", "before"], ["DEL", "before"], ["PUBLISH", "channel", "m"],
                    ["CONFIG", "SET", "maxmemory-samples", "6"],
                    ["MULTI"], ["GET", "before"], ["EXEC"],
                    ["MULTI"], ["SET", "x", "1"], ["EXEC"]])
                aborted = b"-EXECABORT Transaction discarded because of previous errors.\r\n"
                expect(replies, [FULL, b"$1\r\n1\r\n", FULL, b":0\r\n", b"+OK\r\n",
                                 b"+OK\r\n", b"+QUEUED\r\n", b"*1\r\n$1\r\n1\r\n",
                                 b"+OK\r\n", FULL, aborted], "replies")
            expect_true(poll_until(lambda: connection.pipeline([["SET", "after", "1"]]) == [b"+OK\r\n"], 10, 0.05),
                        "writes go on")
            expect(info(connection)["aof_last_write_status"], "ok", "aof_last_write_status")
            expect_true(poll_until(lambda: written(connection), 5), "written")
            found = connection.value("GET", "counted")
            expect_true(found in (None if counted == 0 else b"%d" % counted, b"%d" % (counted + 1)), "counted")
        server.stop()
        wanted = {(0, b"before"): (b"string", b"1", -1), (0, b"after"): (b"string", b"1", -1)}
        if found is not None:
            wanted[(0, b"counted")] = (b"string", found, -1)
        same(binary, home, wanted)


def turned_off(binary, rng):
    """CONFIG SET appendonly no lifts it."""
    del rng
    with Home() as home, Disk(home) as disk:
        with begin(binary, home, disk) as server, server.connect() as connection:
            with disk.fault("full"):
                refused_since_then(connection)
                expect(connection.value("CONFIG", "SET", "appendonly", "no"), b"OK", "reply")
                expect(connection.pipeline([["SET", "a", "1"], ["PING"]]), [b"+OK\r\n", b"+PONG\r\n"], "replies")


@cloakrooms_own
def ends(binary, rng):
    """`always`: no answer can be kept, so the server ends, and has answered nothing that is not there."""
    del rng
    with Home() as home, Disk(home) as disk:
        server = begin(binary, home, disk, "--appendfsync", "always")
        with server.connect() as connection:
            connection.call("SET", "a", "1")
            with disk.fault("full"):
                connection.send(request("SET", "a", "2"))
                expect_true(poll_until(lambda: not server.alive(), 10), "it ends")
                expect(connection.at_eof(), True, "nothing was answered")
        expect(server.stop(), 1, "exit code")
        same(binary, home, {(0, b"a"): (b"string", b"1", -1)})


def replies_within(connection, seconds):
    try:
        connection.read(1, seconds)
        return True
    except Timeout:
        return False


@cloakrooms_own
def hangs(binary, rng):
    """`everysec`: what is not synced is never much older than a second. Writers wait then, reads go on, keys that have
    expired are hidden but stay; nobody is refused."""
    del rng
    with Home() as home, Disk(home) as disk:
        server = begin(binary, home, disk)
        with server.connect() as connection, server.connect() as writer:
            connection.call("SET", "short", "v", "PX", "3000")
            with disk.fault("hangs"):
                begun = time.monotonic()
                count, answered = 0, True
                while info(connection)["aof_delayed_fsync"] == "0":
                    expect_true(time.monotonic() - begun < 20, "writers wait in time")
                    if answered:
                        count += 1
                        writer.send(request("SET", "counted", count))
                    answered = replies_within(writer, 0.05)
                expect(answered, False, "the writer is answered")
                expect(info(connection)["aof_pending_bio_fsync"], "1", "aof_pending_bio_fsync")
                select_pause(max(0, begun + 3.3 - time.monotonic()))
                expect(connection.pipeline([["GET", "short"], ["EXISTS", "counted"]]), [b"$-1\r\n", b":1\r\n"],
                       "reads")
                expect_true(b"expired_keys:0\r\n" in connection.value("INFO", "stats"), "nothing ends meanwhile")
                expect([connection.value("WAITAOF", "1", "0", ms) for ms in ("1", "50")], [[0, 0]] * 2, "WAITAOF")
                expect(replies_within(writer, 0.05), False, "the writer is answered later")
            expect(writer.read()[0], b"+OK\r\n", "the writer's answer")
            expect_true(poll_until(lambda: b"expired_keys:1\r\n" in connection.value("INFO", "stats"), 5),
                        "what has expired ends")
            expect_true(poll_until(lambda: written(connection), 5), "written")
        server.stop()
        same(binary, home, {(0, b"counted"): (b"string", b"%d" % count, -1)})


CHECKS = [
    ("a full disk: writes are refused until there is room", full),
    ("a full disk: without the log writes go on", turned_off),
    ("a full disk: `always` ends the server", ends),
    ("a disk that hangs: writers wait, and nothing expires", hangs),
]
