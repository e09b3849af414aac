"""Random commands on strings. A maker returns one list of arguments, or (arguments, norm)."""
from values import FLOATS, ODD_COUNT


def set_options(g):
    options = []
    for _ in range(g.pick((0, 1, 1, 1, 2, 2, 3))):
        name = g.pick(("EX", "PX", "EXAT", "PXAT", "KEEPTTL", "NX", "XX", "GET", "NX", "XX", "GET", "EX", "PX"))
        options.append(g.word(name))
        if name in TIMES:
            options.append(TIMES[name](g))
    return options


TIMES = {"EX": lambda g: g.seconds(), "PX": lambda g: g.millis(), "EXAT": lambda g: g.at_seconds(),
         "PXAT": lambda g: g.at_millis()}


def getex(g):
    args = ["GETEX", g.key("s")]
    for _ in range(g.pick((0, 1, 1, 1, 1, 2))):
        name = g.pick(("EX", "PX", "EXAT", "PXAT", "PERSIST", "PERSIST"))
        args.append(g.word(name))
        if name in TIMES:
            args.append(TIMES[name](g))
    return args


def offset(g):
    roll = g.r.random()
    if roll < 0.8:
        return b"%d" % g.r.randint(-12, 40)
    return b"%d" % g.r.randint(-2000, 2000) if roll < 0.9 else g.pick(ODD_COUNT)


def set_offset(g):
    roll = g.r.random()
    if roll < 0.85:
        return b"%d" % g.r.randint(0, 60)
    return g.pick((b"-1", b"536870912", b"4294967296", b"9223372036854775807", b"abc", b"1.5", b"", b"3000"))


def lcs(g):
    args = ["LCS", g.key("n"), g.key("n")]
    for _ in range(g.pick((0, 0, 1, 1, 2, 3))):
        name = g.pick(("LEN", "IDX", "WITHMATCHLEN", "MINMATCHLEN"))
        args.append(g.word(name))
        if name == "MINMATCHLEN":
            args.append(g.number(-1, 4) if g.chance(0.9) else g.pick(ODD_COUNT))
    return args


def short_text(g):
    return ["SET", g.key("n"), bytes(g.pick(b"abcd") for _ in range(g.r.randint(0, 25)))]


def counter_key(g):
    return g.pick(g.pools["s"][:4]) if g.chance(0.7) else g.key("s")


def many(g, low=1, high=4):
    out = []
    for _ in range(g.r.randint(low, high)):
        out += [g.key("s"), g.value()]
    return out if g.chance(0.97) else out[:-1]


MAKERS = [
    (9, lambda g: ["GET", g.key("s")]),
    (6, lambda g: ["SET", g.key("s"), g.value()]),
    (9, lambda g: ["SET", g.key("s"), g.value(), *set_options(g)]),
    (3, lambda g: ["SET", counter_key(g), g.number()]),
    (2, lambda g: ["SETEX", g.key("s"), g.seconds(), g.value()]),
    (2, lambda g: ["PSETEX", g.key("s"), g.millis(), g.value()]),
    (2, lambda g: ["SETNX", g.key("s"), g.value()]),
    (2, lambda g: ["GETSET", g.key("s"), g.value()]),
    (2, lambda g: ["GETDEL", g.key("s")]),
    (5, getex),
    (3, lambda g: ["MGET", *g.keys("s", 1, 6)]),
    (2, lambda g: ["MSET", *many(g)]),
    (2, lambda g: ["MSETNX", *many(g, 1, 3)]),
    (2, lambda g: ["INCR", counter_key(g)]),
    (2, lambda g: ["INCRBY", counter_key(g), g.small_int()]),
    (3, lambda g: ["INCRBYFLOAT", counter_key(g), g.pick(FLOATS)]),
    (2, lambda g: ["DECR", counter_key(g)]),
    (2, lambda g: ["DECRBY", counter_key(g), g.small_int()]),
    (3, lambda g: ["APPEND", g.key("s"), g.value()]),
    (2, lambda g: ["STRLEN", g.key("s")]),
    (3, lambda g: ["GETRANGE", g.key("s"), offset(g), offset(g)]),
    (1, lambda g: ["SUBSTR", g.key("s"), offset(g), offset(g)]),
    (3, lambda g: ["SETRANGE", g.key("s"), set_offset(g), g.pick((b"", b"x", b"hello", g.number()))]),
    (2, lcs),
    (2, short_text),
]
