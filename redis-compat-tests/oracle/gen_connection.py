"""Random commands about the connection itself."""
from values import ODD_COUNT


def hello(g):
    args = ["HELLO"]
    if g.chance(0.9):
        args.append(g.pick((b"2", b"3", b"2", b"3", b"3", b"1", b"4", b"abc", b"", b"9223372036854775808")))
        for _ in range(g.pick((0, 0, 0, 1, 1, 2))):
            kind = g.r.random()
            if kind < 0.4:
                args += [g.word(b"SETNAME"), g.pick((b"cli", b"with space", b"", b"a\nb", b"caf\xc3\xa9"))]
            elif kind < 0.7:
                args += [g.word(b"AUTH"), g.pick((b"default", b"nobody")), g.pick((b"", b"secret"))]
            else:
                args.append(g.pick((b"AUTH", b"SETNAME", b"foo")))
    return [(args, "hello")]


def client(g):
    sub = g.pick(SUBCOMMANDS)
    return [(["CLIENT", g.word(sub[0]), *[a(g) if callable(a) else a for a in sub[1]]], sub[2])]


def on_off(g):
    return g.pick((b"on", b"off", b"ON", b"maybe"))


SUBCOMMANDS = [
    ("ID", (), "type"), ("ID", (b"x",), None), ("INFO", (), "client"), ("LIST", (), "client"),
    ("LIST", (b"TYPE", b"normal"), "client"), ("LIST", (b"TYPE", b"pubsub"), "client"), ("LIST", (b"TYPE", b"foo"), None),
    ("LIST", (b"TYPE", b"master"), None), ("LIST", (b"TYPE",), None), ("LIST", (b"ID", b"0"), None),
    ("LIST", (b"ID", b"99999999", b"88888888"), None), ("LIST", (b"ID",), None), ("LIST", (b"ID", b"abc"), None),
    ("LIST", (b"foo",), None), ("GETNAME", (), None), ("GETNAME", (), None), ("GETNAME", (b"x",), None),
    ("SETNAME", (lambda g: g.pick((b"web-1", b"", b"two words", b"a\nb", b"caf\xc3\xa9", b"\x01", b"~tilde~")),), None),
    ("SETNAME", (), None), ("SETINFO", (b"LIB-NAME", b"oracle"), None), ("SETINFO", (b"lib-ver", b"1.0"), None),
    ("KILL", (b"127.0.0.1:1",), None), ("KILL", (b"ID", b"99999999"), None), ("KILL", (b"ID", b"abc"), None),
    ("KILL", (b"ID", b"0"), None), ("KILL", (b"ADDR", b"1.2.3.4:5", b"SKIPME", b"yes"), None),
    ("KILL", (b"LADDR", b"1.2.3.4:5"), None), ("KILL", (b"TYPE", b"master"), None), ("KILL", (b"TYPE", b"foo"), None),
    ("KILL", (b"USER", b"nobody"), None), ("KILL", (b"SKIPME", b"maybe"), None), ("KILL", (b"ID",), None),
    ("KILL", (), None), ("KILL", (b"TYPE", b"replica", b"ID", b"99999999"), None), ("KILL", (b"foo", b"bar"), None),
    ("NO-EVICT", (on_off,), None), ("NO-EVICT", (), None), ("NO-TOUCH", (on_off,), None),
    ("PAUSE", (b"0",), None), ("PAUSE", (b"abc",), None), ("PAUSE", (b"-1",), None), ("PAUSE", (b"0", b"WRITE"), None),
    ("PAUSE", (b"0", b"foo"), None), ("PAUSE", (), None), ("UNPAUSE", (), None), ("REPLY", (b"ON",), None),
    ("REPLY", (b"foo",), None), ("REPLY", (), None), ("UNBLOCK", (b"99999999",), None),
    ("UNBLOCK", (b"99999999", b"ERROR"), None), ("UNBLOCK", (b"99999999", b"foo"), None), ("UNBLOCK", (b"abc",), None),
    ("HELP", (), "help"), ("foo", (), None), ("foo", (b"bar",), None), ("", (), None),
    ("SETNAME", (lambda g: g.pick(ODD_COUNT),), None),
]

MAKERS = [
    (4, lambda g: ["PING"]),
    (3, lambda g: ["PING", g.value()]),
    (4, lambda g: ["ECHO", g.value()]),
    (2, lambda g: ["SELECT", g.pick((b"0", b"1", b"15", b"16", b"-1", b"x", b"1 "))]),
    (1, lambda g: ["SELECT", b"0"]),
    (3, hello),
    (12, client),
    (1, lambda g: ["AUTH", g.pick((b"", b"secret"))]),
    (1, lambda g: ["AUTH", g.pick((b"default", b"nobody")), g.pick((b"", b"secret"))]),
    (1, lambda g: ["AUTH", b"a", b"b", b"c"]),
    (1, lambda g: ["RESET"]),
    (1, lambda g: ["QUIT"]),
    (1, lambda g: ["READONLY"]),
    (1, lambda g: ["READWRITE"]),
    (1, lambda g: ["UNWATCH"]),
]
