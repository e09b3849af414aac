"""Logs that end too early: a server starts with a whole prefix of them, cuts them there and goes on.

What a prefix means says a redis-server that loads it.
"""
from commands import contents, differences
from damage import a_log, refused
from files import Home, groups
from report import expect, expect_true
from restarts import start
from servers import cloakrooms_own, is_redis, redis_binary

TOO_SHORT = (r"Unexpected end of file reading the append only file( [^ ]+)?\. You can: 1\) Make a backup of your AOF "
             r"file, then use \./redis-check-aof --fix <filename\.manifest>\. 2\) Alternatively you can set the "
             r"'aof-load-truncated' configuration option to yes and restart the server\.")


class Torn:
    """One log, cut in many ways."""

    def __init__(self, binary, home, data):
        self.binary, self.home, self.data = binary, home, data
        self.ends = [0] + [end for _, end in groups(data)]
        self.meant = {}

    def boundary(self, cut):
        return max(end for end in self.ends if end <= cut)

    def is_group(self, end):
        return self.data[end:end + 13].upper() == b"*1\r\n$5\r\nMULTI"

    def meaning(self, end):
        if end not in self.meant:
            with self.home.copy() as copy:
                copy.last().write_bytes(self.data[:end])
                with start(redis_binary(), copy) as server, server.connect() as connection:
                    self.meant[end] = contents(connection)
        return self.meant[end]

    def was_cut(self, end, cut):
        """What is behind the boundary are keys that have expired meanwhile, at most."""
        left = self.home.last().read_bytes()
        expect_true(left[:end] == self.data[:end], "cut at %d: what was whole is not there" % cut)
        added = [words[0].upper() for group, _ in groups(left[end:]) for words in group]
        expect_true(set(added) <= {b"SELECT", b"DEL", b"UNLINK"} and bool(added) == (len(left) > end),
                    "cut at %d: %d bytes are left, not %d" % (cut, len(left), end))

    def loads(self, cut, tail=b""):
        """The server starts on it, with what was whole; so it does once it has gone on."""
        end = self.boundary(cut)
        wanted = self.meaning(end)
        self.home.last().write_bytes(self.data[:cut] + tail)
        with start(self.binary, self.home) as server, server.connect() as connection:
            found = contents(connection)
            expect_true(found == wanted, "cut at %d: other contents\n%s" % (cut, differences(wanted, found)))
            if is_redis(self.binary) and self.is_group(end):
                return  # it leaves what it has read of the group in the file
            self.was_cut(end, cut)
            connection.pipeline([["SELECT", 3], ["SET", "added", cut]])
        wanted = {**wanted, (3, b"added"): (b"string", b"%d" % cut, -1)}
        with start(self.binary, self.home) as server, server.connect() as connection:
            found = contents(connection)
        expect_true(found == wanted, "cut at %d and written to: other contents\n%s" % (cut, differences(wanted, found)))


def interesting(torn, rng, count):
    """Cuts anywhere, and within groups of several commands, at and beside their ends."""
    edges = [at for (_, end) in rng.sample(groups(torn.data), 3) for at in (end - 1, end, end + 1)]
    within = [rng.randrange(begin + 1, end) for begin, end in zip(torn.ends, torn.ends[1:])
              if torn.is_group(begin)]
    anywhere = [rng.randrange(len(torn.data)) for _ in range(count)]
    return [at for at in [0, 1, *edges, *rng.sample(within, min(4, len(within))), *anywhere] if at < len(torn.data)]


def cut_anywhere(count):
    def check(binary, rng):
        with Home() as home:
            torn = Torn(binary, home, a_log(binary, rng, home))
            for cut in interesting(torn, rng, count):
                torn.loads(cut)
    return check


def cut_everywhere(binary, rng):
    """Each byte of the end of a log."""
    with Home() as home:
        torn = Torn(binary, home, a_log(binary, rng, home, 60))
        for cut in range(max(0, len(torn.data) - 200), len(torn.data)):
            torn.loads(cut)


@cloakrooms_own
def zeros(binary, rng):
    """What a file system may leave of bytes that were never written: zeros, behind whole commands or within one."""
    with Home() as home:
        torn = Torn(binary, home, a_log(binary, rng, home))
        for cut, size in ((len(torn.data), 1), (len(torn.data), 4096), (rng.choice(torn.ends), 100_000),
                          *((rng.randrange(len(torn.data)), 4096) for _ in range(4))):
            torn.loads(cut, b"\0" * size)


def not_wanted(binary, rng):
    """aof-load-truncated no"""
    with Home() as home:
        data = a_log(binary, rng, home)
        home.last().write_bytes(data[:-1])
        refused(binary, home, TOO_SHORT, "--aof-load-truncated", "no")


def not_the_last(binary, rng):
    """A redis-server says the same, but cuts the file first."""
    with Home() as home:
        data = a_log(binary, rng, home)
        name = home.last().name
        home.write(home.manifest.read_bytes() + b"file appendonly.aof.9.incr.aof seq 9 type i\n",
                   {"appendonly.aof.9.incr.aof": b"", name: data[:-3]})
        refused(binary, home, "the truncated file is not the last file", touched=is_redis(binary))


CHECKS = [
    ("a torn end is cut back to the last whole group", cut_anywhere(6)),
    ("zeros at the end are cut off", zeros),
    ("a torn end refuses the start where that is asked for", not_wanted),
    ("a short file that is not the last refuses the start", not_the_last),
]
LONG = [("a log cut at each byte of its end", cut_everywhere)]
