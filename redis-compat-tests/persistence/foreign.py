"""Data that this server cannot read: it never starts empty over it."""
from damage import refused
from files import Home
from report import expect, expect_true
from restarts import LOGGED, start
from servers import Server, poll_until, redis_binary

WAY = "aof-use-rdb-preamble no"


def refuses(binary, home, *options):
    server = Server(binary, options, directory=str(home.path), wait=False)
    expect(server.process.wait(10), 1, "exit code")
    expect_true(WAY in server.log() and "BGREWRITEAOF" in server.log(), server.log())


def snapshot_base(binary, rng):
    del rng
    with Home() as home:
        server = start(redis_binary(), home)
        with server.connect() as connection:
            connection.call("SET", "a", "1")
            connection.call("CONFIG", "SET", "appendonly", "no")
            connection.call("CONFIG", "SET", "appendonly", "yes")
            expect_true(poll_until(lambda: b"aof_rewrite_in_progress:0" in connection.call("INFO", "persistence")[1], 10, 0.05),
                        "rewritten")
        server.stop()
        refused(binary, home, WAY)


def snapshot(binary, rng):
    del rng
    with Home() as home:
        server = Server(redis_binary(), directory=str(home.path))
        with server.connect() as connection:
            connection.call("SAVE")
        server.stop()
        with start(binary, home):  # without keys it is nothing to lose
            pass
        with Home() as other:
            server = Server(redis_binary(), directory=str(other.path))
            with server.connect() as connection:
                connection.call("SET", "a", "1")
                connection.call("SAVE")
            server.stop()
            before = (other.path / "dump.rdb").read_bytes()
            refuses(binary, other, *LOGGED)
            refuses(binary, other)
            expect((other.path / "dump.rdb").read_bytes(), before, "the snapshot")


def single_file(binary, rng):
    del rng
    with Home() as home:
        (home.path / "appendonly.aof").write_bytes(b"*1\r\n$8\r\nFLUSHALL\r\n")
        refuses(binary, home, *LOGGED)


CHECKS = [
    ("a base with keys as a snapshot refuses the start", snapshot_base),
    ("a snapshot with keys refuses the start", snapshot),
    ("an append-only file of before Redis 7 refuses the start", single_file),
]
