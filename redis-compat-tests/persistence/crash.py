"""A machine that stops. The page cache survives a killed process, so the test takes away what was never synced
(disk.py): files are cut behind what was, at random, or end in zeros; names of files are those of before where the
directory was not synced.

With `always` everything that was answered is there; with `everysec` everything that was answered before the last
completed sync began, but for a moment: there an answer does not wait for its write. In both cases transactions are
whole.
"""
import signal
import threading
import time

from disk import Disk
from files import Home
from report import expect_true
from resp import Eof
from restarts import LOGGED, start
from servers import Server, is_redis, poll_until, select_pause

CLIENTS = 3
KEYS = 16
EVER = 1 << 63
WRITTEN_AFTER_NS = 50_000_000  # how long after the answer, with `everysec`


class Writer(threading.Thread):
    """Counts up in keys of its own, mostly in transactions; remembers when each number was answered."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.connection, self.name_, self.answered, self.sent = server.connect(), name, [], 0

    def run(self):
        try:
            while True:
                self.sent += 1
                number, slot = self.sent, "%s:%d" % (self.name_, self.sent % KEYS)
                if number % 5:
                    self.connection.pipeline([["MULTI"], ["SET", "a:" + slot, number],
                                              ["HSET", "b:" + slot, "n", number],
                                              ["SADD", "s:" + self.name_, number], ["EXEC"]])
                else:
                    self.connection.call("SADD", "s:" + self.name_, number)
                self.answered.append((time.monotonic_ns(), number))
        except (Eof, OSError):  # the server was killed
            self.connection.close()


def lost(connection, writer, until_ns):
    """Why what the writer was answered until then is not all there, or None."""
    numbers = [number for at, number in writer.answered if at < until_ns]
    last = numbers[-1] if numbers else 0
    grouped = 0
    for slot in range(KEYS):
        a = int(connection.value("GET", "a:%s:%d" % (writer.name_, slot)) or 0)
        b = int(connection.value("HGET", "b:%s:%d" % (writer.name_, slot), "n") or 0)
        if a != b:
            return "half of a transaction: %d and %d" % (a, b)
        grouped = max(grouped, a)
    members = sorted(map(int, connection.value("SMEMBERS", "s:" + writer.name_)))
    found = len(members)
    if members != list(range(1, found + 1)):
        return "members are not all there from the first to the last: %d, up to %d" % (found, members[-1])
    if grouped != (found if found % 5 else found - 1) and found:
        return "number %d was written in full, %d in part" % (grouped, found)
    if found > writer.sent:
        return "number %d was never sent" % found
    return "%s: number %d was answered, %d is there" % (writer.name_, last, found) if found < last else None


class Machine:
    """Servers on one disk, each ended by a crash of the machine."""

    def __init__(self, binary, rng, fsync):
        self.binary, self.rng, self.fsync = binary, rng, fsync
        self.home, self.expected, self.crashes = Home(), [], 0  # (writer, until when)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.home.__exit__()

    def work(self, server, disk, rewrites):
        writers = [Writer(server, "w%d.%d" % (self.crashes, i)) for i in range(CLIENTS)]
        for writer in writers:
            writer.start()
        try:
            if rewrites:
                with server.connect() as connection:
                    for _ in range(self.rng.randrange(1, 4)):
                        select_pause(self.rng.uniform(0, 0.1))
                        connection.call("BGREWRITEAOF")
            if self.fsync == "everysec":
                expect_true(poll_until(disk.has_synced, 5, 0.02), "not synced within 5 s")
            select_pause(self.rng.uniform(0.05, 0.3))
        finally:
            server.stop(signal.SIGKILL)
        for writer in writers:
            writer.join()
        expect_true(sum(len(writer.answered) for writer in writers) > 3, "too few answers")
        return writers

    def crash(self, rewrites=False, lie=False):
        """What is missing then, as a list: nothing, it is hoped."""
        with Disk(self.home) as disk:
            options = [*LOGGED, "--appendfsync", self.fsync, "--io-threads", "2"]
            server = Server(self.binary, options, directory=str(self.home.path), env=disk.environment(lie))
            writers = self.work(server, disk, rewrites)
            left = disk.left(self.rng, zeros=not is_redis(self.binary), least=lie)
            expect_true(is_redis(self.binary) or disk.name_is_safe(), "the directory of the log's was never synced")
            self.home.__exit__()
            self.home = left
        self.crashes += 1
        until = EVER if self.fsync == "always" else max(disk.syncs) - WRITTEN_AFTER_NS
        self.expected += [(writer, until) for writer in writers]
        with start(self.binary, self.home) as server, server.connect() as connection:
            missing = list(filter(None, (lost(connection, *expected) for expected in self.expected)))
            if not missing:
                self.expected = [(writer, EVER) for writer, _ in self.expected]
                self.settle(connection)
        return missing

    def settle(self, connection):
        """What is there now stays, and no more is expected."""
        for writer, _ in self.expected:
            found = connection.value("SCARD", "s:" + writer.name_)
            writer.answered, writer.sent = [(0, found)], found


def survives(fsync, rounds, rewrites):
    def check(binary, rng):
        for _ in range(rounds):
            with Machine(binary, rng, fsync) as machine:
                for _ in range(2):
                    missing = machine.crash(rewrites(binary))
                    expect_true(not missing, "\n".join(missing))
    return check


def the_check_finds_lies(binary, rng):
    """A disk that says it has synced, and has not, is found out."""
    with Machine(binary, rng, "always") as machine:
        try:
            missing = machine.crash(lie=True)
        except RuntimeError:  # nor does a server start on what is left
            return
        expect_true(missing, "no loss was found where there must be one")


def the_check_finds_losses(binary, rng):
    """A server that answers before the sync is found out by the rule of `always`."""
    with Machine(binary, rng, "everysec") as machine:
        with Disk(machine.home) as disk:
            server = Server(binary, LOGGED, directory=str(machine.home.path), env=disk.environment())
            writers = machine.work(server, disk, False)
            with disk.left(rng, least=True) as left, start(binary, left) as server, server.connect() as connection:
                expect_true(any(lost(connection, writer, EVER) for writer in writers), "no loss was found")


def never(_):
    return False


CHECKS = [
    ("a crash of the machine takes nothing that `always` has answered", survives("always", 2, never)),
    ("a crash in a rewrite takes nothing that `always` has answered", survives("always", 2, lambda binary: True)),
    ("a crash of the machine takes what `everysec` had not synced, at most", survives("everysec", 1, never)),
    ("a crash in a rewrite takes what `everysec` had not synced, at most",
     survives("everysec", 1, lambda binary: not is_redis(binary))),
    ("the check of crashes finds a disk that lies", the_check_finds_lies),
    ("the check of crashes finds answers before the sync", the_check_finds_losses),
]
