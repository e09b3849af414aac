"""Random commands on keys of any type."""
from values import ODD_COUNT, FAR_S

PATTERNS = [b"*", b"s*", b"?1", b"h[0-3]", b"[^s]*", b"nomatch", b"\\*", b"a\\[b\\]c", b"[a-", b"*:*", b"session:*", b"",
            b"**1", b"[st]?", b"x\\", b"[\\a-z]*", b"k*", b"[z-a]1"]
TIME_OF = {"EXPIRE": lambda g: g.seconds(), "PEXPIRE": lambda g: g.millis(), "EXPIREAT": lambda g: g.at_seconds(),
           "PEXPIREAT": lambda g: g.at_millis()}


def expire(g):
    name = g.pick(tuple(TIME_OF))
    args = [name, g.any_key(), TIME_OF[name](g)]
    for _ in range(g.pick((0, 0, 0, 1, 1, 1, 2))):
        args.append(g.word(g.pick(("NX", "XX", "GT", "LT"))))
    return args


def exact_deadline(g):
    """An absolute deadline is read back to the millisecond."""
    key = g.any_key()
    if g.chance(0.5):
        return [(["EXPIREAT", key, b"%d" % (FAR_S + g.r.randrange(10**6))], None), (["PEXPIRETIME", key], "pttl")]
    when = b"%d" % (FAR_S * 1000 + g.r.randrange(10**9))
    return [(["PEXPIREAT", key, when], None), (["PEXPIRETIME", key], "pttl"), (["EXPIRETIME", key], "ttl")]


def remaining(g):
    name = g.pick(("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"))
    return [([name, g.any_key()], "pttl" if name.startswith("P") else "ttl")]


def rename(name):
    return lambda g: [name, g.any_key(), g.any_key()]


def copy(g):
    args = ["COPY", g.any_key(), g.any_key()]
    for _ in range(g.pick((0, 0, 1, 1, 2))):
        if g.chance(0.5):
            args.append(g.word(b"REPLACE"))
        else:
            args += [g.word(b"DB"), g.pick((b"0", b"1", b"2", b"9", b"16", b"-1", b"abc"))]
    return args


def keys(g):
    return [(["KEYS", g.pick(PATTERNS)], "unordered")]


def scan(g):
    args = ["SCAN", b"0" if g.chance(0.95) else g.pick((b"abc", b"", b"1.5", b"18446744073709551616"))]
    if g.chance(0.5):
        args += [g.word(b"MATCH"), g.pick(PATTERNS)]
    if g.chance(0.4):
        args += [g.word(b"TYPE"), g.pick((b"string", b"hash", b"set", b"zset", b"STRING", b"foo"))]
    args += [g.word(b"COUNT"), b"100000" if g.chance(0.95) else g.pick((b"0", b"-1", b"abc"))]
    if g.chance(0.03):
        args.append(g.pick((b"foo", b"MATCH", b"COUNT")))
    return [(args, "scan")]


def random_key(g):
    return [(["KEYS", b"*"], "unordered"), (["RANDOMKEY"], "random")]


def move(g):
    return ["MOVE", g.any_key(), g.pick((b"0", b"1", b"1", b"2", b"2", b"9", b"16", b"-1", b"abc", b"1.0"))]


def database(g):
    roll = g.r.random()
    if roll < 0.6:
        return ["SELECT", g.pick((b"0", b"0", b"0", b"0", b"1", b"2", b"16", b"-1", b"abc", b"", b"99999999999"))]
    if roll < 0.93:
        return ["SWAPDB", g.pick((b"0", b"1", b"2")), g.pick((b"0", b"1", b"2", b"16", b"a", b"-1"))]
    return [g.pick(("FLUSHDB", "FLUSHDB", "FLUSHALL")), *g.pick(((), (), (b"ASYNC",), (b"sync",), (b"foo",),
                                                                (b"ASYNC", b"SYNC")))]


def objects(g):
    sub = g.pick(("ENCODING", "ENCODING", "ENCODING", "REFCOUNT", "FREQ", "IDLETIME", "HELP", "foo"))
    norm = {"IDLETIME": "type", "FREQ": "type", "HELP": "help"}.get(sub)
    args = ["OBJECT", g.word(sub)]
    if sub != "HELP":
        args.append(g.any_key())
    return [(args, norm)]


MAKERS = [
    (4, lambda g: ["DEL", *[g.any_key() for _ in range(g.r.randint(1, 3))]]),
    (2, lambda g: ["UNLINK", *[g.any_key() for _ in range(g.r.randint(1, 3))]]),
    (3, lambda g: ["EXISTS", *[g.any_key() for _ in range(g.r.randint(1, 4))]]),
    (1, lambda g: ["TOUCH", *[g.any_key() for _ in range(g.r.randint(1, 4))]]),
    (8, expire),
    (2, exact_deadline),
    (5, remaining),
    (2, lambda g: ["PERSIST", g.any_key()]),
    (3, lambda g: ["TYPE", g.any_key()]),
    (2, rename("RENAME")),
    (2, rename("RENAMENX")),
    (3, copy),
    (2, move),
    (2, keys),
    (2, scan),
    (1, random_key),
    (3, database),
    (1, lambda g: [(["KEYS", b"*"], "unordered"), (["DBSIZE"], "true_size")]),
    (5, objects),
    (1, lambda g: ["SELECT", b"0"]),
    (1, lambda g: ["TOUCH", g.pick(ODD_COUNT)]),
]
