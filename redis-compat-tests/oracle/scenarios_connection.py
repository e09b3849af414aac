"""Authentication, QUIT, RESET, CLIENT KILL / REPLY / PAUSE, MONITOR, maxclients."""
from resp import parse
from script import monitor_line
from servers import poll_until

PASSWORD = ["--requirepass", "s3cret pass"]


def noauth(s):
    for args in (["GET", "a"], ["PING"], ["nosuch"], ["AUTH"], ["COMMAND"], ["HELLO"], ["HELLO", "3"], ["HELLO", "2"],
                 ["HELLO", "3", "AUTH", "default", "wrong"], ["MULTI"], ["CLIENT", "ID"], ["RESET"], ["SET", "a"],
                 ["AUTH", "wrong"], ["AUTH", "default", "wrong"], ["AUTH", "nobody", "s3cret pass"], ["CLIENT", "nosuch"]):
        s.do("a", *args, norm="hello")
    s.do("a", "AUTH", "s3cret pass")
    s.do("a", "SET", "a", "1")
    s.do("a", "RESET")
    s.do("a", "GET", "a")
    s.do("a", "AUTH", "default", "s3cret pass")
    s.do("a", "GET", "a")
    s.do("b", "HELLO", "3", "AUTH", "default", "s3cret pass", "SETNAME", "me", norm="hello")
    s.do("b", "CLIENT", "GETNAME")
    s.do("b", "GET", "missing")
    s.do("c", "HELLO", "3", "SETNAME", "bad name", "AUTH", "default", "s3cret pass")
    s.do("c", "PING")
    s.do("d", "HELLO", "9", "AUTH", "default", "s3cret pass")
    s.do("d", "PING")
    s.do("e", "QUIT")


def change_password(s):
    s.do("a", "CONFIG", "SET", "requirepass", "one")
    s.do("a", "GET", "x")
    s.do("b", "GET", "x")
    s.do("b", "AUTH", "one")
    s.do("a", "CONFIG", "SET", "requirepass", "two")
    s.do("b", "GET", "x")
    s.do("c", "AUTH", "one")
    s.do("c", "AUTH", "two")
    s.do("a", "CONFIG", "SET", "requirepass", "")
    s.do("d", "GET", "x")
    s.do("d", "AUTH", "two")
    s.do("d", "AUTH", "default", "two")
    s.do("d", "CONFIG", "GET", "requirepass")


def unauthenticated_limits(s):
    s.raw("a", b"*11\r\n")
    s.raw("b", b"*1\r\n$16385\r\n")
    s.raw("c", b"*10\r\n" + b"$1\r\na\r\n" * 10)


def quit_(s):
    s.send("a", b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n")
    s.read("a", 3)
    s.do("b", "MULTI")
    s.do("b", "SET", "x", "1")
    s.do("b", "QUIT")
    s.do("c", "GET", "x")
    s.send("c", b"QUIT\r\n")
    s.read("c", 2)


def reset(s):
    s.do("a", "HELLO", "3", "SETNAME", "me", norm="hello")
    s.do("a", "SELECT", "3")
    s.do("a", "CLIENT", "NO-EVICT", "on")
    s.do("a", "WATCH", "k")
    s.do("a", "MULTI")
    s.do("a", "RESET")
    s.do("a", "EXEC")
    s.do("a", "CLIENT", "GETNAME")
    s.do("a", "SET", "k", "v")
    s.do("a", "HGETALL", "nohash")
    s.do("b", "GET", "k")
    s.do("a", "RESET", "x")


def kill(s):
    mine = parse(s.ask("a", "CLIENT", "ID"))[1]
    other = parse(s.ask("b", "CLIENT", "ID"))[1]
    s.note("ids grow", b"yes" if other > mine else b"no")
    s.note("CLIENT KILL ID", s.ask("a", "CLIENT", "KILL", "ID", str(other)))
    s.read("b", 1, label="after being killed")
    s.drop("b")
    s.ask("c", "PING")
    s.ask("d", "PING")
    s.do("a", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    s.read("c", 1, label="after being killed")
    s.drop("c")
    s.drop("d")
    address = "%s:%d" % s.conn("e").sock.getsockname()
    s.ask("e", "PING")
    s.note("CLIENT KILL ADDR", s.ask("a", "CLIENT", "KILL", "ADDR", address))
    s.read("e", 1, label="after being killed")
    s.drop("e")
    address = "%s:%d" % s.conn("f").sock.getsockname()
    s.ask("f", "PING")
    s.note("CLIENT KILL address", s.ask("a", "CLIENT", "KILL", address))
    s.drop("f")
    s.ask("g", "PING")
    s.do("g", "CLIENT", "KILL", "USER", "default", "SKIPME", "yes")
    s.drop("a")
    own = str(parse(s.ask("g", "CLIENT", "ID"))[1])
    s.note("CLIENT KILL oneself", s.ask("g", "CLIENT", "KILL", "ID", own, "SKIPME", "no"))
    s.read("g", 1, label="after killing itself")
    s.drop("g")
    s.do("h", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    s.read("h", 1, label="after killing all")
    s.do("i", "MULTI")
    s.do("i", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    s.do("i", "SET", "killed", "1")
    s.send("i", ["EXEC"])
    s.read("i", 2, label="EXEC that kills itself")
    s.do("j", "GET", "killed")


def reply_modes(s):
    s.send("a", request_all(["CLIENT", "REPLY", "OFF"], ["SET", "a", "1"], ["nosuch"], ["CLIENT", "REPLY", "ON"], ["GET", "a"]))
    s.read("a", 2)
    s.send("a", request_all(["CLIENT", "REPLY", "SKIP"], ["SET", "a", "2"], ["GET", "a"]))
    s.read("a", 1)
    s.send("a", request_all(["CLIENT", "REPLY", "SKIP"], ["CLIENT", "REPLY", "SKIP"], ["GET", "a"], ["GET", "a"]))
    s.read("a", 1, timeout_s=5.0)
    s.send("a", request_all(["CLIENT", "REPLY", "OFF"], ["CLIENT", "REPLY", "SKIP"], ["GET", "a"],
                            ["CLIENT", "REPLY", "ON"]))
    s.read("a", 1)
    s.send("a", request_all(["MULTI"], ["CLIENT", "REPLY", "OFF"], ["GET", "a"], ["EXEC"], ["CLIENT", "REPLY", "ON"]))
    s.read("a", 4)
    s.do("a", "PING", "end")


def request_all(*commands):
    from resp import request
    return b"".join(request(*c) for c in commands)


def pause(s):
    s.do("a", "SET", "k", "1")
    s.do("a", "CLIENT", "PAUSE", "60000", "WRITE")
    s.do("b", "GET", "k")
    s.send("b", ["SET", "k", "2"])
    s.read("b", 1, label="write while paused", timeout_s=0.3)
    s.do("c", "GET", "k")
    s.do("a", "CLIENT", "UNPAUSE")
    s.read("b", 1, label="write after UNPAUSE")
    s.do("c", "GET", "k")
    s.do("a", "CLIENT", "PAUSE", "700")
    s.send("b", ["GET", "k"])
    s.read("b", 1, label="read while all paused", timeout_s=0.2)
    s.do("a", "CLIENT", "UNPAUSE")
    s.read("b", 1, label="read after the pause", timeout_s=5.0)
    s.do("a", "CLIENT", "PAUSE", "150", "ALL")
    s.do("b", "PING")
    s.do("a", "CLIENT", "PAUSE", "60000", "WRITE")
    s.do("b", "MULTI")
    s.do("b", "GET", "k")
    s.do("b", "EXEC")
    s.do("b", "MULTI")
    s.send("b", ["INCR", "k"])
    s.read("b", 1, label="a queued write while paused", timeout_s=0.3)
    s.send("b", ["EXEC"])
    s.do("a", "CLIENT", "UNPAUSE")
    s.read("b", 2)


def monitor(s):
    s.do("m", "MONITOR")
    s.do("a", "SET", "key with space", 'quote" and \\ and \x01\xff')
    s.do("a", "get", "x")
    s.do("a", "SELECT", "2")
    s.do("a", "GET", "x")
    s.do("a", "AUTH", "default", "secret")
    s.do("a", "HELLO", "2", "AUTH", "default", "secret", norm="hello")
    s.do("a", "nosuch", "x")
    s.do("a", "GET")
    s.do("a", "MULTI")
    s.do("a", "INCR", "n")
    s.do("a", "PING")
    s.do("a", "EXEC")
    s.do("a", "CONFIG", "GET", "maxmemory")
    s.do("a", "ECHO", "last")
    while True:
        try:
            line = monitor_line(s.conn("m").read(1, 5.0)[0])
        except Exception:  # whatever ends the reading is part of the transcript
            line = b"(no further line)"
        s.note("m: line", line)
        if b"last" in line or b"(no" in line:
            break
    s.drop("m")
    s.do("n", "MONITOR")
    s.do("n", "RESET")
    s.do("n", "GET", "x")


def max_clients(s):
    for number in range(4):
        s.do("c%d" % number, "PING")
    s.read("c4", 2, label="one connection too many")
    s.drop("c0")
    poll_until(lambda: b"connected_clients:3" in s.ask("c1", "INFO", "clients"), 5.0)
    s.do("c5", "PING")


def watch_two(s):
    for name, change in (("SET", ["SET", "k", "2"]), ("same value", ["SET", "k", "1"]), ("read", ["GET", "k"]),
                         ("expire", ["EXPIRE", "k", "1000"]), ("persist nothing", ["PERSIST", "k"]),
                         ("delete", ["DEL", "k"]), ("delete nothing", ["DEL", "other"]), ("flush", ["FLUSHDB"]),
                         ("flush other", ["FLUSHDB", "ASYNC"]), ("swap", ["SWAPDB", "0", "1"]), ("type", ["SADD", "s", "x"]),
                         ("touch", ["TOUCH", "k"]), ("rename", ["RENAME", "k", "k2"]), ("copy", ["COPY", "k", "k3"]),
                         ("setnx", ["SETNX", "k", "5"]), ("append nothing", ["APPEND", "k", ""]),
                         ("setrange nothing", ["SETRANGE", "missing", "0", ""]), ("srem nothing", ["SREM", "s", "no"]),
                         ("past", ["EXPIRE", "k", "-1"]), ("move", ["MOVE", "k", "1"])):
        s.ask("b", "FLUSHALL")
        s.ask("b", "SET", "k", "1")
        for watched in ("k", "missing", "s"):
            s.ask("a", "WATCH", watched)
            s.do("b", *change)
            s.ask("a", "MULTI")
            s.ask("a", "PING", name)
            s.do("a", "EXEC")


def multi_odd(s):
    for args in (["EXEC"], ["DISCARD"], ["MULTI"], ["MULTI"], ["WATCH", "a"], ["UNWATCH"], ["GET"], ["EXEC"], ["MULTI"],
                 ["nosuch"], ["SET", "x", "1"], ["EXEC"], ["GET", "x"], ["MULTI"], ["SET", "x", "1"], ["INCR", "h"],
                 ["HSET", "x", "f", "v"], ["HELLO", "3"], ["HGETALL", "none"], ["HELLO", "2"], ["CLIENT", "GETNAME"],
                 ["CLIENT", "SETNAME", "q"], ["SELECT", "5"], ["SET", "five", "5"], ["EXEC"], ["GET", "five"],
                 ["SELECT", "0"], ["MULTI", "x"], ["MULTI"], ["DISCARD", "x"], ["DISCARD"], ["WATCH"], ["MULTI"],
                 ["EXEC"], ["MULTI"], ["MONITOR"], ["EXEC"], ["MULTI"], ["WAIT", "1", "0"], ["EXEC"], ["MULTI"],
                 ["COMMAND", "GETKEYS", "GET", "a"], ["CONFIG", "GET", "maxmemory"], ["DEBUG", "SLEEP", "0"],
                 ["CLIENT", "PAUSE", "0"], ["CLIENT", "UNPAUSE"], ["FLUSHALL"], ["SWAPDB", "0", "1"], ["EXEC"], ["WATCH", "w"], ["MULTI"], ["UNWATCH"], ["SET", "after", "unwatch"],
                 ["EXEC"], ["GET", "after"], ["MULTI"], ["EXEC"], ["MULTI"], ["UNWATCH"], ["EXEC"], ["KEYS", "*"]):
        s.do("a", *args, norm="shape" if args == ["EXEC"] else None)


SCENARIOS = [
    ("NOAUTH and AUTH", PASSWORD, noauth),
    ("requirepass changed at run time", [], change_password),
    ("limits before AUTH", PASSWORD, unauthenticated_limits),
    ("QUIT", [], quit_),
    ("RESET", [], reset),
    ("CLIENT KILL", [], kill),
    ("CLIENT REPLY", [], reply_modes),
    ("CLIENT PAUSE", [], pause),
    ("MONITOR", [], monitor),
    ("maxclients", ["--maxclients", "4"], max_clients),
    ("WATCH and the other's change", [], watch_two),
    ("MULTI out of order", ["--enable-debug-command", "yes"], multi_odd),
]
