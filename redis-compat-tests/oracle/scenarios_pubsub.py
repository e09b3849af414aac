"""Several clients on channels, patterns and shard channels; limits of subscribers; events of keys that are due."""
from servers import poll_until


def words(s):
    s.send("a", ("SUBSCRIBE", "one", "two", "one"))
    s.read("a", 3)
    s.do("a", "GET", "x")
    s.do("a", "PING")
    s.do("a", "PING", "there")
    s.do("a", "SUBSCRIBE")
    s.do("a", "nosuch")
    s.send("a", ("PSUBSCRIBE", "o*", "t?o"))
    s.read("a", 2)
    s.send("a", ("SSUBSCRIBE", "shard", "one"))
    s.read("a", 2)
    s.do("b", "PUBSUB", "NUMSUB", "one", "two", "none")
    s.do("b", "PUBSUB", "NUMPAT")
    s.do("b", "PUBSUB", "CHANNELS", "o*")
    s.do("b", "PUBSUB", "SHARDCHANNELS", "s*")
    s.do("b", "PUBSUB", "SHARDNUMSUB", "shard", "two")
    s.do("b", "PUBSUB", "CHANNELS", "a", "b")
    s.do("b", "PUBSUB", "NUMPAT", "a")
    s.do("b", "PUBSUB", "NUMSUB")
    s.do("b", "PUBSUB")
    s.do("b", "PUBSUB", "nosuch")
    for channel in ("one", "two", "three", "shard", ""):
        s.do("b", "PUBLISH", channel, "to " + channel)
        s.do("b", "SPUBLISH", channel, "by shard to " + channel)
    s.read("a", 6)
    s.send("a", ("UNSUBSCRIBE", "two", "none"))
    s.read("a", 2)
    s.send("a", ("PUNSUBSCRIBE", "t?o"))
    s.read("a")
    for word in ("UNSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "PUNSUBSCRIBE", "UNSUBSCRIBE"):
        s.do("a", word)
    s.do("a", "SUNSUBSCRIBE", "shard")
    s.do("a", "GET", "x")
    s.do("a", "SUNSUBSCRIBE")
    s.do("a", "GET", "x")
    s.do("a", "SUNSUBSCRIBE")
    s.do("b", "PUBLISH", "one", "to nobody")


def resp3(s):
    s.do("a", "HELLO", "3", norm="hello")
    s.send("a", ("SUBSCRIBE", "c", "d"))
    s.read("a", 2)
    s.do("a", "PSUBSCRIBE", "c*")
    s.do("a", "GET", "x")
    s.send("a", ("PUBLISH", "c", "mine"))
    s.read("a", 3)
    s.send("a", b"".join([b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nd\r\n$1\r\n%d\r\n" % n for n in range(5)]))
    s.read("a", 10)
    for args in (("MULTI",), ("PUBLISH", "d", "queued"), ("SET", "x", "1"), ("SSUBSCRIBE", "late")):
        s.do("a", *args)
    s.send("a", ("EXEC",))
    s.read("a", 2)
    s.do("a", "UNSUBSCRIBE", "nosuch")
    s.do("a", "SUNSUBSCRIBE", "nosuch")
    s.do("a", "RESET")
    s.do("b", "PUBSUB", "NUMSUB", "c", "d")
    s.do("b", "PUBSUB", "NUMPAT")
    s.do("a", "GET", "x")


def several(s):
    for name, channels in (("a", ("c",)), ("b", ("c", "d")), ("c", ("d",))):
        s.send(name, ("SUBSCRIBE", *channels))
        s.read(name, len(channels))
    s.do("d", "PSUBSCRIBE", "*")
    for n in range(20):
        s.do("p" if n % 2 else "q", "PUBLISH", "cd"[n % 3 % 2], "message %d" % n)
    s.do("p", "PUBLISH", "d", "x" * 100_000)
    s.do("q", "MULTI")
    for n in range(3):
        s.do("q", "PUBLISH", "c", "in EXEC %d" % n)
    s.do("q", "EXEC")
    for name, count in (("a", 17), ("b", 24), ("c", 7), ("d", 24)):
        s.read(name, count)
    s.drop("b")
    poll_until(lambda: s.ask("p", "PUBSUB", "NUMSUB", "c") == b"*2\r\n$1\r\nc\r\n:1\r\n", 10)
    s.do("p", "PUBLISH", "c", "one less")
    s.do("a", "UNSUBSCRIBE", "c")
    s.do("a", "PING")


def quiet(s):
    s.send("a", ("CLIENT", "REPLY", "OFF"))
    s.send("a", ("SUBSCRIBE", "c"))
    s.read("a")
    s.do("b", "PUBLISH", "c", "heard all the same")
    s.read("a")
    s.send("a", ("PING",))
    s.read("a")


def in_transactions(s):
    for args in (("MULTI",), ("SUBSCRIBE", "c"), ("PING",), ("UNSUBSCRIBE", "c"), ("PUBSUB", "NUMPAT")):
        s.do("a", *args)
    s.send("a", ("EXEC",))
    s.read("a")
    s.do("a", "PING")
    s.do("a", "SUBSCRIBE", "c")
    s.do("a", "MULTI")
    s.do("a", "EXEC")


def listed(s):
    s.do("a", "SUBSCRIBE", "c")
    s.do("a", "PSUBSCRIBE", "p")
    for kind in ("pubsub", "normal"):
        raw = s.ask("b", "CLIENT", "LIST", "TYPE", kind).decode().split("\r\n", 1)[1].strip()
        fields = [dict(f.split("=", 1) for f in line.split(" ")) for line in raw.splitlines()]
        shown = ["%s sub=%s psub=%s ssub=%s" % (f["flags"], f["sub"], f["psub"], f["ssub"]) for f in fields]
        s.note("clients of type " + kind, "\n".join(shown).encode())
    s.do("b", "CLIENT", "KILL", "TYPE", "pubsub")
    s.read("a")
    poll_until(lambda: s.ask("b", "PUBSUB", "NUMPAT") == b":0\r\n", 10)


def slow(s):
    """A subscriber that takes nothing is closed at the hard limit; others are served."""
    s.do("b", "CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
    s.do("a", "SUBSCRIBE", "c")
    s.do("c", "SUBSCRIBE", "d")
    for _ in range(400):
        s.ask("b", "PUBLISH", "c", "x" * 100_000)
    s.do("b", "PUBLISH", "d", "still here")
    s.read("c")
    poll_until(lambda: s.ask("b", "PUBSUB", "NUMSUB", "c") == b"*2\r\n$1\r\nc\r\n:0\r\n", 10)
    s.do("b", "PUBLISH", "c", "x")


def events(s):
    s.do("a", "CONFIG", "SET", "notify-keyspace-events", "KEA")
    s.do("a", "CONFIG", "GET", "notify-keyspace-events")
    s.do("b", "PSUBSCRIBE", "__key*__:*")
    for args in (("SET", "k", "1", "PX", "30"), ("HSET", "h", "f", "1"), ("DEL", "h")):
        s.do("a", *args)
    s.read("b", 10)
    s.read("b", 2)  # expired, though nobody reads the key
    for flags in ("", "K", "E", "A", "Ex", "Kg$", "Elshzxetd", "KEAmn", "x", "EKq", "KEAmnlshzxetdg$"):
        s.do("a", "CONFIG", "SET", "notify-keyspace-events", flags)
        s.do("a", "CONFIG", "GET", "notify-keyspace-events")
    s.do("a", "CONFIG", "SET", "notify-keyspace-events", "Eg$mn")
    for args in (("SET", "new", "1"), ("GET", "none"), ("MGET", "none", "new"), ("EXPIRE", "new", "100"),
                 ("SADD", "set", "m"), ("EXISTS", "none"), ("TYPE", "none"), ("TTL", "none")):
        s.ask("a", *args)
    s.do("a", "CONFIG", "SET", "notify-keyspace-events", "")
    s.do("a", "SET", "silent", "1")
    s.do("a", "PUBLISH", "__key__:", "end")
    while b"end" not in s.read("b")[0]:
        pass


SCENARIOS = [
    ("SUBSCRIBE and its family", [], words),
    ("subscribers in RESP3", [], resp3),
    ("several subscribers", [], several),
    ("subscriber with CLIENT REPLY OFF", [], quiet),
    ("SUBSCRIBE in transactions", [], in_transactions),
    ("subscribers in CLIENT LIST and KILL", [], listed),
    ("subscriber that does not read", [], slow),
    ("keyspace events", [], events),
]
