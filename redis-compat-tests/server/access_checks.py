"""Who gets in: requirepass, HELLO, maxclients, timeout, DEBUG."""
import time

from report import expect, expect_true
from resp import Eof, plain
from servers import poll_until

PASSWORD = ["--requirepass", "s3cret"]
NOAUTH = ("-", b"NOAUTH Authentication required.")
WRONGPASS = ("-", b"WRONGPASS invalid username-password pair or user is disabled.")
HELLO_NOAUTH = (
    "-", b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option "
    b"can be used to authenticate the client and select the RESP protocol version at the same time")


def password(server):
    conn = server.connect()
    for args in (["GET", "k"], ["PING"], ["CLIENT", "LIST"], ["MULTI"], ["COMMAND"]):
        expect(conn.call(*args), NOAUTH, " ".join(args))
    expect(conn.call("HELLO", "3"), HELLO_NOAUTH)
    expect(conn.call("AUTH", "wrong"), WRONGPASS)
    expect(conn.call("AUTH", "nobody", "s3cret"), WRONGPASS)
    expect(conn.call("AUTH", "s3cret"), ("+", b"OK"))
    expect(conn.call("GET", "k"), ("$", None))
    expect(conn.call("RESET"), ("+", b"RESET"))
    expect(conn.call("GET", "k"), NOAUTH, "after RESET")
    expect(conn.call("AUTH", "default", "s3cret"), ("+", b"OK"))
    conn.value("CONFIG", "SET", "requirepass", "")
    expect(server.connect().call("GET", "k"), ("$", None), "the password was removed")


def hello(server):
    conn = server.connect()
    first = plain(conn.call("HELLO"))
    expect(first[::2], [b"server", b"version", b"proto", b"id", b"mode", b"role", b"modules"])
    expect(first[5], 2)
    kind, third = conn.call("HELLO", "3", "SETNAME", "me")
    expect(kind, "%", "a map in RESP3")
    expect(plain(third[5]), 3)
    expect(conn.value("CLIENT", "GETNAME"), b"me")
    expect(conn.call("HELLO", "4"), ("-", b"NOPROTO unsupported protocol version"))
    expect(conn.call("HELLO", "x"), ("-", b"ERR Protocol version is not an integer or out of range"))
    expect(conn.call("HELLO", "3", "FOO"), ("-", b"ERR Syntax error in HELLO option 'FOO'"))
    expect(conn.call("HELLO", "3", "AUTH", "default", "any")[0], "%", "any password opens a user without one")
    expect(conn.call("HELLO", "3", "AUTH", "nobody", "x"), WRONGPASS)
    expect(conn.call("HELLO", "3", "SETNAME", "a b"),
           ("-", b"ERR Client names cannot contain spaces, newlines or special characters."))
    expect(conn.call("GET", "none"), ("_", b""), "still RESP3")
    expect(conn.call("HELLO", "2")[0], "*")
    expect(conn.call("GET", "none"), ("$", None))


def hello_with_password(server):
    conn = server.connect()
    expect(conn.call("HELLO", "3", "AUTH", "default", "s3cret", "SETNAME", "me")[0], "%")
    expect(conn.value("CLIENT", "GETNAME"), b"me")
    other = server.connect()
    expect(other.call("HELLO", "3", "AUTH", "default", "no"), WRONGPASS)
    expect(other.call("GET", "k"), NOAUTH)


def max_clients(server):
    conns = [server.connect() for _ in range(5)]
    for conn in conns:
        conn.value("PING")
    late = server.connect()
    expect(late.read(1), [b"-ERR max number of clients reached\r\n"])
    expect_true(late.at_eof(), "refused")
    conns.pop().close()

    def admitted():
        conn = server.connect()
        try:
            return conn.value("PING") == b"PONG" and not conns.append(conn)
        except Eof:
            return False

    expect_true(poll_until(admitted, 5.0), "a place is free again")
    expect(conns[0].value("CONFIG", "SET", "maxclients", "6"), b"OK")
    expect(server.connect().value("PING"), b"PONG")


def idle_timeout(server):
    idle, monitor, paused, busy = (server.connect() for _ in range(4))
    idle.value("PING")
    begin = time.monotonic()
    monitor.value("MONITOR")
    paused.value("PING")
    while time.monotonic() - begin < 3.5 and not idle.eof:
        busy.value("PING")
        idle.at_eof(0.2)
    took = time.monotonic() - begin
    expect_true(idle.eof and 0.9 < took < 3.3, "closed after a second: %.1f" % took)
    expect(busy.value("PING"), b"PONG", "one that talks stays")
    expect_true(monitor.read(1)[0].endswith(b'"PING"\r\n'), "one that monitors stays")


def debug_refused(server):
    conn = server.connect()
    refusal = ("-", b"ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a "
               b"local connection, otherwise you need to set this option in the configuration file, and then restart the server.")
    expect(conn.call("DEBUG", "SLEEP", "0"), refusal)
    expect(conn.call("DEBUG"), ("-", b"ERR wrong number of arguments for 'debug' command"))
    conn.value("MULTI")
    expect(conn.call("DEBUG", "SLEEP", "0"), refusal)
    expect(conn.call("EXEC"), ("-", b"EXECABORT Transaction discarded because of previous errors."))


def debug_local(server):
    conn = server.connect()
    expect(conn.call("DEBUG", "SLEEP", "0"), ("+", b"OK"))
    expect(conn.call("DEBUG", "OBJECT", "none"), ("-", b"ERR no such key"))
    conn.value("SET", "k", "1234567")
    expect_true(b" encoding:int " in conn.value("DEBUG", "OBJECT", "k"), "an object")


def debug_protocol(server):
    conn = server.connect()
    wanted = {
        "string": ("$", b"Hello World"), "integer": (":", 12345), "double": (",", b"3.141"), "null": ("_", b""),
        "bignum": ("(", b"1234567999999999999999999999999999999"), "array": ("*", [(":", 0), (":", 1), (":", 2)]),
        "set": ("~", [(":", 0), (":", 1), (":", 2)]), "true": ("#", b"t"), "false": ("#", b"f"),
        "map": ("%", [(":", 0), ("#", b"f"), (":", 1), ("#", b"t"), (":", 2), ("#", b"f")]),
        "verbatim": ("=", b"txt:This is a verbatim\nstring"),
    }
    conn.value("HELLO", "3")
    for name, node in wanted.items():
        expect(conn.call("DEBUG", "PROTOCOL", name), node, name)
    conn.send(b"DEBUG PROTOCOL push\r\n")
    expect(conn.read(2), [b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n", b"$40\r\nSome real reply following the push reply\r\n"])
    conn.value("HELLO", "2")
    expect(conn.call("DEBUG", "PROTOCOL", "push"), ("-", b"ERR RESP2 is not supported by this command"))
    expect(conn.call("DEBUG", "PROTOCOL", "map"), ("*", [(":", n) for n in (0, 0, 1, 1, 2, 0)]))


CHECKS = [
    ("requirepass", PASSWORD, password),
    ("HELLO", [], hello),
    ("HELLO with a password", PASSWORD, hello_with_password),
    ("maxclients", ["--maxclients", "5"], max_clients),
    ("timeout", ["--timeout", "1"], idle_timeout),
    ("DEBUG is refused by default", [], debug_refused),
    ("DEBUG for local clients", ["--enable-debug-command", "local"], debug_local),
    ("DEBUG PROTOCOL", ["--enable-debug-command", "yes"], debug_protocol),
]
