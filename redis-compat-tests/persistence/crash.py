"""A machine that stops. The page cache survives a killed process, so the test takes away what was never synced: a preloaded
library (synced.c) notes each completed sync, and files are cut to what it noted, and a random part of what follows.

With `always` everything that was answered is there; with `everysec` everything that was answered before the last completed
sync began. In both cases transactions are whole.
"""
import os
import pathlib
import signal
import subprocess
import threading
import time

from files import Home
from report import expect_true
from restarts import LOGGED, start
from servers import Server, select_pause

SOURCE = pathlib.Path(__file__).with_name("synced.c")
CLIENTS = 3
KEYS = 16


def library(folder):
    path = folder / "synced.so"
    if not path.exists():
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE), "-ldl"], check=True)
    return path


class Writer(threading.Thread):
    """Counts up in keys of its own, two at a time in a transaction; remembers when each number was answered."""

    def __init__(self, server, name):
        super().__init__()
        self.connection, self.name_, self.answered = server.connect(), name, []

    def run(self):
        number = 0
        try:
            while True:
                number += 1
                slot = "%s:%d" % (self.name_, number % KEYS)
                self.connection.pipeline([["MULTI"], ["SET", "a:" + slot, number], ["HSET", "b:" + slot, "n", number],
                                          ["SADD", "s:" + self.name_, number], ["EXEC"]])
                self.answered.append((time.monotonic_ns(), number))
        except Exception:  # the server was killed
            self.connection.close()


def cut(home, journal, rng):
    """Leaves of each file what was synced, and a part of the rest, or zeros. Returns when the last sync began."""
    safe, begun = {}, 0
    for line in journal.read_text().splitlines() if journal.exists() else ():
        at, size, path = line.split(" ", 2)
        if path.endswith(".incr.aof"):
            safe[os.path.basename(path)] = int(size)
            begun = int(at)
    for path in home.log.glob("*.incr.aof"):
        data = path.read_bytes()
        kept = min(safe.get(path.name, 0), len(data))
        more = rng.randrange(len(data) - kept + 1)
        zeros = b"\0" * (len(data) - kept - more) if rng.randrange(3) == 0 else b""
        path.write_bytes(data[:kept + more] + zeros)
    return begun


def lost(connection, writer, until_ns):
    """Why what the writer was answered until then is not all there, or None."""
    numbers = [number for at, number in writer.answered if at < until_ns]
    last = numbers[-1] if numbers else 0
    found = 0
    for slot in range(KEYS):
        a = int(connection.value("GET", "a:%s:%d" % (writer.name_, slot)) or 0)
        b = int(connection.value("HGET", "b:%s:%d" % (writer.name_, slot), "n") or 0)
        if a != b:
            return "half of a transaction: %d and %d" % (a, b)
        found = max(found, a)
    members = connection.value("SCARD", "s:" + writer.name_)
    if members != found:
        return "%d members after number %d" % (members, found)
    return "number %d was answered, %d is there" % (last, found) if found < last else None


def one_crash(binary, rng, fsync, rewrites):
    """What is missing after a crash, as a list; by the rule of `always`, and by that of `everysec`."""
    with Home() as home:
        journal = home.path / "synced"
        env = {**os.environ, "LD_PRELOAD": str(library(home.path)), "SYNC_JOURNAL": str(journal)}
        server = Server(binary, [*LOGGED, "--appendfsync", fsync, "--io-threads", "2"], directory=str(home.path), env=env)
        writers = [Writer(server, "w%d" % i) for i in range(CLIENTS)]
        for writer in writers:
            writer.start()
        if rewrites:
            with server.connect() as connection:
                connection.call("BGREWRITEAOF")
        select_pause(rng.uniform(0.05, 0.9 if fsync == "everysec" else 0.4))
        server.stop(signal.SIGKILL)
        for writer in writers:
            writer.join()
        begun = cut(home, journal, rng)
        with start(binary, home) as server, server.connect() as connection:
            by_always = [lost(connection, writer, 1 << 63) for writer in writers]
            by_sync = [lost(connection, writer, begun) for writer in writers]
        answers = sum(len(writer.answered) for writer in writers)
        expect_true(answers > 20, "only %d answers" % answers)
        return list(filter(None, by_always)), list(filter(None, by_sync))


def nothing_answered_is_lost(binary, rng):
    for number in range(5):
        missing, _ = one_crash(binary, rng, "always", number % 2)
        expect_true(not missing, "\n".join(missing))


def at_most_what_was_not_synced(binary, rng):
    for number in range(3):
        _, missing = one_crash(binary, rng, "everysec", number % 2)
        expect_true(not missing, "\n".join(missing))


def the_check_finds_losses(binary, rng):
    """A server that answers before the sync is found out by the rule of `always`."""
    found = any(one_crash(binary, rng, "everysec", False)[0] for _ in range(4))
    expect_true(found, "no loss was found where there must be one")


CHECKS = [
    ("a crash of the machine takes nothing that `always` has answered", nothing_answered_is_lost),
    ("a crash of the machine takes what `everysec` had not synced, at most", at_most_what_was_not_synced),
    ("the check of crashes finds losses", the_check_finds_losses),
]
