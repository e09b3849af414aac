"""The log of a server that goes on: rewritten, turned on and off, with clients that write meanwhile."""
import random
import signal
import threading

import commands
from commands import contents, differences
from files import Home
from report import expect, expect_true
from restarts import fill, same, start, written
from servers import Server, poll_until

REWRITTEN = b"aof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0"


def info(connection):
    lines = connection.value("INFO", "persistence").decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def wait_until_rewritten(connection):
    expect_true(poll_until(lambda: REWRITTEN in connection.value("INFO", "persistence"), 20, 0.02), "rewritten in time")


def files_are_those_listed(home):
    expect(sorted(path.name for path in home.log.iterdir()),
           sorted([name for name, _ in home.listed()] + [home.manifest.name]), "files in the directory")


def rewritten(binary, rng):
    """What is left after a rewrite is all there is, and less."""
    with Home() as home:
        server = start(binary, home)
        wanted = fill(server, rng, 1500)
        with server.connect() as connection:
            before = int(info(connection)["aof_current_size"])
            expect(connection.value("BGREWRITEAOF"), b"Background append only file rewriting started", "reply")
            wait_until_rewritten(connection)
            expect_true(int(info(connection)["aof_current_size"]) < before, "it is smaller")
            expect(info(connection)["aof_last_bgrewrite_status"], "ok", "status")
        if not server.redis:
            expect(len(home.listed()), 1, "one file is listed")
        expect_true(poll_until(lambda: len(list(home.log.iterdir())) <= 3, 5), "old files are removed")
        files_are_those_listed(home)
        server.stop(signal.SIGKILL)
        same(binary, home, wanted)


def large_collections(binary, rng):
    """Sets and hashes too large for one turn, which change while they are written."""
    with Home() as home:
        server = start(binary, home)
        with server.connect() as connection:
            for key in range(3):
                for first in range(0, 10_000, 500):
                    numbers = range(first, first + 500)
                    connection.call("SADD", "set%d" % key, *["m%d" % i for i in numbers])
                    connection.call("HSET", "hash%d" % key, *[word for i in numbers for word in ("f%d" % i, "v%d" % i)])
            connection.call("SET", "long", b"x" * 3_000_000)
            connection.call("EXPIRE", "set1", "1000")
            connection.call("BGREWRITEAOF")
            for i in range(2000):
                connection.pipeline([["SREM", "set%d" % (i % 3), "m%d" % rng.randrange(10000)],
                                     ["SADD", "set0", "n%d" % i],
                                     ["HDEL", "hash%d" % (i % 3), "f%d" % rng.randrange(10000)],
                                     ["HSET", "hash1", "n%d" % i, "1"]])
            connection.pipeline([["RENAME", "set2", "set3"], ["COPY", "hash2", "hash3"], ["PERSIST", "set1"]])
            wait_until_rewritten(connection)
            wanted = contents(connection)
            expect_true(poll_until(lambda: written(connection), 5), "written")
        server.stop(signal.SIGKILL)
        same(binary, home, wanted)


def under_load(binary, rng):
    """Rewrites follow each other while three clients write; then the server is killed."""
    with Home() as home:
        server = start(binary, home, "--io-threads", "4", "--auto-aof-rewrite-min-size", "20kb")
        enough = threading.Event()
        seeds = [rng.random() for _ in range(3)]
        clients = [threading.Thread(target=write_until, args=(enough, server, random.Random(seed))) for seed in seeds]
        for client in clients:
            client.start()
        with server.connect() as connection:
            wanted = 1 if server.redis else 5
            several = poll_until(lambda: begun_and_counted(connection) >= wanted, 20)
            enough.set()
            for client in clients:
                client.join()
            expect_true(several, "rewritten %d times" % wanted)
            wait_until_rewritten(connection)
        wanted = fill(server, rng, 10)
        server.stop(signal.SIGKILL)
        same(binary, home, wanted)


def begun_and_counted(connection):
    connection.call("BGREWRITEAOF")
    return int(info(connection)["aof_rewrites"])


def write_until(enough, server, rng):
    with server.connect() as connection:
        while not enough.is_set():
            commands.run(connection, commands.Commands(rng, 1_700_000_000_000).stream(200))


def turned_on(binary, rng):
    """CONFIG SET appendonly yes answers at once; then all there was is in the log too."""
    with Home() as home:
        server = Server(binary, directory=str(home.path))
        fill(server, rng, 500)
        with server.connect() as connection:
            expect(connection.value("CONFIG", "SET", "appendonly", "yes"), b"OK", "reply")
            expect(info(connection)["aof_enabled"], "1", "aof_enabled")
        wanted = fill(server, rng, 300)
        with server.connect() as connection:
            wait_until_rewritten(connection)
            for value in ("always", "no", "everysec", "always"):
                connection.call("CONFIG", "SET", "appendfsync", value)
                connection.call("INCR", "counter")
            connection.call("DEL", "counter")
            connection.call("CONFIG", "SET", "appendonly", "no")
            expect(info(connection)["aof_enabled"], "0", "aof_enabled")
            connection.call("SET", "lost", "1")
            expect(connection.value("CONFIG", "SET", "appendonly", "yes"), b"OK", "reply")
            connection.call("DEL", "lost")
            wait_until_rewritten(connection)
            expect_true(poll_until(lambda: written(connection), 5), "written")
            found = contents(connection)
        expect_true(found == wanted, "contents\n" + differences(wanted, found))
        server.stop(signal.SIGKILL)
        same(binary, home, wanted)


def grown(binary, rng):
    """A log that has doubled is rewritten by itself."""
    with Home() as home:
        server = start(binary, home, "--auto-aof-rewrite-min-size", "64kb", "--auto-aof-rewrite-percentage", "100")
        with server.connect() as connection:
            commands.run(connection, [["SET", "k", b"v" * 1000]] * 100)
            expect_true(poll_until(lambda: int(info(connection)["aof_rewrites"]) > 0, 10, 0.02), "a rewrite has begun")
            wait_until_rewritten(connection)
            expect_true(int(info(connection)["aof_current_size"]) < 64 * 1024, "it is small")
            expect_true(int(info(connection)["aof_base_size"]) < 64 * 1024, "its size then")
        wanted = fill(server, rng, 50)
        server.stop()
        same(binary, home, wanted)


CHECKS = [
    ("a rewritten log is all there is", rewritten),
    ("large collections change while they are written", large_collections),
    ("rewrites under load", under_load),
    ("turned on and off while the server runs", turned_on),
    ("a log that has grown is rewritten by itself", grown),
]
