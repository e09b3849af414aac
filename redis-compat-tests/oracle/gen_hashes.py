"""Random commands on hashes."""
from values import FLOATS, ODD_COUNT


def field_values(g, low=1, high=4):
    out = []
    for _ in range(g.r.randint(low, high)):
        out += [g.field(), g.value()]
    return out if g.chance(0.97) else out[:-1]


def fill(g):
    """Enough fields to cross the encoding's threshold now and then."""
    first = g.r.randrange(40)
    out = []
    for i in range(g.pick((5, 20, 60))):
        out += [b"f%d" % (first + i), b"%d" % (i * 7)]
    return ["HSET", g.key("h"), *out]


def read_all(name, norm):
    def make(g):
        key = g.key("h")
        if g.chance(0.5):
            return [(["OBJECT", b"ENCODING", key], None), ([name, key], norm)]
        return [([name, key], "unordered" if norm == "fields" else "pairs")]
    return make


def random_field(g):
    key = g.key("h")
    out = [(["HGETALL", key], "all")]
    args = ["HRANDFIELD", key]
    norm = "random_field"
    if g.chance(0.75):
        args.append(g.number(-12, 12) if g.chance(0.9) else g.pick((b"1000", b"abc", b"1.5", b"", b"-9223372036854775808",
                                                                    b"9223372036854775808")))
        if g.chance(0.5):
            args.append(g.word(b"WITHVALUES") if g.chance(0.95) else b"foo")
            norm = "random_pairs"
        elif not args[2].startswith(b"-"):
            norm = "random_field_distinct"
    return [*out, (args, norm)]


def scan(g):
    args = ["HSCAN", g.key("h"), b"0" if g.chance(0.95) else g.pick((b"abc", b"", b"1.5",
                                                                    b"18446744073709551616"))]
    if g.chance(0.4):
        args += [g.word(b"MATCH"), g.pick((b"*", b"f1*", b"f?", b"nomatch", b"[a-f]*"))]
    args += [g.word(b"COUNT"), b"100000" if g.chance(0.95) else g.pick((b"0", b"-1", b"abc"))]
    return [(args, "hscan")]


MAKERS = [
    (9, lambda g: ["HSET", g.key("h"), *field_values(g)]),
    (1, fill),
    (2, lambda g: ["HMSET", g.key("h"), *field_values(g)]),
    (2, lambda g: ["HSETNX", g.key("h"), g.field(), g.value()]),
    (6, lambda g: ["HGET", g.key("h"), g.field()]),
    (3, lambda g: ["HMGET", g.key("h"), *[g.field() for _ in range(g.r.randint(1, 6))]]),
    (3, read_all("HGETALL", "all")),
    (2, read_all("HKEYS", "fields")),
    (2, read_all("HVALS", "fields")),
    (4, lambda g: ["HDEL", g.key("h"), *[g.field() for _ in range(g.r.randint(1, 5))]]),
    (2, lambda g: ["HEXISTS", g.key("h"), g.field()]),
    (2, lambda g: ["HLEN", g.key("h")]),
    (2, lambda g: ["HSTRLEN", g.key("h"), g.field()]),
    (3, lambda g: ["HINCRBY", g.key("h"), g.field(), g.small_int()]),
    (3, lambda g: ["HINCRBYFLOAT", g.key("h"), g.field(), g.pick(FLOATS)]),
    (3, random_field),
    (2, scan),
    (1, lambda g: ["DEL", g.key("h")]),
    (1, lambda g: ["HSET", g.key("h"), g.field(), g.pick(ODD_COUNT)]),
]
