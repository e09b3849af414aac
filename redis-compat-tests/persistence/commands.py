"""Random write commands of every family, and what a server holds after them."""
KEYS = [b"k%d" % i for i in range(24)] + [b"key\r\nwith a line", b"\x00\xff\xfe", b""]
DATABASES = 4


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
            return b"v" * self.rng.randrange(20_000, 80_000)
        if kind < 5:
            return b"%d" % self.rng.randrange(-1000, 1000)
        return bytes(self.rng.randrange(256) for _ in range(self.rng.randrange(12)))

    def time_ms(self):
        """Long enough to be there at the end, or long over by then."""
        return self.rng.choice([1, 5, 20, 600_000, 10_000_000, 1 << 43])

    def command(self):
        rng, key = self.rng, self.key()
        return rng.choice(rng.choice([
            [["SET", key, self.word()], ["SET", key, self.word(), "PX", self.time_ms()], ["SET", key, self.word(), "KEEPTTL"],
             ["SET", key, self.word(), "NX", "EX", 1000], ["SET", key, self.word(), "XX", "GET"], ["SETNX", key, self.word()],
             ["SETEX", key, 500, self.word()], ["GETSET", key, self.word()], ["GETDEL", key], ["APPEND", key, self.word()],
             ["SETRANGE", key, rng.randrange(20), self.word()], ["INCR", key], ["INCRBY", key, rng.randrange(-50, 50)],
             ["INCRBYFLOAT", key, "0.25"], ["GETEX", key, "PX", self.time_ms()], ["GETEX", key, "PERSIST"],
             ["MSET", key, self.word(), self.key(), self.word()], ["MSETNX", key, self.word(), self.key(), self.word()]],
            [["HSET", key, self.word(), self.word(), "f%d" % rng.randrange(9), self.word()], ["HSETNX", key, "f1", self.word()],
             ["HDEL", key, "f%d" % rng.randrange(9)], ["HINCRBY", key, "n", 3], ["HINCRBYFLOAT", key, "n", "1.5"],
             ["HMSET", key, "f3", self.word()]],
            [["SADD", key, self.word(), "m%d" % rng.randrange(9), rng.randrange(600)], ["SREM", key, "m%d" % rng.randrange(9)],
             ["SPOP", key], ["SPOP", key, 2], ["SMOVE", key, self.key(), "m1"], ["SUNIONSTORE", key, *self.keys()],
             ["SINTERSTORE", key, *self.keys()], ["SDIFFSTORE", key, *self.keys()]],
            [["DEL", *self.keys()], ["UNLINK", key], ["EXPIRE", key, 1000], ["PEXPIRE", key, self.time_ms(), "NX"],
             ["EXPIREAT", key, self.now_ms // 1000 - 5], ["PEXPIREAT", key, self.now_ms + self.time_ms()], ["PERSIST", key],
             ["RENAME", key, self.key()], ["RENAMENX", key, self.key()], ["COPY", key, self.key(), "REPLACE"],
             ["COPY", key, self.key(), "DB", rng.randrange(DATABASES)], ["MOVE", key, rng.randrange(DATABASES)],
             ["SELECT", rng.randrange(DATABASES)]],
            [["SWAPDB", rng.randrange(DATABASES), rng.randrange(DATABASES)], ["SELECT", rng.randrange(DATABASES)],
             ["FLUSHDB"] if rng.randrange(8) == 0 else ["INCR", key], ["FLUSHALL"] if rng.randrange(30) == 0 else ["INCR", key]],
        ]))

    def stream(self, count):
        """Commands, some of them in transactions."""
        out = []
        while len(out) < count:
            if self.rng.randrange(10):
                out.append(self.command())
            else:
                out += [["MULTI"], *[self.command() for _ in range(self.rng.randrange(5))], ["EXEC"]]
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
