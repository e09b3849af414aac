"""What shows of sets whose sessions are over before anybody has ended them; ids that wait; what the patterns name."""
import os
import socket
import subprocess
import tempfile
import time

from report import expect, expect_true
from resp import request
from servers import Server, cloakroom_binary, free_port, poll_until

IDS = ["id-%d" % number for number in range(8)]
MANY = ["many-%d" % number for number in range(3000)]
SET = "user_sessions:u"


def pipeline(conn, commands):
    """Replies of many commands, sent in parts that fit the buffers."""
    replies = []
    for at in range(0, len(commands), 500):
        part = commands[at:at + 500]
        conn.send(b"".join(request(*command) for command in part))
        replies += conn.read(len(part))
    return replies


def over(conn, ids, db=0):
    """A set whose sessions have all expired, and nobody has looked since: active expiry is off."""
    conn.call("FLUSHALL")
    conn.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    conn.call("SELECT", db)
    until = int(time.time() * 1000) + 300 + len(ids) // 10
    pipeline(conn, [("SET", "session:" + name, "{}", "PXAT", until) for name in ids])
    pipeline(conn, [("SADD", SET, name) for name in ids])
    conn.call("SELECT", 0)
    poll_until(lambda: time.time() * 1000 > until + 1, 20.0)


def born_dead(server):
    conn = server.connect()
    conn.call("FLUSHALL")
    conn.call("SADD", SET, "a", "b")
    conn.call("SET", "session:a", "{}")
    conn.call("SET", "session:b", "{}")
    replies = conn.transaction(("SET", "session:a", "{}", "PXAT", "1"), ("SISMEMBER", SET, "a"), ("EXISTS", "session:a"),
                          ("SUNIONSTORE", "copy", SET), ("COPY", SET, "user_sessions:w"), ("SMEMBERS", "user_sessions:w"))
    expect(replies, [b"OK", 0, 0, 1, 1, [b"b"]], "in the EXEC in which it ends")
    for options in (("EXAT", "1"), ("PXAT", "1"), ("GET", "PXAT", "1")):
        conn.call("SADD", SET, "c")
        conn.call("SET", "session:c", "{}", *options)
        expect(conn.value("SISMEMBER", SET, "c"), 0, "SET with %r" % (options,))
    conn.close()


def keyspace_commands(server):
    for ids in (IDS, MANY):
        conn = server.connect()
        over(conn, ids)
        expect(conn.value("DBSIZE"), len(ids) + 1, "DBSIZE counts what is stored")
        conn.call("SET", "other", "1")
        expect(conn.value("KEYS", "*"), [b"other"], "KEYS")
        over(conn, ids)
        conn.call("SET", "other", "1")
        found, cursor = [], b"0"
        while True:
            cursor, keys = conn.value("SCAN", cursor)
            found += keys
            if cursor == b"0":
                break
        expect(found, [b"other"], "SCAN")
        over(conn, ids)
        expect(conn.value("RANDOMKEY"), None, "RANDOMKEY")
        over(conn, ids)
        expect(conn.transaction(("EXISTS", "session:" + ids[0]), ("KEYS", "*"), ("SCAN", "0", "COUNT", "100000"), ("RANDOMKEY",)),
               [0, [], [b"0", []], None], "in EXEC")
        conn.close()


def reads_of_the_set(server):
    for ids in (IDS, MANY):
        for command, wanted in ((("SCARD", SET), 0), (("EXISTS", SET), 0), (("SISMEMBER", SET, ids[3]), 0), (("TYPE", SET), b"none"),
                                (("SMEMBERS", SET), []), (("SPOP", SET), None), (("DEL", SET), 0), (("SMISMEMBER", SET, ids[0], "x"), [0, 0]),
                                (("EXPIRE", SET, "100"), 0), (("COPY", SET, "copy"), 0), (("SUNIONSTORE", "copy", SET), 0),
                                (("SREM", SET, ids[1]), 0), (("SMOVE", SET, "user_sessions:w", ids[2]), 0), (("COPY", SET, "copy", "DB", "3"), 0),
                                (("MOVE", SET, "3"), 0), (("SADD", SET, ids[4]), 1), (("OBJECT", "ENCODING", SET), None)):
            conn = server.connect()
            over(conn, ids)
            expect(conn.value(*command), wanted, "%r with %d ids" % (command, len(ids)))
            conn.close()


def half_closed(server):
    """Who has closed its sending side still gets its reply, also when much had to be ended first."""
    conn = server.connect()
    over(conn, MANY)
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"PING\r\nSCARD %s\r\nPING\r\n" % SET.encode())
        client.shutdown(socket.SHUT_WR)
        reply = b"".join(iter(lambda: client.recv(100), b""))
    expect(reply, b"+PONG\r\n:0\r\n+PONG\r\n", "replies")
    conn.close()


def across_databases(server):
    conn = server.connect()
    over(conn, IDS, db=3)
    conn.call("SADD", SET, "here")
    expect(conn.value("MOVE", SET, "3"), 1, "MOVE onto a set that is over")
    over(conn, IDS, db=3)
    conn.call("SADD", SET, "here")
    expect(conn.transaction(("COPY", SET, SET, "DB", "3"), ("SELECT", "3"), ("SMEMBERS", SET)), [1, b"OK", [b"here"]], "COPY in EXEC")
    conn.call("SELECT", 0)
    over(conn, IDS, db=3)
    expect(conn.transaction(("SWAPDB", "0", "3"), ("EXISTS", SET), ("SWAPDB", "0", "3")), [b"OK", 0, b"OK"], "SWAPDB in EXEC")
    conn.close()


def watched(server):
    conn = server.connect()
    over(conn, IDS)
    conn.call("WATCH", SET)
    expect(conn.transaction(("EXISTS", SET)), [0], "a set that was over when its watch began has not changed")
    over(conn, IDS)
    until = int(time.time() * 1000) + 150
    conn.call("SET", "session:soon", "{}", "PXAT", until)
    conn.call("SADD", SET, "soon")
    conn.call("WATCH", SET)
    poll_until(lambda: time.time() * 1000 > until + 1, 10.0)
    expect(conn.transaction(("EXISTS", SET)), None, "it lost a session since")
    conn.close()


def waiting_ids_go_with_their_set(_):
    with Server(cloakroom_binary(), ["--session-index", "yes", "--io-threads", "1"]) as server:
        conn = server.connect()
        conn.call("SADD", SET, "warm")
        conn.call("DEL", SET)
        used = lambda: int(conn.value("INFO", "memory").split(b"used_memory:")[1].split()[0])
        before = used()
        for end in (("DEL", SET), ("EXPIRE", SET, "-1"), ("SET", SET, "text"), ("SPOP", SET, "100000"), ("FLUSHALL",)):
            for at in range(0, 20000, 500):
                conn.call("SADD", SET, *["w%d" % number for number in range(at, at + 500)])
            expect_true(used() - before > 1_000_000, "they take memory")
            conn.call(*end)
            conn.call("DEL", SET)
            expect_true(poll_until(lambda: used() - before < 300_000, 10.0), "memory after %r: %d" % (end, used() - before))
        conn.close()


def waiting_ids_count_as_memory(_):
    with Server(cloakroom_binary(), ["--session-index", "yes", "--maxmemory", "20mb", "--io-threads", "1"]) as server:
        conn = server.connect()
        refused = None
        for at in range(0, 400000, 500):
            refused = conn.value("SADD", SET, *["w%d" % number for number in range(at, at + 500)])
            if isinstance(refused, Exception) or not isinstance(refused, int):
                break
        expect_true(b"OOM" in bytes(str(refused), "latin-1"), "SADD is refused: %r" % (refused,))
        conn.call("DEL", SET)
        expect_true(poll_until(lambda: conn.value("SADD", SET, "again") == 1, 10.0), "there is room again")
        conn.close()


def import_of_sets_first(server, full):
    conn = server.connect()
    conn.call("FLUSHALL")
    conn.call("DEBUG", "SET-ACTIVE-EXPIRE", "1")
    count = 1_500_000 if full else 150_000
    users = count // 3
    pipeline(conn, [("SADD", "user_sessions:%d" % (number % users), "i%d" % number) for number in range(count)])
    pipeline(conn, [("SET", "session:i%d" % number, "{}") for number in range(count)])
    expect(set(pipeline(conn, [("SCARD", "user_sessions:%d" % user) for user in range(users)])), {b":3\r\n"}, "sets of three")
    conn.call("FLUSHALL")
    conn.close()


def overlapping_patterns(_):
    options = ["--session-index", "yes", "--session-key-pattern", "s:{id}", "--user-sessions-key-pattern", "s:{user}:all"]
    with Server(cloakroom_binary(), options) as server:
        conn = server.connect()
        conn.call("SADD", "s:u:all", "1")
        conn.call("SET", "s:1", "{}")
        conn.call("DEL", "s:1")
        expect(conn.value("EXISTS", "s:u:all"), 0, "the longer pattern names the sets")
        conn.close()
    with tempfile.TemporaryDirectory() as folder:
        start = [cloakroom_binary(), "--port", str(free_port()), "--dir", folder, "--session-key-pattern", "s:{id}",
                 "--user-sessions-key-pattern", "s:{user}"]
        env = {name: value for name, value in os.environ.items() if name != "CLOAKROOM_SERVER"}
        done = subprocess.run(start, capture_output=True, timeout=20, env=env, check=False)
        expect_true(done.returncode != 0, "equal patterns do not start")
        expect_true(b"are the same" in done.stdout + done.stderr, "and it says why: %r" % (done.stdout + done.stderr)[-200:])


def empty_id(server):
    conn = server.connect()
    conn.call("FLUSHALL")
    conn.call("SADD", SET, "")
    conn.call("SET", "session:", "{}")
    conn.call("DEL", "session:")
    expect(conn.value("EXISTS", SET), 0, "the session with the empty id")
    conn.close()


TESTS = [born_dead, keyspace_commands, reads_of_the_set, half_closed, across_databases, watched, empty_id]


def run_all(report, full):
    with Server(cloakroom_binary(), ["--session-index", "yes", "--enable-debug-command", "yes"]) as server:
        for test in TESTS:
            report.run("seen: " + test.__name__.replace("_", " "), test, server)
        report.run("seen: import of sets first", import_of_sets_first, server, full)
    for test in (waiting_ids_go_with_their_set, waiting_ids_count_as_memory, overlapping_patterns):
        report.run("seen: " + test.__name__.replace("_", " "), test, full)
