"""What clients, and those who are none, may send."""
from resp import request

KEY = b"session:" + b"k" * 36

# After authentication, or where there is no password. Every line is one connection.
PLAIN = [
    # Ordinary requests.
    request("PING"),
    request("SET", "k", "") + request("GET", "k"),
    request(b"SET", b"k\0\r\n$3\r\n", b"\xff\0\n*1\r\n") + request(b"GET", b"k\0\r\n$3\r\n"),
    request("SET", KEY, b"v" * 311, "EX", "1800") + request("GET", KEY) + request("DEL", KEY),
    request(*["MGET"] + ["nokey%d" % i for i in range(12)]),
    b"".join(request("ECHO", b"%d" % i) for i in range(300)),
    request("", "", ""),
    # What is ignored.
    b"\r\n\n\r\n" + request("PING") + b"\r\n\r\n" + request("ECHO", "x"),
    b"*0\r\n*-1\r\n*-10\r\n*-9223372036854775808\r\n" + request("PING"),
    b"*0\r\nPING\r\n*-1\r\n\r\n \t \r\nPING\r\n",
    # Counts.
    b"*\r\nPING\r\n", b"*a\r\nPING\r\n", b"*1a\r\n", b"*3000000000\r\n", b"*2147483648\r\n", b"*2147483647\r\n",
    b"*9223372036854775807\r\n", b"*9223372036854775808\r\n", b"*-9223372036854775809\r\n", b"*99999999999999999999999\r\n",
    b"*01\r\n", b"*00\r\n", b"*-0\r\n", b"*-01\r\n", b"*+1\r\n", b"* 1\r\n", b"*1 \r\n", b"*-\r\n", b"*--1\r\n", b"*1.0\r\n",
    b"*1\n$4\r\nPING\r\n", b"*0x1\r\n", b"*1\t\r\n", b"**1\r\n", b"*1e1\r\n", b"*\r*1\r\n$4\r\nPING\r\n",
    # Bulk lengths.
    b"*1\r\n$-1\r\n", b"*1\r\n$ 4\r\nPING\r\n", b"*1\r\n$+4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$\r\n",
    b"*1\r\n$00\r\n\r\n", b"*1\r\n$0\r\n\r\n", b"*1\r\n$4x\r\nPING\r\n", b"*1\r\n$-0\r\n\r\n", b"*1\r\n$536870912\r\n",
    b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775807\r\n", b"*1\r\n$18446744073709551616\r\n", b"*1\r\n$4\nPING\r\n",
    b"*1\r\n$-9223372036854775808\r\n",
    # Not a bulk.
    b"*1\r\n\r\n", b"*1\r\nPING\r\n", b"*1\r\n:4\r\nPING\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"*1\r\n\n$4\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\nx\r\n", b"*1\r\n\x01\r\n", b"*1\r\n\xff\r\n", b"*1\r\n \r\n", b"*1\r\n\x1b[1m\r\n",
    # Line ends nobody looks at.
    b"*1\rx$4\ryPINGzz" + request("PING"), b"*1\r\n$4\r\nPINGPONG" + request("PING"), b"*1\r$4\rPING\r\n",
    # NUL hides the end of a line.
    b"*1\0\r\n$4\r\nPING\r\n", b"*1\r\n$4\0\r\nPING\r\n", b"PI\0NG\r\nPING\r\n", b"\0\r\nPING\r\n",
    b"*1\0\r\n" + b"x" * 70000, b"*1\r\n$4\0\r\n" + b"x" * 70000, b"PI\0NG\r\n" + b"x" * 70000,
    # Lines that never end.
    b"*" + b"1" * 70000, b"*1\r\n$" + b"1" * 70000, b"x" * 70000, b"*" + b"1" * 30000, b"*1\r\n$" + b"1" * 30000,
    request("PING") * 3 + b"x" * 70000,
    # Inline commands.
    b"PING\r\nPING\nECHO  a\r\n  ECHO b \r\n\tECHO c\r\n", b"ECHO a\vb\r\n", b"ECHO a\v b\f\r\n", b"\v\fECHO \v x\r\n",
    b"PING\r\r\n", b"PI\rNG\r\n", b"\rPING\r\n", b"\r\r\r\nPING\r\n", b"\r", b"\n", b" \r\n", b"PING",
    b"ECHO \"a b\"\r\n", b"ECHO 'a b'\r\n", b"ECHO \"\\x41\\x4\\xzz\\n\\r\\t\\b\\a\\\\\\\"\\q\"\r\n", b"ECHO '\\'\\n\"\\x41'\r\n",
    b"\"\" ''\r\n", b"ECHO \"\"\r\n", b"''\r\n", b"ECHO foo\"b a r\"\r\n", b"ECHO fo'o b'\r\n", b"ECHO \"\\x00\\xff\"\r\n",
    b"ECHO \"a\r\n", b"ECHO 'a\r\n", b"ECHO \"a\"b\r\n", b"ECHO 'a'b\r\n", b"ECHO \"a\\\r\n", b"ECHO \"a\\\"\r\n", b"ECHO 'a\\'\r\n",
    b"ECHO \"a\"\tb\r\n", b"ECHO \"a\"\vb\r\n", b"ECHO \"a\"\"b\"\r\n", b"\"\r\n", b"'\r\n", b"PING\r\n\"\r\nPING\r\n",
    b"ECHO \xff\xfe\r\n", b"ECHO \"\\xFf\\xaB\"\r\n", b"ECHO " + b"x" * 60000 + b"\r\n", b"ECHO" + b" x" * 3000 + b"\r\n",
    b"$4\r\nPING\r\n", b"+OK\r\n", b":1\r\nPING\r\n", b"-ERR\r\n", b"_\r\n", b"%1\r\n",
    # Those who took us for somebody else.
    b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nSET k v\r\n", b"Host: example.org\r\n\r\nPING\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 500, b"HEAD / HTTP/1.0\r\n\r\n",
    # An error behind good requests, inside MULTI, behind QUIT.
    request("PING") * 3 + b"*x\r\n" + request("PING"), request("MULTI") + request("PING") + b"*x\r\n",
    request("QUIT") + b"*x\r\n", request("PING") + request("QUIT") + request("PING"),
    # Cut short.
    b"*", b"*1", b"*1\r", b"*1\r\n", b"*1\r\n$", b"*1\r\n$4\r\nPIN", b"*1\r\n$4\r\nPING\r", b"*2\r\n$4\r\nECHO\r\n$99999\r\nabc",
    # Replies of each kind.
    request("HELLO", "3") + request("GET", "nokey") + request("CONFIG", "GET", "databases"),
]

# Large arguments, and arguments after them. All whole: the connection is kept open for the answer.
LARGE = [
    request("SET", "k", b"v" * size) + request("STRLEN", "k") + request("GET", "k")
    for size in (32767, 32768, 32769, 65535, 65536, 1000000, 3000000)
] + [
    request("MSET", "a", b"1" * 70000, "b", b"2" * 40000, "c", "3") + request("MGET", "a", "b", "c"),
    request("SET", "k", b"v" * 100000, "EX", "100") + request("APPEND", "k", b"w" * 100000) + request("GET", "k"),
    request("PING") * 70 + request("SET", "k", b"v" * 50000) + request("PING") * 70 + request("GET", "k"),
    request("ECHO", b"x" * 16383) * 50,
    request(*["DEL"] + ["k%d" % i for i in range(100000)]),
    request(*["MSET"] + ["k%d" % i for i in range(20000)]) + request("MGET", "k0", "k19998") + request("FLUSHALL"),
    b"*2\r\n$4\r\nECHO\r\n$40000\r\n" + b"x" * 40000 + b"??" + request("PING"),
]

# Before AUTH, where a password is set.
GUARDED = [
    request("PING"), request("AUTH", "wrong"), request("AUTH", "secret") + request("PING"),
    request(*["AUTH"] + ["a"] * 9), request(*["AUTH"] + ["a"] * 10), b"*11\r\n", b"*10\r\n", b"*3000000000\r\n", b"*x\r\n",
    request("AUTH", b"x" * 16384), request("AUTH", b"x" * 16385), b"*2\r\n$4\r\nAUTH\r\n$536870913\r\n", b"*1\r\n$-1\r\n",
    request("AUTH", "secret") + request(*["DEL"] + ["a"] * 20), request("AUTH", "secret") + request("ECHO", b"x" * 20000),
    request("PING") * 20 + request("AUTH", "secret") + request("PING") * 20 + request("ECHO", b"x" * 40000),
    b"PING\r\nAUTH secret\r\nPING\r\n", b"ECHO" + b" x" * 100 + b"\r\n", b"ECHO " + b"x" * 20000 + b"\r\n",
    request("HELLO", "3", "AUTH", "default", "secret") + request("ECHO", b"x" * 20000),
]
