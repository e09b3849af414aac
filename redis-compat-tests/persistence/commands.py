"""Random write commands of every family, and what a server holds after them."""
KEYS = [b"k%d" % i for i in range(24)] + [b"key\r\nwith a line", b"\x00\xff\xfe", b""]
DATABASES = 4
LONG_MS = [600_000, 10_000_000, 1 << 43]


class Commands:
    def __init__(self, rng, now_ms):
        self.rng = rng
        self.now_ms = now_ms

    def key(self):
        return self.rng.choice(KEYS)

    def keys(self):
        return [self.key() for _ in range(self.rng.randrange(1, 4))]

    def word(self):
        kind = self.rng.randrange(20)
        if kind == 0:
            return b"v" * (1 << 20 if self.rng.randrange(40) == 0 else self.rng.randrange(20_000, 80_000))
        if kind == 1:
            return b"\r\n$3\r\n*1\r\n"
        if kind < 6:
            return b"%d" % self.rng.randrange(-1000, 1000)
        return bytes(self.rng.randrange(256) for _ in range(self.rng.randrange(12)))

    def time_ms(self):
        """Long enough to be there at the end, or long over by then."""
        return self.rng.choice([1, 5, 20, *LONG_MS])

    def at_ms(self):
        return self.now_ms + self.rng.choice([-5000, 5, *LONG_MS])

    def at_s(self):
        return self.now_ms // 1000 + self.rng.choice([-5, 1000, 1 << 33])

    def command(self):
        families = [self.string, self.number, self.hash, self.set, self.lifetime, self.whole_key]
        if self.rng.randrange(12) == 0:
            return self.database()
        return self.rng.choice(self.rng.choice(families)(self.key()))

    def string(self, key):
        word, rng = self.word, self.rng
        return [["SET", key, word()], ["SET", key, word(), "PX", self.time_ms()], ["SET", key, word(), "KEEPTTL"],
                ["SET", key, word(), "NX", "EX", 1000], ["SET", key, word(), "XX", "GET"],
                ["SET", key, word(), "PXAT", self.at_ms()], ["SET", key, word(), "EXAT", self.at_s()],
                ["SETNX", key, word()], ["SETEX", key, 500, word()], ["PSETEX", key, self.time_ms(), word()],
                ["GETSET", key, word()], ["GETDEL", key], ["APPEND", key, word()],
                ["SETRANGE", key, rng.randrange(20), word()], ["GETEX", key, "PX", self.time_ms()],
                ["GETEX", key, "EXAT", self.at_s()], ["GETEX", key, "PERSIST"],
                ["MSET", key, word(), self.key(), word()], ["MSETNX", key, word(), self.key(), word()]]

    def number(self, key):
        rng = self.rng
        return [["INCR", key], ["DECR", key], ["INCRBY", key, rng.randrange(-50, 50)],
                ["DECRBY", key, rng.randrange(50)], ["INCRBYFLOAT", key, "0.25"], ["INCRBYFLOAT", key, "-3.0e5"],
                ["SET", key, rng.randrange(100)], ["SET", key, "1e3", "PX", self.time_ms()], ["INCR", key]]

    def hash(self, key):
        word, field = self.word, "f%d" % self.rng.randrange(9)
        return [["HSET", key, word(), word(), field, word()], ["HSETNX", key, field, word()], ["HDEL", key, field],
                ["HDEL", key, *["f%d" % i for i in range(6)]], ["HINCRBY", key, "n", 3],
                ["HINCRBYFLOAT", key, "n", "1.5"], ["HMSET", key, "f3", word(), b"", word()]]

    def set(self, key):
        rng, member = self.rng, "m%d" % self.rng.randrange(9)
        return [["SADD", key, self.word(), member, rng.randrange(600)], ["SADD", key, *range(rng.randrange(1, 9))],
                ["SREM", key, member], ["SPOP", key], ["SPOP", key, rng.randrange(4)],
                ["SMOVE", key, self.key(), member], ["SUNIONSTORE", key, *self.keys()],
                ["SINTERSTORE", key, *self.keys()], ["SDIFFSTORE", key, *self.keys()]]

    def lifetime(self, key):
        when = self.rng.choice([[], ["NX"], ["XX"], ["GT"], ["LT"]])
        return [["EXPIRE", key, 1000, *when], ["PEXPIRE", key, self.time_ms(), *when],
                ["EXPIREAT", key, self.at_s(), *when], ["PEXPIREAT", key, self.at_ms(), *when], ["EXPIRE", key, -1],
                ["PERSIST", key]]

    def whole_key(self, key):
        database = self.rng.randrange(DATABASES)
        return [["DEL", *self.keys()], ["UNLINK", key], ["RENAME", key, self.key()], ["RENAMENX", key, self.key()],
                ["COPY", key, self.key(), "REPLACE"], ["COPY", key, self.key(), "DB", database],
                ["MOVE", key, database], ["SELECT", database]]

    def database(self):
        """Now and then all of it goes."""
        rng = self.rng
        return rng.choice([["SWAPDB", rng.randrange(DATABASES), rng.randrange(DATABASES)],
                           ["SELECT", rng.randrange(DATABASES)], ["SELECT", rng.randrange(DATABASES)],
                           ["FLUSHDB", *rng.choice([[], ["ASYNC"]])] if rng.randrange(4) == 0 else ["DEL", self.key()],
                           ["FLUSHALL"] if rng.randrange(12) == 0 else ["UNLINK", self.key()]])

    def group(self):
        """A transaction; some are given up, by the client or by the server."""
        inside = [self.command() for _ in range(self.rng.randrange(6))]
        end = self.rng.randrange(8)
        if end == 0:
            return [["MULTI"], *inside, ["DISCARD"]]
        return [["MULTI"], *inside, *([["SET", "too short"]] if end == 1 else []), ["EXEC"]]

    def stream(self, count):
        """Commands, some of them in transactions."""
        out = []
        while len(out) < count:
            if self.rng.randrange(10):
                out.append(self.command())
            else:
                out += self.group()
        return out


def run(connection, commands):
    for at in range(0, len(commands), 100):
        connection.pipeline(commands[at:at + 100])


def contents(connection):
    """{(database, key): (type, value, deadline in ms)} of all that has not expired."""
    found = {}
    for db in range(DATABASES):
        connection.call("SELECT", str(db))
        for _, key in connection.call("KEYS", "*")[1]:
            kind = connection.call("TYPE", key)[1]
            value = {b"string": lambda: connection.call("GET", key)[1],
                     b"hash": lambda: pairs(connection.call("HGETALL", key)[1]),
                     b"set": lambda: sorted(v for _, v in connection.call("SMEMBERS", key)[1])}[kind]()
            found[db, key] = kind, value, connection.call("PEXPIRETIME", key)[1]
    return found


def pairs(nodes):
    return {nodes[i][1]: nodes[i + 1][1] for i in range(0, len(nodes), 2)}


def differences(wanted, found):
    """A few lines about what is not the same."""
    lines = []
    for name in sorted(set(wanted) | set(found)):
        if wanted.get(name) != found.get(name):
            lines.append("%r: wanted %.120r, found %.120r" % (name, wanted.get(name), found.get(name)))
    return "\n".join(lines[:8])
