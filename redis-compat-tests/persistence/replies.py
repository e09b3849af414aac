"""What clients are told of the log."""
import time

from files import Home
from report import expect, expect_true
from restarts import start
from running import info, wait_until_rewritten
from servers import Server, cloakrooms_own, poll_until, redis_binary

# Sizes, times and counts of what each server does in its own way.
OF_THE_SERVER = {"aof_current_size", "aof_base_size", "aof_last_rewrite_time_sec", "aof_last_cow_size",
                 "rdb_last_cow_size", "rdb_last_save_time", "rdb_changes_since_last_save", "current_cow_peak",
                 "current_cow_size", "current_cow_size_age", "current_save_keys_total", "current_save_keys_processed",
                 "aof_pending_bio_fsync", "aof_delayed_fsync"}


def info_after_the_same(binary):
    """INFO persistence as it is once a log was begun, loaded, written to and rewritten."""
    with Home() as home:
        with start(binary, home) as server, server.connect() as connection:
            connection.call("SET", "a", "1")
        with start(binary, home) as server, server.connect() as connection:
            loaded = info(connection)
            connection.call("SET", "b", "1")
            connection.call("BGREWRITEAOF")
            wait_until_rewritten(connection)
            return loaded, info(connection)


def info_is_that_of_redis(binary, rng):
    del rng
    for ours, theirs in zip(info_after_the_same(binary), info_after_the_same(redis_binary())):
        expect(sorted(set(ours) ^ set(theirs)), [], "fields of one server only")
        differ = {name: (ours[name], theirs[name]) for name in theirs
                  if ours[name] != theirs[name] and name not in OF_THE_SERVER}
        expect(differ, {}, "values (ours, Redis')")
        expect([name for name in OF_THE_SERVER if not ours[name].lstrip("-").isdigit()], [], "no numbers")


def size_is_that_on_disk(home, connection):
    def sizes():
        on_disk = sum((home.log / name).stat().st_size for name, _ in home.listed())
        return int(info(connection)["aof_current_size"]), on_disk
    expect_true(poll_until(lambda: len(set(sizes())) == 1, 3, 0.02), "aof_current_size, on disk: %d, %d" % sizes())
    return sizes()[1]


def fields_come_and_go(binary, rng):
    """Without a log there are fewer fields; the sizes are those of the files."""
    del rng
    names = []
    for each in (binary, redis_binary()):
        with Server(each) as server, server.connect() as connection:
            names.append(sorted(info(connection)))
    expect(names[0], names[1], "fields without a log")
    with Home() as home, start(binary, home) as server, server.connect() as connection:
        for i in range(200):
            connection.call("SET", "k%d" % i, "v" * 100)

        if not server.redis:  # it does not count the snapshot it began with
            size_is_that_on_disk(home, connection)
        connection.call("BGREWRITEAOF")
        wait_until_rewritten(connection)
        size = size_is_that_on_disk(home, connection)
        expect_true(0 < int(info(connection)["aof_base_size"]) <= size, "aof_base_size")


def rewrite_twice(binary, rng):
    """Redis' words when a rewrite begins, and when one is under way."""
    del rng
    with Home() as home, start(binary, home) as server, server.connect() as connection:
        for _ in range(20):
            connection.pipeline([["SADD", "set%d" % i, *range(i, i + 500)] for i in range(20)])
        first, second = connection.pipeline([["BGREWRITEAOF"], ["BGREWRITEAOF"]])
        expect(first, b"+Background append only file rewriting started\r\n", "reply")
        expect(second, b"-ERR Background append only file rewriting already in progress\r\n", "reply to the second")
        expect(connection.call("BGREWRITEAOF", "now"),
               ("-", b"ERR wrong number of arguments for 'bgrewriteaof' command"), "reply to an argument")
        wait_until_rewritten(connection)
        after = info(connection)
        expect((after["aof_rewrites"], after["aof_last_bgrewrite_status"]), ("1", "ok"), "rewrites, status")


def in_progress(binary, rng):
    """Who was told that a rewrite has started may wait for aof_rewrite_in_progress:0."""
    del rng
    with Home() as home, start(binary, home) as server, server.connect() as connection:
        connection.pipeline([["SADD", "set%d" % i, *range(i, i + 500)] for i in range(20)])
        during = connection.pipeline([["BGREWRITEAOF"], ["INFO", "persistence"]])[1]
        expect_true(b"aof_rewrite_in_progress:1\r\n" in during or b"aof_rewrites:1\r\n" in during,
                    "INFO says that there is none in progress, and there was none")
        wait_until_rewritten(connection)


@cloakrooms_own
def waitaof(binary, rng):
    """As in Redis 7.2, but for replicas."""
    del rng
    with Home() as home:
        for fsync in ("everysec", "always"):
            with start(binary, home, "--appendfsync", fsync) as server, server.connect() as connection:
                wrong = [["2", "0", "0"], ["x", "0", "0"], ["0", "-1", "0"], ["0", "0", "x"], ["0", "0", "-1"]]
                expect([connection.call("WAITAOF", *words)[1] for words in wrong],
                       [b"ERR value is out of range, value must between 0 and 1",
                        b"ERR value is not an integer or out of range", b"ERR value is out of range, must be positive",
                        b"ERR timeout is not an integer or out of range", b"ERR timeout is negative"], "errors")
                expect(connection.value("WAITAOF", "0", "0", "0"), [1, 0], "with nothing to wait for")
                connection.call("SET", "a", fsync)
                begun = time.monotonic()
                expect(connection.value("WAITAOF", "1", "0", "5000"), [1, 0], fsync)
                expect_true(time.monotonic() - begun < 2.5, "it waits no longer than for the next sync")
                expect(connection.value("WAITAOF", "1", "0", "0"), [1, 0], "once more")
                expect(connection.value("WAITAOF", "1", "1", "0"), [1, 0], "no replica can come, so none is waited for")
                replies = connection.transaction(["SET", "b", fsync], ["WAITAOF", "1", "1", "0"])
                expect(replies[1][1], 0, "replicas, in a transaction")
    with Server(binary) as server, server.connect() as connection:
        expect(connection.call("WAITAOF", "1", "0", "0"),
               ("-", b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."), "without a log")


CHECKS = [
    ("INFO persistence has the fields of Redis", info_is_that_of_redis),
    ("INFO tells of the log's size, and of no log", fields_come_and_go),
    ("answers to BGREWRITEAOF", rewrite_twice),
    ("a rewrite that has started is in progress", in_progress),
    ("WAITAOF waits for the sync", waitaof),
]
