"""CLIENT PAUSE, REPLY, KILL, LIST and the small ones."""
import re
import socket
import struct
import time

from report import expect, expect_true
from resp import Eof, Timeout, request
from servers import poll_until

LINE = re.compile(
    rb"id=\d+ addr=\S+ laddr=\S+ fd=\d+ name=\S* age=\d+ idle=\d+ flags=\S+ db=\d+ sub=\d+ psub=\d+ ssub=\d+ multi=-?\d+ "
    rb"qbuf=\d+ qbuf-free=\d+ argv-mem=\d+ multi-mem=\d+ rbs=\d+ rbp=\d+ obl=\d+ oll=\d+ omem=\d+ tot-mem=\d+ events=rw? "
    rb"cmd=\S+ user=\S+ redir=-?\d+ resp=[23]$")
SLACK_S = 0.25  # what a loaded machine may add; the exact lateness is measured below


def several(server, count=6):
    """Connections that stand on different threads."""
    made = [server.connect() for _ in range(count)]
    for conn in made:
        conn.value("PING")
    return made


def silent(conn, seconds=0.15):
    try:
        conn.read(1, seconds)
    except Timeout:
        return True
    return False


def ms_until_reply(conn, begin):
    conn.read(1)
    return (time.monotonic() - begin) * 1000


def fields(conn, *args):
    text = conn.value("CLIENT", *(args or ("INFO",)))
    return [dict(part.split(b"=", 1) for part in line.split(b" ")) for line in text.split(b"\n") if line]


def pause_write(server):
    control, *others = several(server)
    expect(control.value("CLIENT", "PAUSE", "60000", "WRITE"), b"OK")
    for conn in others:
        expect(conn.value("GET", "k"), None, "read while writes are paused")
        conn.send(request("INCR", "k") + request("GET", "k"))
    for conn in others:
        expect_true(silent(conn, 0.05), "a write waits")
    expect(control.value("GET", "k"), None)
    blocked = [client for client in fields(control, "LIST") if client[b"flags"] == b"b"]
    expect(len(blocked), len(others), "clients shown as blocked")
    expect(control.value("CLIENT", "UNPAUSE"), b"OK")
    values = sorted(int(conn.read(2)[0][1:]) for conn in others)
    expect(values, list(range(1, len(others) + 1)), "every write was made once")


def pause_all(server):
    control, *others = several(server)
    expect(control.value("CLIENT", "PAUSE", "150"), b"OK")
    begin = time.monotonic()
    for conn in [control, *others]:
        conn.send(request("PING"))
    late = [ms_until_reply(conn, begin) for conn in [control, *others]]
    expect_true(min(late) > 120, "all waited: %r" % late)
    expect_true(max(late) < 150 + SLACK_S * 1000, "ended on time: %r" % late)


def pause_ends_exactly(server):
    control, other = several(server, 2)
    late = []
    for timeout_ms in (20, 55, 130, 210):
        expect(control.value("CLIENT", "PAUSE", timeout_ms, "WRITE"), b"OK")
        begin = time.monotonic()
        other.send(request("SET", "k", "v"))
        late.append(ms_until_reply(other, begin) - timeout_ms)
    expect_true(min(late) > -15, "no earlier: %r" % late)
    limit = 110 if server.redis else 15  # Redis looks every 100 ms
    expect_true(sorted(late)[1] < limit, "within milliseconds: %r" % late)


def pause_extends(server):
    control, other = several(server, 2)
    control.value("CLIENT", "PAUSE", "100", "WRITE")
    control.value("CLIENT", "PAUSE", "400", "WRITE")
    control.value("CLIENT", "PAUSE", "1", "WRITE")
    begin = time.monotonic()
    other.send(request("SET", "k", "v"))
    took = ms_until_reply(other, begin)
    expect_true(took > 350, "the longest holds: %d ms" % took)


def pause_multi(server):
    control, other = several(server, 2)
    control.value("CLIENT", "PAUSE", "60000", "WRITE")
    other.value("MULTI")
    other.value("GET", "k")
    expect(other.value("EXEC"), [None], "a transaction that only reads")
    expect(other.value("MULTI"), b"OK")
    other.send(request("CLIENT", "GETNAME") + request("GET", "k") + request("EXEC"))
    other.read(3)
    control.value("CLIENT", "UNPAUSE")
    other.value("MULTI")
    expect(other.value("SET", "k", "1"), b"QUEUED")
    control.value("CLIENT", "PAUSE", "60000", "WRITE")
    other.send(request("EXEC"))
    expect_true(silent(other), "a transaction that writes waits")
    control.value("CLIENT", "UNPAUSE")
    expect(other.read(1)[0], b"*1\r\n+OK\r\n")


def pause_and_going(server):
    control, one, two, three = several(server, 4)
    control.value("CLIENT", "PAUSE", "60000", "WRITE")
    for conn in (one, two, three):
        conn.send(request("INCR", "gone"))
    expect_true(silent(three, 0.05), "waits")
    one.close()
    target = [c for c in fields(control, "LIST") if c[b"laddr"] and c[b"addr"] == b"%s:%d" % (
        two.sock.getsockname()[0].encode(), two.sock.getsockname()[1])]
    expect(control.value("CLIENT", "KILL", "ID", int(target[0][b"id"])), 1)
    expect_true(two.at_eof(), "killed while paused")
    control.value("CLIENT", "UNPAUSE")
    three.read(1)
    expect_true(int(control.value("GET", "gone")) in (1, 2), "the killed one's write was not made")


def leaves(conn, how):
    """The three ways to go."""
    if how == "reset":
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if how == "half":
        conn.sock.shutdown(socket.SHUT_WR)
    else:
        conn.close()


def pause_and_leaving(server):
    """Who leaves while it is held back is closed at once, and its held write is never made."""
    for mode in ("WRITE", "ALL"):
        for how in ("close", "reset", "half"):
            control, watcher, before, after, pipeline = several(server, 5)
            control.value("CLIENT", "PAUSE", "2000", mode)
            for conn in (before, after):
                conn.send(request("SET", "left", "1"))
            leaves(before, how)  # it may be gone before its bytes are read
            pipeline.send(request("SET", "left", "1") * 50000)  # more than the kernel holds
            if mode == "WRITE":
                expect_true(poll_until(lambda: sum(c[b"flags"] == b"b" for c in fields(control, "LIST")) >= 2, 5.0), "held back")
            for conn in (after, pipeline):
                leaves(conn, how)
            if mode == "WRITE":
                expect_true(poll_until(lambda: len(fields(watcher, "LIST")) == 2, 1.0), "closed during the pause: " + how)
                expect(control.value("CLIENT", "UNPAUSE"), b"OK")
            expect(control.value("EXISTS", "left"), 0, "a held write was made: " + how)
            expect_true(poll_until(lambda: len(fields(watcher, "LIST")) == 2, 1.0), "all gone")
            for conn in (control, watcher):
                conn.close()


def pause_and_half_closed(server):
    """What was read and run before the pause keeps its replies; nobody but the paused is closed."""
    control, conn, reader = several(server, 3)
    conn.send(request("SET", "a", "1") + request("CLIENT", "PAUSE", "60000", "WRITE") + request("GET", "a") + request("INCR", "a") +
              request("GET", "a"))
    conn.sock.shutdown(socket.SHUT_WR)
    try:
        replies = conn.read(4, 5.0)
    except Eof as error:
        replies = error.replies
    expect(replies, [b"+OK\r\n", b"+OK\r\n", b"$1\r\n1\r\n"])
    reader.send(request("GET", "a") + request("PING"))
    reader.sock.shutdown(socket.SHUT_WR)
    expect(reader.read(2), [b"$1\r\n1\r\n", b"+PONG\r\n"], "one that only reads is not paused")
    expect(control.value("CLIENT", "UNPAUSE"), b"OK")
    expect(control.value("GET", "a"), b"1")


def pause_and_large_replies(server):
    """Replies that the socket did not take yet go out before the paused one, half-closed, is closed."""
    control, conn = several(server, 2)
    control.value("SET", "big", "x" * (8 << 20))
    control.value("CLIENT", "PAUSE", "60000", "WRITE")
    conn.send(request("GET", "big") + request("SET", "left", "1"))
    conn.sock.shutdown(socket.SHUT_WR)
    if not server.redis:  # which drops what the socket did not take
        expect(len(conn.read(1, 10.0)[0]), (8 << 20) + 12)
        expect_true(conn.at_eof(), "then it is closed")
    expect_true(poll_until(lambda: len(fields(control, "LIST")) == 1, 5.0), "closed")
    control.value("CLIENT", "UNPAUSE")
    expect(control.value("EXISTS", "left"), 0)


def pause_is_an_instant(server):
    """Once PAUSE has answered, no write of another client happens any more."""
    control, *writers = several(server, 6)
    for conn in writers:
        conn.sock.settimeout(20)
    for turn in range(40):
        for conn in writers:
            conn.send(request("INCR", "k") * 300 + (request("MULTI") + request("INCR", "k") + request("EXEC")) * 100)
        control.send(request("CLIENT", "PAUSE", "60000", "WRITE") + request("GET", "k") * 2000)
        seen = control.read(2001)
        expect(len(set(seen[1:])), 1, "values read during pause %d" % turn)
        expect(control.value("CLIENT", "UNPAUSE"), b"OK")
        for conn in writers:
            conn.read(600)
    expect(int(control.value("GET", "k")), 40 * 400 * len(writers), "nothing lost, nothing twice")


def pause_and_flushes(server):
    """FLUSHALL and FLUSHDB are writes like others: none happens once PAUSE has answered."""
    control, *writers = several(server, 6)
    for turn in range(200):
        for conn in writers:
            conn.send((request("SET", "k", "v") + request("FLUSHALL") + request("SET", "k", "v") + request("FLUSHDB")) * 100)
        control.send(request("CLIENT", "PAUSE", "60000", "WRITE") + request("EXISTS", "k") * 2000)
        seen = control.read(2001)
        expect(len(set(seen[1:])), 1, "values read during pause %d" % turn)
        expect(control.value("CLIENT", "UNPAUSE"), b"OK")
        for conn in writers:
            conn.read(400)


def stats(conn, name):
    return int(re.search(r"\b%s:(\d+)" % name, conn.value("INFO", "stats").decode())[1])


def pause_and_deadlines(server):
    """A key whose deadline passes in a pause is missing, but still there; it ends afterwards."""
    control = server.connect()
    keys = ["k%d" % n for n in range(200)]
    for turn in range(2):
        expired = stats(control, "expired_keys")
        sets = [request("SET", key, "v", "PX", "200") for key in keys]
        control.send(b"".join(sets) + request("SET", "keep", "v") + request("CLIENT", "PAUSE", "60000", "WRITE"))
        expect(set(control.read(202)), {b"+OK\r\n"})
        expect_true(poll_until(lambda: control.value("EXISTS", *keys) == 0, 5.0), "they are missing")
        silent(control, 0.25)  # active expiry would have had its turns
        for _ in range(2):
            for args, wanted in ((["GET", "k1"], None), (["TTL", "k2"], -2), (["TYPE", "k3"], b"none"), (["MGET", "k4", "keep"], [None, b"v"]),
                                 (["KEYS", "*"], [b"keep"]), (["SCAN", "0", "COUNT", "1000"], [b"0", [b"keep"]]),
                                 (["RANDOMKEY"], b"keep"), (["DBSIZE"], 201)):
                expect(control.value(*args), wanted, repr(args))
        expect(stats(control, "expired_keys"), expired, "expired keys")
        expect(control.value("CLIENT", "UNPAUSE"), b"OK")
        expect_true(poll_until(lambda: control.value("DBSIZE") == 1, 5.0), "they end after the pause")
        expect_true(poll_until(lambda: stats(control, "expired_keys") == expired + 200, 5.0), "all of them")
    control.value("SET", "k", "v", "PX", "100")
    control.value("CLIENT", "PAUSE", "400", "WRITE")
    if not server.redis:  # whose DBSIZE waits for a turn of expiry
        expect_true(poll_until(lambda: control.value("DBSIZE") == 1, 5.0), "after a pause that ends by itself as well")


def pause_and_eviction(server):
    control, other = several(server, 2)
    control.value("CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory-eviction-tenacity", "50")
    for begin in range(0, 200000, 10000):
        control.send(b"".join(request("SET", "key:%d" % n, "x" * 50) for n in range(begin, begin + 10000)))
        control.read(10000)
    used = int(re.search(rb"used_memory:(\d+)", control.value("INFO", "memory"))[1])
    control.value("CONFIG", "SET", "maxmemory", used // 2)
    other.send(request("SET", "one", "more"))  # makes room on its thread, for a while each time
    expect(control.value("CLIENT", "PAUSE", "60000", "WRITE"), b"OK")
    seen = [(control.value("DBSIZE"), stats(control, "evicted_keys")) for _ in range(50)]
    silent(control, 0.1)
    seen.append((control.value("DBSIZE"), stats(control, "evicted_keys")))
    expect(len(set(seen)), 1, "keys during the pause")
    expect(control.value("CLIENT", "UNPAUSE"), b"OK")
    other.read(1)
    expect_true(poll_until(lambda: stats(control, "evicted_keys") > seen[0][1] or control.value("DBSIZE") < 150000, 10.0), "then on")


def reply_modes(server):
    conn = server.connect()
    conn.send(b"".join([request("CLIENT", "REPLY", "OFF"), request("SET", "a", "1"), request("NOSUCH"),
                        request("CLIENT", "REPLY", "ON"), request("GET", "a")]))
    expect(conn.read(2), [b"+OK\r\n", b"$1\r\n1\r\n"])
    conn.send(request("CLIENT", "REPLY", "SKIP") + request("INCR", "a") + request("INCR", "a"))
    expect(conn.read(1), [b":3\r\n"])
    conn.send(request("CLIENT", "REPLY", "SKIP") * 2 + request("INCR", "a") + request("PING"))
    expect(conn.read(1), [b"+PONG\r\n"])
    conn.send(request("CLIENT", "REPLY", "OFF"))
    expect_true(silent(conn, 0.1), "OFF itself is silent")
    conn.send(request("CLIENT", "REPLY", "SKIP") + request("PING") + request("CLIENT", "REPLY", "ON"))
    expect(conn.read(1), [b"+OK\r\n"])
    conn.send(request("CLIENT", "REPLY", "OFF") + request("RESET") + request("PING"))
    expect(conn.read(2), [b"+RESET\r\n", b"+PONG\r\n"])


def address_of(conn):
    return "%s:%d" % conn.sock.getsockname()[:2]


def kill_forms(server):
    me, *others = several(server, 8)
    other = iter(others)

    def killed(how, wanted=1):
        conn = next(other)
        args = [conn.value("CLIENT", "ID") if word == "<id>" else address_of(conn) if word == "<addr>" else word for word in how]
        expect(me.value("CLIENT", "KILL", *args), wanted, " ".join(how))
        listed = [client[b"addr"].decode() for client in fields(me, "LIST")]
        expect_true(address_of(conn) not in listed, "no longer listed at once")
        expect_true(conn.at_eof(), "closed by " + " ".join(how))

    killed(["ID", "<id>"])
    killed(["<addr>"], b"OK")
    killed(["ADDR", "<addr>"])
    killed(["ADDR", "<addr>", "TYPE", "normal", "SKIPME", "yes"])
    killed(["ID", "<id>", "USER", "default", "LADDR", "127.0.0.1:%d" % server.port])
    expect(me.value("CLIENT", "KILL", "ID", 1 << 40), 0)
    expect(me.value("CLIENT", "KILL", "TYPE", "pubsub"), 0)
    expect(me.call("CLIENT", "KILL", "1.2.3.4:5"), ("-", b"ERR No such client"))
    expect(me.value("CLIENT", "KILL", "LADDR", "127.0.0.1:%d" % server.port), 2, "all but me")
    for conn in other:
        expect_true(conn.at_eof(), "closed")
    expect(me.value("PING"), b"PONG")


def kill_self(server):
    me = server.connect()
    me.send(request("SET", "k", "1") + request("CLIENT", "KILL", "ID", me.value("CLIENT", "ID"), "SKIPME", "no") +
            request("SET", "k", "2"))
    expect(me.read(2), [b"+OK\r\n", b":1\r\n"])
    expect_true(me.at_eof(), "closed after its reply")
    expect(server.connect().value("GET", "k"), b"1", "nothing runs after")
    me = server.connect()
    expect(me.value("CLIENT", "KILL", address_of(me)), b"OK")
    expect_true(me.at_eof(), "the old form kills its caller")
    me = server.connect()
    me.value("MULTI")
    me.value("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    me.value("SET", "k", "3")
    me.send(request("EXEC"))
    expect_true(me.at_eof(), "closed after EXEC")
    expect(bytes(me.buf), b"*2\r\n:1\r\n", "as Redis: the replies end with that of KILL")
    expect(server.connect().value("GET", "k"), b"3", "but EXEC is done whole")


def kill_storm(server):
    """Clients in the middle of pipelines, killed from another: no reply goes astray."""
    me = server.connect()
    for _ in range(10):
        victims = several(server, 8)
        for number, conn in enumerate(victims):
            conn.send(request("ECHO", "v%d" % number) * 2000)
        expect_true(me.value("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") <= 8, "at most all")
        for number, conn in enumerate(victims):
            try:
                replies = conn.read(2000, 5.0)
            except Eof as error:
                replies = error.replies
            expect(set(replies) - {b"$2\r\nv%d\r\n" % number}, set(), "only its own replies")
        expect(me.value("PING"), b"PONG")


def listing(server):
    me, other = several(server, 2)
    text = me.value("CLIENT", "LIST")
    expect_true(text.endswith(b"\n"), "ends with a line feed")
    for line in text[:-1].split(b"\n"):
        expect_true(LINE.match(line), "fields in order: %r" % line)
    info = me.value("CLIENT", "INFO")
    expect_true(LINE.match(info[:-1]), "CLIENT INFO: %r" % info)
    mine, others = me.value("CLIENT", "ID"), other.value("CLIENT", "ID")
    expect([int(c[b"id"]) for c in fields(me, "LIST", "ID", others, mine, 999999, mine)], [others, mine, mine])
    other.value("CLIENT", "SETNAME", "bob")
    other.value("SELECT", "3")
    other.value("HELLO", "3")
    other.value("CLIENT", "NO-EVICT", "on")
    other.value("MULTI")
    other.value("PING")
    seen = fields(me, "LIST", "ID", others)[0]
    expect({key: seen[key] for key in (b"name", b"db", b"resp", b"flags", b"multi", b"cmd", b"user", b"laddr")},
           {b"name": b"bob", b"db": b"3", b"resp": b"3", b"flags": b"xe", b"multi": b"1", b"cmd": b"ping", b"user": b"default",
            b"laddr": b"127.0.0.1:%d" % server.port})
    other.value("EXEC")
    expect(fields(me, "LIST", "ID", others)[0][b"multi"], b"-1")
    expect(other.call("CLIENT", "LIST", "TYPE", "normal")[0], "=", "verbatim in RESP3")
    expect(me.value("CLIENT", "LIST", "TYPE", "replica"), b"")


def small_ones(server):
    me = server.connect()
    for args, wanted in ((["GETNAME"], ("$", None)), (["SETNAME", "a"], ("+", b"OK")), (["GETNAME"], ("$", b"a")),
                         (["SETNAME", "a b"], ("-", b"ERR Client names cannot contain spaces, newlines or special characters.")),
                         (["SETNAME", ""], ("+", b"OK")), (["GETNAME"], ("$", None)), (["GETREDIR"], (":", -1)),
                         (["TRACKING", "off"], ("+", b"OK")), (["UNBLOCK", "1"], (":", 0)), (["NO-EVICT", "x"], ("-", b"ERR syntax error")),
                         (["NOSUCH"], ("-", b"ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP."))):
        expect(me.call("CLIENT", *args), wanted, " ".join(args))
    if not server.redis:  # of 7.2
        expect(me.value("CLIENT", "SETINFO", "LIB-NAME", "redis-py"), b"OK")
        expect(me.value("CLIENT", "SETINFO", "lib-ver", "5.0.1"), b"OK")
        expect(me.call("CLIENT", "SETINFO", "lib-name", "a b"),
               ("-", b"ERR lib-name cannot contain spaces, newlines or special characters."))
        expect(me.call("CLIENT", "SETINFO", "foo", "x"), ("-", b"ERR Unrecognized option 'foo'"))
        expect(me.value("CLIENT", "NO-TOUCH", "on"), b"OK")
        expect(fields(me)[0][b"flags"], b"T")


def came_and_went(server):
    me = server.connect()
    for conn in several(server, 30):
        conn.close()
    expect_true(poll_until(lambda: len(fields(me, "LIST")) == 1, 5.0), "closed clients leave the list")


CHECKS = [
    ("CLIENT PAUSE WRITE holds writes only", [], pause_write),
    ("CLIENT PAUSE holds everything", [], pause_all),
    ("CLIENT PAUSE ends on time", [], pause_ends_exactly),
    ("CLIENT PAUSE is only made longer", [], pause_extends),
    ("CLIENT PAUSE and MULTI", [], pause_multi),
    ("CLIENT PAUSE and clients that go", [], pause_and_going),
    ("CLIENT PAUSE and clients that leave", [], pause_and_leaving),
    ("CLIENT PAUSE and half-closed clients", [], pause_and_half_closed),
    ("CLIENT PAUSE and replies under way", [], pause_and_large_replies),
    ("CLIENT PAUSE is an instant", [], pause_is_an_instant),
    ("CLIENT PAUSE and flushes", [], pause_and_flushes),
    ("CLIENT PAUSE and deadlines", [], pause_and_deadlines),
    ("CLIENT PAUSE and eviction", [], pause_and_eviction),
    ("CLIENT REPLY", [], reply_modes),
    ("CLIENT KILL, all forms, across threads", [], kill_forms),
    ("CLIENT KILL of oneself", [], kill_self),
    ("CLIENT KILL in the middle of pipelines", [], kill_storm),
    ("CLIENT LIST and INFO", [], listing),
    ("CLIENT, the small ones", [], small_ones),
    ("CLIENT LIST after clients went", [], came_and_went),
]
