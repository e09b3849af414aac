"""How links begin: either order, several sets, pending ids, every way a set can gain or lose members, per database."""
from report import expect, expect_true
from servers import Server, cloakroom_binary, poll_until

A = "0f8fad5b-d9cb-469f-a165-70867728950e"
B = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def fresh(server):
    conn = server.connect()
    conn.call("FLUSHALL")
    return conn


def either_order(server):
    for first in ("set", "session"):
        conn = fresh(server)
        steps = [("SADD", "user_sessions:u", A), ("SET", "session:" + A, "{}")]
        for step in steps if first == "set" else reversed(steps):
            conn.call(*step)
        conn.call("DEL", "session:" + A)
        expect(conn.value("EXISTS", "user_sessions:u"), 0, first + " first")
        conn.close()


def several_sets(server):
    conn = fresh(server)
    conn.call("SET", "session:" + A, "{}")
    for number in range(40):
        conn.call("SADD", "user_sessions:%d" % number, A)
    conn.call("SADD", "user_sessions:7", "other")
    conn.call("DEL", "session:" + A)
    expect(conn.value("KEYS", "user_sessions:*"), [b"user_sessions:7"], "sets left")
    expect(conn.value("SMEMBERS", "user_sessions:7"), [b"other"], "its members")
    conn.close()


def other_sets_are_left_alone(server):
    conn = fresh(server)
    conn.call("SADD", "team", A)
    conn.call("SADD", "user_sessions:u", A)
    conn.call("SET", "session:" + A, "{}")
    conn.call("DEL", "session:" + A)
    expect(conn.value("SMEMBERS", "team"), [A.encode()], "a set of another name")
    conn.close()


def ways_into_a_set(server):
    ways = {
        "SMOVE": [("SADD", "tmp", A), ("SMOVE", "tmp", "user_sessions:u", A)],
        "SUNIONSTORE": [("SADD", "tmp", A), ("SUNIONSTORE", "user_sessions:u", "tmp")],
        "SINTERSTORE": [("SADD", "tmp", A), ("SINTERSTORE", "user_sessions:u", "tmp", "tmp")],
        "SDIFFSTORE": [("SADD", "tmp", A), ("SDIFFSTORE", "user_sessions:u", "tmp")],
        "RENAME": [("SADD", "tmp", A), ("RENAME", "tmp", "user_sessions:u")],
        "RENAMENX": [("SADD", "tmp", A), ("RENAMENX", "tmp", "user_sessions:u")],
        "RENAME of a user set": [("SADD", "user_sessions:t", A), ("RENAME", "user_sessions:t", "user_sessions:u")],
        "COPY": [("SADD", "tmp", A), ("COPY", "tmp", "user_sessions:u")],
        "COPY of a user set": [("SADD", "user_sessions:t", A), ("COPY", "user_sessions:t", "user_sessions:u")],
        "MULTI": [("MULTI",), ("SADD", "user_sessions:u", A), ("EXEC",)],
    }
    for name, commands in ways.items():
        conn = fresh(server)
        conn.call("SET", "session:" + A, "{}")
        for command in commands:
            conn.call(*command)
        expect(conn.value("SISMEMBER", "user_sessions:u", A), 1, name)
        conn.call("DEL", "session:" + A)
        expect(conn.value("EXISTS", "user_sessions:u"), 0, name + ", then DEL")
        conn.close()


def ways_out_of_a_set(server):
    """Leaving a set does not end the session, and a later end does not disturb the rest."""
    ways = {"SREM": [("SREM", "user_sessions:u", A)], "SPOP": [("SPOP", "user_sessions:u", "100")],
            "SMOVE": [("SMOVE", "user_sessions:u", "team", A)], "DEL": [("DEL", "user_sessions:u")],
            "RENAME": [("RENAME", "user_sessions:u", "team")], "overwritten": [("SET", "user_sessions:u", "x")],
            "expired": [("PEXPIRE", "user_sessions:u", "0")], "SDIFFSTORE": [("SDIFFSTORE", "user_sessions:u", "none")]}
    for name, commands in ways.items():
        conn = fresh(server)
        conn.call("SET", "session:" + A, "{}")
        conn.call("SADD", "user_sessions:u", A)
        conn.call("SADD", "user_sessions:v", A, "x")
        for command in commands:
            conn.call(*command)
        expect(conn.value("EXISTS", "session:" + A), 1, name)
        team = conn.value("SMEMBERS", "team")
        conn.call("DEL", "session:" + A)
        expect(conn.value("SMEMBERS", "user_sessions:v"), [b"x"], name + ": the other set")
        expect(conn.value("SMEMBERS", "team"), team, name + ": a set of another name")
        conn.close()


def per_database(server):
    conn = fresh(server)
    for db in ("0", "1"):
        conn.call("SELECT", db)
        conn.call("SET", "session:" + A, "{}")
        conn.call("SADD", "user_sessions:u", A)
    conn.call("DEL", "session:" + A)
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "db 1")
    conn.call("SELECT", "0")
    expect(conn.value("SMEMBERS", "user_sessions:u"), [A.encode()], "db 0 is untouched")
    conn.call("SWAPDB", "0", "1")
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "after SWAPDB")
    conn.call("SELECT", "1")
    conn.call("DEL", "session:" + A)
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "the links moved with SWAPDB")
    conn.close()


def move_into_another_database(server):
    conn = fresh(server)
    conn.call("SADD", "user_sessions:u", A)
    conn.call("SET", "session:" + A, "{}")
    conn.call("SELECT", "1")
    conn.call("SADD", "user_sessions:u", A)
    conn.call("SELECT", "0")
    conn.call("MOVE", "session:" + A, "1")
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "left behind")
    conn.call("SELECT", "1")
    expect(conn.value("SMEMBERS", "user_sessions:u"), [A.encode()], "linked on arrival")
    conn.call("DEL", "session:" + A)
    expect(conn.value("EXISTS", "user_sessions:u"), 0, "ended there")
    conn.close()


def renamed_session(server):
    conn = fresh(server)
    for session_id in (A, B):
        conn.call("SET", "session:" + session_id, "{}")
        conn.call("SADD", "user_sessions:u", session_id)
    conn.call("RENAME", "session:" + A, "session:" + B)
    expect(conn.value("SMEMBERS", "user_sessions:u"), [B.encode()], "RENAME ends a, b keeps its own link")
    conn.close()


def kinds_of_ids(server):
    ids = ["6b0d549b6f03475a9600a35a099950d8", "S0m3-Url_safe-32-byte-base64-token-x", "42", "a", "x" * 300, "caf\u00e9",
           "6B0D549B-6F03-475A-9600-A35A099950D8", "with space", "\x00binary\r\n"]
    for session_id in ids:
        conn = fresh(server)
        conn.call("SADD", "user_sessions:u", session_id, "stays")
        conn.call("SET", "session:" + session_id, "{}")
        expect(conn.value("SISMEMBER", "user_sessions:u", session_id), 1, "member %r" % session_id[:40])
        conn.call("DEL", "session:" + session_id)
        expect(conn.value("SMEMBERS", "user_sessions:u"), [b"stays"], "after the end of %r" % session_id[:40])
        conn.close()


def mixed_case_is_another_id(server):
    conn = fresh(server)
    conn.call("SET", "session:" + A, "{}")
    conn.call("SADD", "user_sessions:u", A, A.upper())
    conn.call("DEL", "session:" + A)
    expect(conn.value("SMEMBERS", "user_sessions:u"), [A.upper().encode()], "upper case is not the same id")
    conn.close()


def big_sets(server):
    conn = fresh(server)
    for number in range(1000):
        conn.call("SADD", "user_sessions:big", "id-%d" % number)
        conn.call("SET", "session:id-%d" % number, "{}")
    for number in range(0, 1000, 2):
        conn.call("DEL", "session:id-%d" % number)
    wanted = {b"id-%d" % number for number in range(1, 1000, 2)}
    expect(set(conn.value("SMEMBERS", "user_sessions:big")), wanted, "the living half")
    expect(conn.value("SCARD", "user_sessions:big"), 500, "SCARD")
    conn.call("FLUSHALL")
    conn.close()


def pending_ids(_):
    with Server(cloakroom_binary(), ["--session-index", "yes", "--session-index-pending-ms", "150"]) as server:
        conn = fresh(server)
        conn.call("SADD", "user_sessions:u", A, B)
        conn.call("SADD", "user_sessions:only-pending", "never")
        conn.call("SET", "session:" + A, "{}")
        expect_true(poll_until(lambda: conn.value("SMEMBERS", "user_sessions:u") == [A.encode()], 5.0), "the pending id leaves")
        expect_true(poll_until(lambda: conn.value("EXISTS", "user_sessions:only-pending") == 0, 5.0), "an emptied set goes")
        expect(conn.value("EXISTS", "session:" + A), 1, "the session stays")
        conn.close()


def information(server):
    conn = fresh(server)
    for session_id in (A, B):
        conn.call("SET", "session:" + session_id, "{}")
        conn.call("SADD", "user_sessions:u", session_id)
    text = conn.value("INFO", "sessions")
    expect_true(b"# Sessions" in text, "INFO sessions")
    conn.close()


def other_patterns(_):
    options = ["--session-index", "yes", "--session-key-pattern", "sess:{id}", "--user-sessions-key-pattern", "by_user:{user}"]
    with Server(cloakroom_binary(), options) as server:
        conn = fresh(server)
        conn.call("SET", "sess:1", "{}")
        conn.call("SADD", "by_user:u", "1")
        conn.call("SADD", "user_sessions:u", "1")
        conn.call("DEL", "sess:1")
        expect(conn.value("EXISTS", "by_user:u"), 0, "the configured pattern")
        expect(conn.value("SMEMBERS", "user_sessions:u"), [b"1"], "the default pattern is an ordinary name now")
        conn.close()


TESTS = [either_order, several_sets, other_sets_are_left_alone, ways_into_a_set, ways_out_of_a_set, per_database,
         move_into_another_database, renamed_session, kinds_of_ids, mixed_case_is_another_id, big_sets, information]


def run_all(report, full):
    with Server(cloakroom_binary(), ["--session-index", "yes"]) as server:
        for test in TESTS:
            report.run("index: " + test.__name__.replace("_", " "), test, server)
    report.run("index: pending ids", pending_ids, full)
    report.run("index: other patterns", other_patterns, full)
