"""Files that hold what they should not."""
import re

from files import Home, log_of
from report import expect, expect_true
from restarts import LOGGED, fill, start
from servers import Server, cloakrooms_own, is_redis, poll_until

BAD_FORMAT = "(^|[#*] )Bad file format reading the append only file"


def a_log(binary, rng, home, count=120):
    """The bytes of its last file, which a server wrote."""
    server = start(binary, home)
    fill(server, rng, count)
    server.stop()
    return home.last().read_bytes()


def refused(binary, home, pattern, *options, touched=False):
    """The start is refused, with this in the log, and nothing is touched."""
    before = home.state()
    with Server(binary, [*LOGGED, *options], directory=str(home.path), wait=False) as server:
        expect(exit_code(server), 1, "exit code")
    expect_true(re.search(pattern, server.log(), re.M), "%r is not in the log:\n%s" % (pattern, server.log()))
    expect_true(touched or home.state() == before, "files were changed")


def exit_code(server):
    """Of one that ends by itself, as it should."""
    return server.process.returncode if poll_until(lambda: not server.alive(), 10) else "none: it runs"


def marks(data):
    """(offsets of the characters that begin an array or a word, offsets of the digits behind them)"""
    starts, digits, at = [], [], 0
    while at < len(data):
        end = data.index(b"\n", at)
        starts.append(at)
        digits += range(at + 1, end - 1)
        at = end + 1
        if data[starts[-1]] == ord("$"):
            at += int(data[starts[-1] + 1:end]) + 2
    return starts, digits


def flipped(binary, rng):
    """A mark that is none is damage, not an end, wherever it is."""
    with Home() as home:
        data = a_log(binary, rng, home)
        starts = marks(data)[0]
        for at in [starts[0], starts[-1], *rng.sample(starts, 8)]:
            changed = bytearray(data)
            changed[at] ^= 1 << rng.randrange(3)
            if changed[at] == ord("#"):  # where a record begins that is an annotation
                changed[at] = ord("%")
            home.last().write_bytes(changed)
            refused(binary, home, BAD_FORMAT)
            refused(binary, home, BAD_FORMAT, "--aof-load-truncated", "no")


@cloakrooms_own
def no_length(binary, rng):
    """Lengths that are no numbers, none, or too large for anything. Redis takes some of them for others."""
    with Home() as home:
        data = a_log(binary, rng, home)
        half = [at for at in marks(data)[0] if at > len(data) // 2]
        for wrong in (b"x", b"-7", b"99999999999999999999", b""):
            at = rng.choice([at for at in half if data[at] == ord("$")])
            home.last().write_bytes(data[:at + 1] + wrong + data[data.index(b"\r", at):])
            refused(binary, home, BAD_FORMAT)
        for wrong in (b"0", b"-1", b"x"):
            at = rng.choice([at for at in half if data[at] == ord("*")] + [marks(data)[0][0]])
            home.last().write_bytes(data[:at + 1] + wrong + data[data.index(b"\r", at):])
            refused(binary, home, BAD_FORMAT)


@cloakrooms_own
def any_digit(binary, rng):
    """A length that is another one may look like an end; a server that starts serves, one that does not says so. (A
    redis-server may break.)"""
    with Home() as home:
        data = a_log(binary, rng, home, 40)
        for at in rng.sample(marks(data)[1], 10):
            changed = bytearray(data)
            changed[at] = rng.choice(b"0123456789\r\n\0")
            home.last().write_bytes(changed)
            server = Server(binary, LOGGED, directory=str(home.path), wait=False)
            try:
                server.wait_ready()
                expect(server.stop(), 0, "exit code with byte %d as %r" % (at, changed[at]))
            except RuntimeError:
                expect(server.stop(), 1, "exit code with byte %d as %r" % (at, changed[at]))


def no_command(binary, rng):
    """A whole record that no server of this kind can have written."""
    del rng
    with Home() as home:
        for words in ("NOSUCHCOMMAND a b", "EXEC", "DISCARD", "GET a", "SUBSCRIBE a", "SHUTDOWN"):
            home.write(b"file a seq 1 type i\n", {"a": log_of("SELECT 0", "SET a 1", words, "SET b 1")})
            if words.startswith("NO") or not is_redis(binary):  # it passes over an EXEC that ends nothing
                refused(binary, home, "(?i)unknown command|no log holds|" + BAD_FORMAT)


CHECKS = [
    ("a damaged mark refuses the start", flipped),
    ("a length that is none refuses the start", no_length),
    ("a damaged length never breaks a server", any_digit),
    ("an unknown command refuses the start", no_command),
]
