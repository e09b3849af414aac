"""Keys that really expire: short deadlines, waited for in a bounded way."""
import random

from resp import parse, request
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
    counted = poll_until(lambda: b"expired_keys:20\r" in s.ask("a", "INFO", "stats"), 5.0)
    s.note("counted", b"yes" if counted else b"no")


def many_short_lives(s):
    """Two hundred keys, half of them short-lived, changed in many ways at once; who is left in the end?"""
    rng = random.Random(11)
    batch = []
    for number in range(200):
        key = "r%d" % number
        ttl_ms = str(rng.choice((500, 700, 900, 10**7)))
        batch += rng.choice(([["SET", key, "v", "PX", ttl_ms]], [["HSET", key, "f", "v"], ["PEXPIRE", key, ttl_ms]],
                             [["SADD", key, "1", "x"], ["PEXPIRE", key, ttl_ms]], [["PSETEX", key, ttl_ms, "7"]], [["SET", key, "7"]]))
    for _ in range(600):
        key, other = "r%d" % rng.randrange(200), "r%d" % rng.randrange(200)
        batch.append(rng.choice((["PERSIST", key], ["RENAME", key, other], ["COPY", key, other, "REPLACE"], ["SET", key, "w", "KEEPTTL"],
                                 ["SET", key, "w"], ["PEXPIRE", key, "800", "NX"], ["PEXPIRE", key, str(rng.randrange(10**8, 10**9)), "GT"],
                                 ["PEXPIRE", key, "600", "LT"], ["GETEX", key, "PX", "550"], ["INCR", key], ["HSET", key, "g", "w"],
                                 ["SADD", key, "y"], ["SUNIONSTORE", key, other], ["GETSET", key, "w"], ["MOVE", key, "1"],
                                 ["DEL", key], ["APPEND", key, "z"], ["SWAPDB", "0", "1"], ["SETEX", key, "1", "w"])))
    s.send("a", b"".join(request(*command) for command in batch))
    s.read("a", len(batch), label="made and changed", timeout_s=10.0)
    s.do("a", "SET", "witness", "v", "PX", "1500")
    _gone(s, "witness")
    for db in ("0", "1"):
        s.do("a", "SELECT", db)
        s.do("a", "KEYS", "*", norm="unordered")
        for number in range(200):
            s.do("a", "PTTL", "r%d" % number, norm="pttl")


SCENARIOS = [
    ("short deadlines", [], short_lives),
    ("deadlines taken back", [], kept),
    ("WATCH and expiry", [], watch_expiry),
    ("expiry without a reader", [], unread),
    ("many short lives", [], many_short_lives),
]
