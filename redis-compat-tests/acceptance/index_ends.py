"""Whatever ends a session takes its id out of the sets, at once and for every observer."""
from report import expect, expect_true
from servers import Server, cloakroom_binary, poll_until

ID = "6b0d549b-6f03-475a-9600-a35a099950d8"
OTHER = "8d116ece-1738-47d9-bd9c-172411e20b8f"
KEY = "session:" + ID

# name -> commands that end the session (the last of them does)
ENDS = {
    "DEL": [("DEL", KEY)],
    "UNLINK": [("UNLINK", KEY)],
    "GETDEL": [("GETDEL", KEY)],
    "DEL of several": [("DEL", "x", KEY, "y")],
    "EXPIRE in the past": [("EXPIRE", KEY, "-1")],
    "PEXPIRE 0": [("PEXPIRE", KEY, "0")],
    "EXPIREAT in the past": [("EXPIREAT", KEY, "1")],
    "PEXPIREAT in the past": [("PEXPIREAT", KEY, "1")],
    "SET with a past deadline": [("SET", KEY, "v", "PXAT", "1")],
    "GETEX with a past deadline": [("GETEX", KEY, "EXAT", "1")],
    "RENAME away": [("RENAME", KEY, "elsewhere")],
    "RENAMENX away": [("RENAMENX", KEY, "elsewhere")],
    "RENAME of a set over it": [("SADD", "tmp", "x"), ("RENAME", "tmp", KEY)],
    "MOVE": [("MOVE", KEY, "5")],
    "overwritten by SUNIONSTORE": [("SADD", "tmp", "x"), ("SUNIONSTORE", KEY, "tmp")],
    "overwritten by SINTERSTORE": [("SADD", "tmp", "x"), ("SINTERSTORE", KEY, "tmp")],
    "overwritten by SDIFFSTORE": [("SADD", "tmp", "x"), ("SDIFFSTORE", KEY, "tmp")],
    "emptied by SINTERSTORE": [("SINTERSTORE", KEY, "missing")],
    "overwritten by COPY of a set": [("SADD", "tmp", "x"), ("COPY", "tmp", KEY, "REPLACE")],
    "DEL, then SADD": [("DEL", KEY), ("SADD", KEY, "x")],
    "MULTI with DEL": [("MULTI",), ("DEL", KEY), ("EXEC",)],
    "MULTI with DEL and SET": [("MULTI",), ("DEL", KEY), ("SET", "other", "1"), ("EXEC",)],
}
KEEPS = {
    "SET again": [("SET", KEY, "new")],
    "SETEX again": [("SETEX", KEY, "100", "new")],
    "GETSET": [("GETSET", KEY, "new")],
    "APPEND": [("APPEND", KEY, "x")],
    "SETRANGE": [("SETRANGE", KEY, "3", "x")],
    "EXPIRE": [("EXPIRE", KEY, "1000")],
    "PERSIST": [("PERSIST", KEY)],
    "GETEX": [("GETEX", KEY, "EX", "100")],
    "COPY": [("COPY", KEY, "session:" + OTHER)],
    "RENAME back in MULTI": [("MULTI",), ("GET", KEY), ("EXEC",)],
    "failing RENAMENX": [("SET", "elsewhere", "x"), ("RENAMENX", KEY, "elsewhere")],
    "overwritten by RENAME of a string": [("SET", "tmp", "x"), ("RENAME", "tmp", KEY)],
    "overwritten by COPY of a hash": [("HSET", "tmp", "f", "v"), ("COPY", "tmp", KEY, "REPLACE")],
    "MSET": [("MSET", KEY, "new")],
    "failing SET NX": [("SET", KEY, "new", "NX")],
    "FLUSHDB elsewhere": [("SELECT", "7"), ("FLUSHDB",), ("SELECT", "0")],
}


def prepare(conn, kind):
    conn.call("FLUSHALL")
    conn.call("SELECT", "0")
    conn.call("SADD", "user_sessions:u", ID)
    if kind == "string":
        conn.call("SET", KEY, "{}", "EX", "3600")
    else:
        conn.call("HSET", KEY, "user", "u")
    conn.call("SADD", "user_sessions:v", ID, OTHER)
    conn.call("SET", "session:" + OTHER, "{}")


def run_commands(conn, commands):
    for command in commands:
        reply = conn.call(*command)
        expect_true(reply[0] != "-", "%r answered %r" % (command, reply[1]))


def ends(server, kind, commands):
    conn, watcher = server.connect(), server.connect()
    prepare(conn, kind)
    watcher.call("WATCH", "user_sessions:u")
    run_commands(conn, commands)
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "the emptied set")
    expect(conn.value("SMEMBERS", "user_sessions:v"), [OTHER.encode()], "the other set")
    expect(conn.value("SISMEMBER", "user_sessions:v", ID), 0, "SISMEMBER")
    watcher.call("MULTI")
    watcher.call("PING")
    expect(watcher.value("EXEC"), None, "EXEC of one who watched the set")
    conn.close()
    watcher.close()


def keeps(server, kind, commands):
    conn = server.connect()
    strings_only = {"SETEX", "GETSET", "APPEND", "SETRANGE", "GETEX"}
    if kind == "hash" and (commands[0][0] in strings_only or commands[1:2] == [("GET", KEY)]):
        return
    prepare(conn, kind)
    run_commands(conn, commands)
    expect(conn.value("SMEMBERS", "user_sessions:u"), [ID.encode()], "the set")
    expect(sorted(conn.value("SMEMBERS", "user_sessions:v")), sorted([ID.encode(), OTHER.encode()]), "the other set")
    conn.close()


def hash_emptied(server):
    conn = server.connect()
    prepare(conn, "hash")
    conn.call("HDEL", KEY, "user")
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "after HDEL of the last field")
    conn.close()


def expiry(server):
    """At no time is the id in the set while the session is gone, however it is looked at."""
    conn = server.connect()
    prepare(conn, "string")
    conn.call("PEXPIRE", KEY, "60")

    def gone():
        replies = conn.transaction( ("SISMEMBER", "user_sessions:u", ID), ("EXISTS", KEY), ("SISMEMBER", "user_sessions:v", ID))
        expect_true(replies in ([1, 1, 1], [0, 0, 0]), "seen apart: %r" % replies)
        return replies[1] == 0

    expect_true(poll_until(gone, 5.0), "expires")
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "the emptied set")
    conn.close()


def expiry_unread(server):
    """Nobody reads the sessions; the set is looked at alone."""
    conn = server.connect()
    conn.call("FLUSHALL")
    for number in range(200):
        conn.call("SADD", "user_sessions:u", "id%d" % number)
        conn.call("SET", "session:id%d" % number, "{}", "PX", "100")
    expect(conn.value("SCARD", "user_sessions:u") > 0, True, "members before")
    expect_true(poll_until(lambda: conn.value("EXISTS", "user_sessions:u") == 0, 5.0), "the set empties by itself")
    conn.close()


def flush(server):
    for command in (("FLUSHDB",), ("FLUSHALL",), ("FLUSHDB", "ASYNC"), ("FLUSHALL", "SYNC")):
        conn = server.connect()
        prepare(conn, "string")
        conn.call(*command)
        expect(conn.value("DBSIZE"), 0, "after %r" % (command,))
        conn.call("SADD", "user_sessions:u", ID)
        expect(conn.value("SCARD", "user_sessions:u"), 1, "a new id after %r is pending" % (command,))
        conn.close()


def run_all(report, _full):
    with Server(cloakroom_binary(), ["--session-index", "yes"]) as server:
        for kind in ("string", "hash"):
            for name, commands in ENDS.items():
                if kind == "hash" and any(c[0] in ("GETDEL", "GETEX") for c in commands):
                    continue
                report.run("session (%s) ended by %s" % (kind, name), ends, server, kind, commands)
            for name, commands in KEEPS.items():
                report.run("session (%s) kept by %s" % (kind, name), keeps, server, kind, commands)
        report.run("session (hash) ended by HDEL of the last field", hash_emptied, server)
        report.run("session ended by expiry, seen at once", expiry, server)
        report.run("session ended by expiry, unread", expiry_unread, server)
        report.run("sessions ended by FLUSH*", flush, server)
