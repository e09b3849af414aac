"""Keys that really expire: short deadlines, waited for in a bounded way."""
from resp import parse
from servers import poll_until

GONE_S = 5.0


def _gone(s, key):
    return poll_until(lambda: parse(s.ask("poll", "EXISTS", key))[1] == 0, GONE_S)


def short_lives(s):
    makers = ([("SET", "k", "v", "PX", "60")], [("SET", "k", "v"), ("PEXPIRE", "k", "60")], [("PSETEX", "k", "60", "v")],
              [("HSET", "k", "f", "v"), ("PEXPIRE", "k", "60")], [("SADD", "k", "1"), ("PEXPIRE", "k", "60")],
              [("SET", "k", "v"), ("GETEX", "k", "PX", "60")], [("SADD", "k", "a"), ("PEXPIRE", "k", "60", "NX")],
              [("SET", "k0", "v", "PX", "60"), ("RENAME", "k0", "k")], [("SET", "k0", "v", "PX", "60"), ("COPY", "k0", "k")],
              [("SET", "k", "v", "PX", "60"), ("SET", "k", "w", "KEEPTTL")], [("SET", "k", "1", "PX", "60"), ("INCR", "k")],
              [("SET", "k", "v", "PX", "60"), ("APPEND", "k", "x"), ("SETRANGE", "k", "0", "y")])
    for commands in makers:
        for command in commands:
            s.do("a", *command)
        s.note("gone in time", b"yes" if _gone(s, "k") else b"no")
        for command in (("GET", "k"), ("TTL", "k"), ("TYPE", "k"), ("KEYS", "*"), ("PERSIST", "k"), ("OBJECT", "ENCODING", "k"),
                        ("SCAN", "0"), ("RANDOMKEY",), ("EXPIRE", "k", "10"), ("HGETALL", "k"), ("SMEMBERS", "k"), ("RENAME", "k", "k2"),
                        ("APPEND", "k", "fresh"), ("GETDEL", "k")):
            s.do("a", *command)


def kept(s):
    """A longer deadline, PERSIST or an overwrite saves the key."""
    for save in (("PERSIST", "k"), ("EXPIRE", "k", "1000"), ("SET", "k", "new"), ("GETEX", "k", "PERSIST"), ("GETSET", "k", "new"),
                 ("MSET", "k", "new"), ("PEXPIRE", "k", "100000", "GT")):
        s.do("a", "SET", "k", "v", "PX", "80")
        s.do("a", *save)
        s.do("a", "SET", "witness", "v", "PX", "120")
        _gone(s, "witness")
        s.do("a", "EXISTS", "k")
        s.do("a", "DEL", "k")


def watch_expiry(s):
    s.do("a", "SET", "k", "v", "PX", "50")
    s.do("a", "WATCH", "k")
    _gone(s, "k")
    s.do("a", "MULTI")
    s.do("a", "PING")
    s.do("a", "EXEC")
    s.do("a", "SET", "k", "v", "PX", "50")
    _gone(s, "k")
    s.do("a", "WATCH", "k")
    s.do("b", "SET", "other", "x")
    s.do("a", "MULTI")
    s.do("a", "EXISTS", "k")
    s.do("a", "EXEC")


def unread(s):
    """Nobody reads the key: it goes by itself and is counted."""
    for number in range(20):
        s.ask("a", "SET", "u%d" % number, "v", "PX", "50")
    done = poll_until(lambda: parse(s.ask("a", "DBSIZE"))[1] == 0, 20.0)
    s.note("all gone unread", b"yes" if done else b"no")
    s.note("counted", b"yes" if b"expired_keys:20" in s.ask("a", "INFO", "stats") else b"no")


SCENARIOS = [
    ("short deadlines", [], short_lives),
    ("deadlines taken back", [], kept),
    ("WATCH and expiry", [], watch_expiry),
    ("expiry without a reader", [], unread),
]
