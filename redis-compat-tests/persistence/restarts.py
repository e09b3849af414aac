"""What was written is there again, whatever ended the server and whichever server reads it."""
import signal
import time
import uuid

import commands
from commands import contents, differences
from files import Home
from report import expect, expect_true
from resp import Eof, request
from servers import Server, cloakrooms_own, poll_until, redis_binary

LOGGED = ["--appendonly", "yes"]


def start(binary, home, *options):
    return Server(binary, [*LOGGED, *options], directory=str(home.path))


def written(connection):
    """Nothing waits to be written."""
    lines = connection.call("INFO", "persistence")[1].split(b"\r\n")
    return b"aof_buffer_length:0" in lines or b"aof_enabled:0" in lines


def end(server, how):
    """Ends it by a signal, or by SHUTDOWN; the exit code."""
    if how != "SHUTDOWN":
        return server.stop(how)
    with server.connect() as connection:
        connection.send(request("SHUTDOWN"))
        try:
            raise AssertionError("SHUTDOWN: %r" % connection.read(1))
        except Eof:
            pass
    expect_true(poll_until(lambda: not server.alive(), 10), "SHUTDOWN ends the server")
    return server.stop()


def fill(server, rng, count):
    with server.connect() as connection:
        commands.run(connection, commands.Commands(rng, int(time.time() * 1000)).stream(count))
    with server.connect() as connection:
        select_pause_until_expired(connection)
        connection.call("SET", "last", rng.random())  # so that the last change is one that shows
        found = contents(connection)
        expect_true(poll_until(lambda: written(connection), 5), "what was changed is written")
    return found


def select_pause_until_expired(connection):
    """The short times of the stream are over."""
    deadline = time.time() + 0.03
    poll_until(lambda: time.time() > deadline, 1)
    connection.call("PING")


def same(binary, home, wanted, *options):
    with start(binary, home, *options) as server:
        with server.connect() as connection:
            found = contents(connection)
        expect_true(found == wanted, "other contents\n" + differences(wanted, found))
        return server.stop()


def any_end(fsync, threads, how):
    def check(binary, rng):
        with Home() as home:
            for _ in range(2):
                server = start(binary, home, "--appendfsync", fsync, "--io-threads", threads)
                wanted = fill(server, rng, 700)
                code = end(server, how)
                expect(code, -9 if how == signal.SIGKILL else 0, "exit code")
                same(binary, home, wanted, "--io-threads", 5 - int(threads))
    return check


def redis_reads_it(how, *options):
    """A redis-server goes on with our files, and we with what it has added."""
    def check(binary, rng):
        with Home() as home:
            server = start(binary, home, *options)
            wanted = fill(server, rng, 1500)
            end(server, how)
            with home.copy() as copy:
                server = start(redis_binary(), copy)
                with server.connect() as connection:
                    found = contents(connection)
                expect_true(found == wanted, "redis-server has other contents\n" + differences(wanted, found))
                wanted = fill(server, rng, 1500)
                end(server, how)
                same(binary, copy, wanted)
                same(redis_binary(), copy, wanted)
    return check


def log_of_redis(binary, rng):
    """A log that a redis-server began, with its base without keys, and one whose base it wrote as commands."""
    for rewritten in (False, True):
        with Home() as home:
            server = start(redis_binary(), home, "--aof-use-rdb-preamble", "yes" if not rewritten else "no",
                           "--aof-timestamp-enabled", "yes")
            wanted = fill(server, rng, 800)
            if rewritten:
                with server.connect() as connection:
                    connection.call("BGREWRITEAOF")
                    expect_true(poll_until(lambda: b"rewrite_in_progress:0" in connection.value("INFO", "persistence"),
                                           10, 0.05), "rewritten")
                wanted = fill(server, rng, 300)
            server.stop()
            same(binary, home, wanted)
            same(binary, home, wanted)


@cloakrooms_own
def sessions_stay_linked(binary, rng):
    del rng
    session, early = str(uuid.uuid4()), str(uuid.uuid4())
    with Home() as home:
        options = ["--session-index", "yes", "--session-index-pending-ms", "60000"]
        for threads in ("1", "4"):
            server = start(binary, home, "--io-threads", threads, *options)
            with server.connect() as connection:
                connection.call("FLUSHALL")
                connection.call("SET", "session:" + session, "v", "EX", "1000")
                connection.call("SADD", "user_sessions:u", session, early)
            server.stop()
            server = start(binary, home, "--io-threads", threads, *options)
            with server.connect() as connection:
                expect(connection.call("SCARD", "user_sessions:u")[1], 2, "an id may still wait for its session")
                connection.call("DEL", "session:" + session)
                expect(connection.call("SMEMBERS", "user_sessions:u")[1], [("$", early.encode())], "members")
                connection.call("SET", "session:" + early, "v")
                connection.call("DEL", "session:" + early)
                expect(connection.call("EXISTS", "user_sessions:u")[1], 0, "the set is empty")
            server.stop()


@cloakrooms_own
def private(binary, rng):
    """Nobody else reads the files, and a second server stays out of them."""
    with Home() as home:
        server = start(binary, home)
        fill(server, rng, 20)
        expect([oct(path.stat().st_mode & 0o777) for path in (home.log, home.last())], ["0o700", "0o600"], "modes")
        with Server(binary, LOGGED, directory=str(home.path), wait=False) as second:
            expect_true(poll_until(lambda: not second.alive(), 10), "a second server ends")
            expect(second.process.returncode, 1, "its exit code")
        expect_true("Another server uses" in second.log(), second.log())
        server.stop()


def name_of(how):
    return how if how == "SHUTDOWN" else how.name


def ends(*combinations):
    text = "everything is there again: %s, %s threads, %s"
    return [(text % (fsync, threads, name_of(how)), any_end(fsync, threads, how))
            for fsync, threads, how in combinations]


OFTEN = (("always", "1", signal.SIGKILL), ("always", "4", signal.SIGTERM), ("everysec", "4", signal.SIGKILL),
         ("everysec", "1", signal.SIGTERM), ("no", "2", signal.SIGTERM), ("everysec", "4", "SHUTDOWN"))
SELDOM = [(fsync, threads, how) for fsync in ("always", "everysec", "no") for threads in ("1", "4")
          for how in (signal.SIGTERM, signal.SIGKILL, "SHUTDOWN") if (fsync, threads, how) not in OFTEN]

CHECKS = [
    *ends(*OFTEN),
    ("a redis-server reads our files and writes on", redis_reads_it(signal.SIGTERM, "--io-threads", "4")),
    ("a redis-server reads the files of a killed one",
     redis_reads_it(signal.SIGKILL, "--aof-timestamp-enabled", "yes")),
    ("files of a redis-server", log_of_redis),
    ("sessions leave their sets after a restart too", sessions_stay_linked),
    ("the files are the server's own", private),
]
LONG = ends(*SELDOM)
