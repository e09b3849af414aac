"""Random keys, values and odd arguments. Everything comes from one seeded generator."""
import random
import uuid

from engine import Op

ODD = [b"0", b"1", b"-1", b"+1", b"01", b"-0", b" 1", b"1 ", b"1.0", b"1e3", b"0x10", b"", b"abc", b"1a", b"\x00",
       b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809",
       b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999", b"nan", b"inf", b"-inf",
       b"+inf", b"infinity", b"NaN", b"1e400", b"-1e400", b"1e-400", b"2147483647", b"2147483648", b"4294967296",
       b".5", b"5.", b"0.1", b"1_000", b"1\n", b"--1", b"+", b"-", b"3.0e3", b"1e17", b"0e0"]
# Counts and offsets that would make a server build something enormous are left out on purpose.
ODD_COUNT = [n for n in ODD if n not in (b"2147483647", b"2147483648", b"4294967296")]
ODD_TIME = [b"0", b"-1", b"-100", b"abc", b"", b"1.0", b"1e3", b" 1", b"1 ", b"nan", b"9223372036854775807",
            b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809", b"99999999999999999999999",
            b"9223372036854775", b"9223372036854776", b"-9223372036854775", b"01000000", b"+1000000", b"1a"]
FLOATS = [b"0", b"1", b"-1", b"0.1", b"0.2", b"1.5", b"-2.25", b"1e3", b"1e-3", b"5.0e3", b"3.14159265358979",
          b"1e17", b"1e20", b"123456789.123456789", b"0.000000001", b"1e-15", b"+5", b"-0", b"00.5", b"1e308",
          b"1e4000", b"1e5000", b"nan", b"inf", b"-inf", b"infinity", b"abc", b"", b" 1", b"1 ", b"0x10", b"10.50",
          b"100000000000000000000000000000000000000000000000000000000000000000"]
SIZES = [0, 1, 2, 3, 5, 8, 12, 20, 21, 43, 44, 45, 46, 63, 64, 65, 66, 127, 128, 255, 256, 300, 1000]
BIG_SIZES = [4095, 4096, 16384, 16385, 32768, 70000]
FAR_S = 4102444800  # 2100-01-01
WORDS = [b"alice", b"bob", b"carol", b"dave", b"token", b"cart", b"role", b"admin", b"user", b"csrf", b"lang"]
JUNK = [b"NX", b"XX", b"GT", b"LT", b"EX", b"PX", b"KEEPTTL", b"GET", b"LIMIT", b"COUNT", b"MATCH", b"TYPE",
        b"WITHVALUES", b"REPLACE", b"DB", b"LEN", b"IDX", b"ASYNC", b"SYNC", b"PERSIST", b"foo", b"\xff\xfe", b""]


def make_pools():
    """Key names. Small pools, so that commands meet each other's keys."""
    rng = random.Random(7)
    ids = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(6)]
    sessions = [b"session:" + i.encode() for i in ids]
    sessions += [b"session:%032x" % rng.getrandbits(128), b"session:", b"session:UPPER-" + ids[0][6:].upper().encode()]
    return {
        "s": [b"s%d" % i for i in range(7)] + [b"str:\x00bin\r\n", b"k" * 300],
        "h": [b"h%d" % i for i in range(6)] + [b"hash:\xff\xfe"],
        "t": [b"t%d" % i for i in range(6)] + [b"tag{1}:a", b"tag{1}:b"],
        "x": [b"x0", b"x1", b"x2", b"x3", b"", b"y" * 1200, b"*", b"a[b]c", b"caf\xc3\xa9"],
        "n": [b"n0", b"n1", b"n2", b"n3"],
        "session": sessions,
        "user": [b"user_sessions:u%d" % i for i in range(4)] + [b"user_sessions:"],
    }, [i.encode() for i in ids]


class Gen:
    """The random source of one stream, with the small vocabulary of all command makers."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.pools, self.ids = make_pools()
        self.conn = 0
        self.in_multi = False
        self.all_keys = [k for pool in ("s", "h", "t", "x", "n") for k in self.pools[pool]]

    def chance(self, share):
        return self.r.random() < share

    def pick(self, items):
        return items[int(self.r.random() * len(items))]

    def key(self, kind):
        """Mostly a key of the wanted type, sometimes any."""
        roll = self.r.random()
        if roll < 0.84:
            return self.pick(self.pools[kind])
        if roll < 0.96:
            return self.pick(self.all_keys)
        if roll < 0.98:
            return b"missing:%d" % self.r.randrange(1000)
        return self.pick(self.pools["session"] + self.pools["user"])

    def any_key(self):
        return self.key(self.pick("shtxn"))

    def keys(self, kind, low=1, high=4):
        return [self.key(kind) for _ in range(self.r.randint(low, high))]

    def number(self, low=-100, high=100):
        return b"%d" % self.r.randint(low, high)

    def small_int(self):
        roll = self.r.random()
        if roll < 0.8:
            return self.number()
        if roll < 0.9:
            return b"%d" % self.r.randint(-2**31, 2**31)
        return self.pick(ODD)

    def value(self):
        roll = self.r.random()
        if roll < 0.35:
            return self.pick(WORDS)
        if roll < 0.6:
            return self.number(-1000, 20000)
        if roll < 0.7:
            return self.pick(ODD)
        if roll < 0.992:
            return self.blob(self.pick(SIZES))
        return self.blob(self.pick(BIG_SIZES))

    def blob(self, size):
        kind = self.r.random()
        if kind < 0.5:
            return bytes([97 + self.r.randrange(26)]) * size
        if kind < 0.8:
            return (b"%d|" % self.r.randrange(10**6) * (size // 2 + 1))[:size]
        return self.r.randbytes(size)

    def member(self):
        roll = self.r.random()
        if roll < 0.4:
            return b"%d" % self.r.randint(-5, 40)
        if roll < 0.7:
            return b"m%d" % self.r.randint(0, 30)
        if roll < 0.8:
            return self.pick(WORDS)
        if roll < 0.85:
            return self.pick(self.ids)
        return self.value() if roll < 0.97 else self.pick(ODD)

    def field(self):
        roll = self.r.random()
        if roll < 0.75:
            return b"f%d" % self.r.randint(0, 24)
        return self.pick(WORDS) if roll < 0.9 else self.value()

    def seconds(self):
        """A time to live that cannot run out during the run, or is past or invalid."""
        return self.pick(ODD_TIME) if self.chance(0.08) else b"%d" % self.r.randint(1000, 10**7)

    def millis(self):
        return self.pick(ODD_TIME) if self.chance(0.08) else b"%d" % self.r.randint(10**6, 10**10)

    def at_seconds(self):
        roll = self.r.random()
        if roll < 0.08:
            return self.pick(ODD_TIME)
        return b"%d" % (FAR_S + self.r.randrange(10**6) if roll < 0.9 else self.r.randrange(1, 10**9))

    def at_millis(self):
        roll = self.r.random()
        if roll < 0.08:
            return self.pick(ODD_TIME)
        return b"%d" % ((FAR_S + self.r.randrange(10**6)) * 1000 + 7 if roll < 0.9 else self.r.randrange(1, 10**12))

    def word(self, text):
        """An option or command name, sometimes in another case."""
        raw = text.encode() if isinstance(text, str) else text
        if self.chance(0.1):
            raw = raw.lower() if self.chance(0.6) else bytes(self.pick((c, c ^ 0x20)) if 65 <= c <= 90 else c
                                                           for c in raw)
        return raw

    def op(self, args, norm=None):
        return make_op(self.conn, [self.word(args[0]), *args[1:]], norm)


KINDS = {b"MULTI": "multi", b"EXEC": "exec", b"DISCARD": "end", b"RESET": "end", b"QUIT": "quit", b"SPOP": "spop"}


def make_op(conn, args, norm=None):
    return Op(conn, args, norm, KINDS.get(args[0].upper(), "cmd"))
