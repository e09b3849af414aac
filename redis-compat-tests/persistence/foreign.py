"""Data that this server cannot read: it never starts empty over it. A redis-server reads it, or begins anew."""
from damage import exit_code, refused
from files import Home, tree
from report import expect, expect_true
from restarts import LOGGED, start
from running import wait_until_rewritten
from servers import Server, cloakrooms_own, redis_binary

WAY = "aof-use-rdb-preamble no"


def refuses(binary, home, *options):
    """It names the way, and leaves everything as it was."""
    before = tree(home.path)
    with Server(binary, options, directory=str(home.path), wait=False) as server:
        expect(exit_code(server), 1, "exit code")
    expect_true(WAY in server.log() and "BGREWRITEAOF" in server.log(), server.log())
    expect_true(tree(home.path) == before, "files were changed: %r, %r" % (sorted(before), sorted(tree(home.path))))


@cloakrooms_own
def snapshot_base(binary, rng):
    """The base that Redis writes by default."""
    del rng
    with Home() as home:
        server = start(redis_binary(), home)
        with server.connect() as connection:
            connection.call("SET", "a", "1")
            connection.call("BGREWRITEAOF")
            wait_until_rewritten(connection)
            connection.call("SET", "b", "1")
        server.stop()
        expect_true(home.log.joinpath(home.listed()[0][0]).read_bytes().startswith(b"REDIS"), "the base is a snapshot")
        refused(binary, home, WAY)
        refused(binary, home, "BGREWRITEAOF")


@cloakrooms_own
def snapshot(binary, rng):
    del rng
    with Home() as home:
        server = Server(redis_binary(), directory=str(home.path))
        with server.connect() as connection:
            connection.call("SAVE")
        server.stop()
        with start(binary, home):  # without keys it is nothing to lose
            pass
    with Home() as home:
        server = Server(redis_binary(), directory=str(home.path))
        with server.connect() as connection:
            connection.call("SET", "a", "1")
            connection.call("SAVE")
        server.stop()
        refuses(binary, home, *LOGGED)
        refuses(binary, home)


@cloakrooms_own
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
