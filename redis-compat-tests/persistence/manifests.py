"""Manifests written by hand: what Redis takes is taken, what it refuses is refused in its words and left as it is."""
from commands import contents
from damage import refused
from files import Home, log_of
from report import expect, expect_true
from restarts import start
from running import wait_until_rewritten
from servers import Server, cloakrooms_own, is_redis, poll_until

I1 = b"file appendonly.aof.1.incr.aof seq 1 type i\n"
I2 = b"file appendonly.aof.2.incr.aof seq 2 type i\n"
B1 = b"file appendonly.aof.1.base.aof seq 1 type b\n"
B2 = b"file appendonly.aof.2.base.aof seq 2 type b\n"
FORMAT = "Invalid AOF manifest file format"
TOO_LONG = "The AOF manifest file contains too long line"
A = (0, b"a")


def padded(size):
    """A line of this many bytes."""
    start = b"file a seq 1 type i pad "
    return start + b"x" * (size - len(start) - 1) + b"\n"


REFUSED = [
    (b"", "Found an empty AOF manifest"),
    (b"file a seq 1 type x\n", "Unknown AOF file type"),
    (B1 + B2, "Found duplicate base file information"),
    (I2 + I1, "Found a non-monotonic sequence number"),
    (I1 + I1, "Found a non-monotonic sequence number"),
    (b"file a seq 1\n", FORMAT),
    (b"file a seq 1 type\n", FORMAT),
    (b"file a seq 1 type i more\n", FORMAT),
    (b"file a seq 0 type i\n", FORMAT),
    (b"file a seq none type i\n", FORMAT),
    (b"name a seq 1 type i\n", FORMAT),
    (b"file \"a seq 1 type i\n", FORMAT),
    (b"file \"a\"b seq 1 type i\n", FORMAT),
    (I1 + b"\n" + I2, FORMAT),
    (b"   \n", FORMAT),
    (I1 + I2[:-1], TOO_LONG),
    (padded(1025), TOO_LONG),
    (padded(5000), TOO_LONG),
    (b"file ../a seq 1 type i\n", "File can't be a path, just a filename"),
    (b"file /a seq 1 type i\n", "File can't be a path, just a filename"),
    (b"file \"x\\x2fa\" seq 1 type i\n", "File can't be a path, just a filename"),
    (b"file \"x\\\\a\" seq 1 type i\n", "File can't be a path, just a filename"),
    (I1 + b"file missing seq 3 type i\n", "missing.*(doesn't exist|No such file)"),
    (b"file missing seq 1 type b\n" + I1, "missing.*(doesn't exist|No such file)"),
]

CLOAKROOM_REFUSES = [
    (b"file \"\" seq 1 type i\n", FORMAT),  # a redis-server takes the directory for a file
]


def refusals(binary, rng):
    del rng
    names = ["a", "x\\a", *("appendonly.aof.%d.%s.aof" % (number, kind)
                            for number in (1, 2) for kind in ("incr", "base"))]
    wrong = []
    for manifest, why in REFUSED + ([] if is_redis(binary) else CLOAKROOM_REFUSES):
        with Home() as home:
            home.write(manifest, {name: log_of("SELECT 0", "SET a 1") for name in names})
            try:
                refused(binary, home, why)
            except AssertionError as error:
                wrong.append("manifest %.200r: %s" % (manifest, error))
    expect_true(not wrong, "\n".join(wrong))


def string(value):
    return b"string", value, -1


# Manifest, files, contents.
TAKEN = [
    (I1, {"appendonly.aof.1.incr.aof": b""}, {}),
    (b"# a comment\n" + I1 + b"#\n" + b"#" * 1000 + b"\n", {"appendonly.aof.1.incr.aof": log_of("SET a 1")},
     {A: string(b"1")}),
    (padded(1024), {"a": log_of("SET a 1")}, {A: string(b"1")}),
    (b"type i  seq 7\tfile a  new thing\r\n", {"a": log_of("SET a 1")}, {A: string(b"1")}),
    (b"FILE a SEQ 1 TYPE i\n", {"a": log_of("SET a 1")}, {A: string(b"1")}),
    (b"file a seq 1 type increment\n", {"a": log_of("SET a 1")}, {A: string(b"1")}),
    (b"file \"a name.aof\" seq 1 type i\n", {"a name.aof": log_of("SET a 1")}, {A: string(b"1")}),
    (b"file 'it''s' seq 1 type i\n".replace(b"''", b"\\'"), {"it's": log_of("SET a 1")}, {A: string(b"1")}),
    (b"file \"\\x61\\\"\" seq 1 type i\n", {"a\"": log_of("SET a 1")}, {A: string(b"1")}),
    (I2 + B1, {"appendonly.aof.1.base.aof": log_of("SET a 1", "SELECT 1", "SET b 1"),
               "appendonly.aof.2.incr.aof": log_of("APPEND a 2")}, {A: string(b"12"), (1, b"b"): string(b"1")}),
    (I1 + b"file c seq 9 type i\n" + b"file d seq 1000000000000 type i\n",
     {"appendonly.aof.1.incr.aof": log_of("SELECT 2", "SET a 1"), "c": log_of("SET a 1", "SELECT 2"),
      "d": log_of("APPEND a 3")},
     {(2, b"a"): string(b"1"), A: string(b"13")}),
    (B1, {"appendonly.aof.1.base.aof": log_of("SET a 1")}, {A: string(b"1")}),
    (b"file old seq 1 type h\n" + I2, {"old": log_of("SET old 1"), "appendonly.aof.2.incr.aof": log_of("SET a 1")},
     {A: string(b"1")}),
    (b"file gone seq 1 type h\n" + I2, {"appendonly.aof.2.incr.aof": log_of("SET a 1")}, {A: string(b"1")}),
    (I1, {"appendonly.aof.1.incr.aof": b"#TS:1628217470\r\n" + log_of("SET a 1") + b"#TS:1628217471\r\n#anything\r\n"
          + log_of("MULTI", "APPEND a 2", "APPEND a 3", "EXEC")}, {A: string(b"123")}),
    (I1, {"appendonly.aof.1.incr.aof": log_of("select 1", "set a 1", "sAdd s m", "hset h f v",
                                              "pexpireat a 99999999999999")},
     {(1, b"a"): (b"string", b"1", 99999999999999), (1, b"s"): (b"set", [b"m"], -1),
      (1, b"h"): (b"hash", {b"f": b"v"}, -1)}),
    (I1, {"appendonly.aof.1.incr.aof": log_of("SET a 1", "SET b 1 PXAT 1000", "SET c 1", "PEXPIREAT c 1000",
                                              "RENAME b d")}, {A: string(b"1")}),
    (I1, {"appendonly.aof.1.incr.aof": log_of("SET a 1 PXAT 1000", "APPEND a 2", "PERSIST a")}, {A: string(b"12")}),
]


def accepted(binary, rng):
    """They are loaded, written to, and loaded again."""
    del rng
    added = {(3, b"added"): string(b"1")}
    for manifest, files, wanted in TAKEN:
        with Home() as home:
            home.write(manifest, files)
            with start(binary, home) as server, server.connect() as connection:
                expect(contents(connection), wanted, "contents by %.200r" % manifest)
                connection.pipeline([["SELECT", 3], ["SET", "added", 1]])
            with start(binary, home) as server, server.connect() as connection:
                expect(contents(connection), {**wanted, **added}, "contents once written to, by %.200r" % manifest)


def history_goes(binary, rng):
    """History is removed, what is not listed is left alone."""
    del rng
    with Home() as home:
        home.write(b"file old seq 1 type h\n" + I2, {"old": b"x", "appendonly.aof.2.incr.aof": log_of("SET a 1"),
                                                     "notes": b"mine", "appendonly.aof.1.incr.aof": b"not listed"})
        with start(binary, home):
            expect_true(poll_until(lambda: not (home.log / "old").exists(), 5), "history is removed")
            expect_true(poll_until(lambda: b"type h" not in home.manifest.read_bytes(), 5), "and no longer listed")
        expect((home.log / "notes").read_bytes(), b"mine", "another file")
        expect((home.log / "appendonly.aof.1.incr.aof").read_bytes(), b"not listed", "a file that is not listed")


def left_by_a_crash(binary, rng):
    """A manifest that was never put in its place, whatever is in it, is none."""
    del rng
    with Home() as home:
        home.write(I1, {"appendonly.aof.1.incr.aof": log_of("SET a 1"),
                        "temp-appendonly.aof.manifest": b"file missing se"})
        for _ in range(2):
            with start(binary, home) as server, server.connect() as connection:
                expect(connection.value("GET", "a"), b"1", "contents")
                connection.call("BGREWRITEAOF")
                wait_until_rewritten(connection)


def other_names(binary, rng):
    """appendfilename and appenddirname, with a space where it may be."""
    del rng
    with Home() as home:
        for expected in (None, b"1"):
            options = ["--appendonly", "yes", "--appendfilename", "my log.aof", "--appenddirname", "logs of mine"]
            with Server(binary, options, directory=str(home.path)) as server, server.connect() as connection:
                expect(connection.value("GET", "a"), expected, "contents")
                connection.call("SET", "a", "1")
        found = sorted(path.name for path in (home.path / "logs of mine").iterdir() if path.name != "lock")
        expect_true("my log.aof.manifest" in found, repr(found))
        expect_true(all(name.startswith("my log.aof.") for name in found), repr(found))


@cloakrooms_own
def numbers_go_on(binary, rng):
    """A name is used once: a file that is not listed is never written to by its number."""
    del rng
    with Home() as home:
        home.write(b"file appendonly.aof.5.base.aof seq 5 type b\n", {"appendonly.aof.5.base.aof": log_of("SET a 1")})
        with start(binary, home) as server, server.connect() as connection:
            connection.call("SET", "b", "1")
        before = {name for name, _ in home.listed()}
        with start(binary, home) as server, server.connect() as connection:
            expect(connection.value("MGET", "a", "b"), [b"1", b"1"], "contents")
            connection.call("BGREWRITEAOF")
            expect_true(poll_until(lambda: not before & {name for name, _ in home.listed()}, 10),
                        "new files have new names")


CHECKS = [
    ("manifests that are none refuse the start", refusals),
    ("manifests written by hand", accepted),
    ("history is removed, other files are not", history_goes),
    ("a manifest that a crash left beside is none", left_by_a_crash),
    ("files under other names", other_names),
    ("numbers of files go on", numbers_go_on),
]
