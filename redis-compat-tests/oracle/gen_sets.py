"""Random commands on sets."""
from values import ODD_COUNT


def some_members(g, low=1, high=5):
    return [g.member() for _ in range(g.r.randint(low, high))]


def fill(g):
    first = g.r.randint(-50, 50)
    step = g.pick((1, 1, 300, 70000, 2**33))
    return ["SADD", g.key("t"), *[b"%d" % (first + i * step) for i in range(g.pick((8, 30, 70)))]]


def members(g):
    return [(["SMEMBERS", g.key("t")], "members")]


def combine(name):
    return lambda g: [([name, *g.keys("t", 1, 4)], "unordered")]


def store(name):
    return lambda g: [name, *g.keys("t", 2, 4)]


def intercard(g):
    keys = g.keys("t", 1, 3)
    count = b"%d" % len(keys) if g.chance(0.9) else g.pick((b"0", b"-1", b"5", b"abc", b""))
    args = ["SINTERCARD", count, *keys]
    for _ in range(g.pick((0, 0, 1, 1, 2))):
        args += [g.word(b"LIMIT"), g.number(-1, 5) if g.chance(0.9) else g.pick(ODD_COUNT)]
    return args


def random_member(g):
    key = g.key("t")
    args = ["SRANDMEMBER", key]
    if g.chance(0.75):
        args.append(g.number(-12, 12) if g.chance(0.9) else g.pick((b"1000", b"abc", b"1.5", b"",
                                                                    b"-9223372036854775808", b"9223372036854775808")))
    positive = len(args) > 2 and not args[2].startswith(b"-")
    return [(["SMEMBERS", key], "members"), (args, "random_distinct" if positive else "random")]


def pop(g):
    key = g.key("t")
    if g.in_multi or g.chance(0.3):
        count = g.pick((b"0", b"100000", b"-1", b"abc", b"1.5", b"9223372036854775807"))
        return [(["SPOP", key, count], "unordered")]
    args = ["SPOP", key]
    if g.chance(0.6):
        args.append(g.number(1, 4))  # from 5 on Redis may rebuild the set, its encoding then depends on chance
    return [(["SMEMBERS", key], "members"), (args, "random_distinct")]


def scan(g):
    args = ["SSCAN", g.key("t"), b"0" if g.chance(0.95) else g.pick((b"abc", b"", b"18446744073709551616"))]
    if g.chance(0.4):
        args += [g.word(b"MATCH"), g.pick((b"*", b"m1*", b"?", b"1*", b"nomatch"))]
    args += [g.word(b"COUNT"), b"100000" if g.chance(0.95) else g.pick((b"0", b"-1", b"abc"))]
    return [(args, "scan")]


MAKERS = [
    (8, lambda g: ["SADD", g.key("t"), *some_members(g)]),
    (1, fill),
    (4, lambda g: ["SREM", g.key("t"), *some_members(g)]),
    (4, members),
    (3, lambda g: ["SISMEMBER", g.key("t"), g.member()]),
    (2, lambda g: ["SMISMEMBER", g.key("t"), *some_members(g)]),
    (2, lambda g: ["SCARD", g.key("t")]),
    (2, lambda g: ["SMOVE", g.key("t"), g.key("t"), g.member()]),
    (2, pop),
    (2, random_member),
    (2, combine("SINTER")),
    (2, combine("SUNION")),
    (2, combine("SDIFF")),
    (1, store("SINTERSTORE")),
    (1, store("SUNIONSTORE")),
    (1, store("SDIFFSTORE")),
    (2, intercard),
    (2, scan),
    (1, lambda g: ["DEL", g.key("t")]),
]
