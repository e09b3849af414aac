"""Raw bytes: inline commands, protocol errors and limits."""
MB = 1024 * 1024

RAW = [
    b"", b"\r\n", b"\n", b"\r\n\r\n\r\n", b"*0\r\n", b"*-1\r\n", b"*-5\r\n", b"PING\r\n", b"PING\n", b"ping hello\r\n",
    b"  PING  \r\n", b"SET a \"x y\"\r\nGET a\r\n", b"SET a \"\\x41\\n\\t\\\"\\\\\"\r\nGET a\r\n", b"SET a 'it\\'s'\r\nGET a\r\n",
    b"SET a \"unbalanced\r\n", b"SET a 'unbalanced\r\n", b"SET a \"x\"y\r\n", b"GET a\x00b\r\n", b"\x00\r\n", b"\t\r\n",
    b"SET a \"\"\r\nGET a\r\n", b"SET a x\xff\xfe\r\nGET a\r\n", b"''\r\n", b"\"\"\r\n", b"PING\r\nPING\nECHO x\r\n",
    b"*abc\r\n", b"*1a\r\n", b"*\r\n", b"*2147483648\r\n", b"*1048577\r\n", b"*99999999999999999999\r\n", b"* 1\r\n",
    b"*+1\r\n$4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n", b"*1\r\nPING\r\n", b"*1\r\n:4\r\n", b"*1\r\n*1\r\n", b"*1\r\n\r\n",
    b"*1\r\n$-1\r\n", b"*1\r\n$abc\r\n", b"*1\r\n$\r\n", b"*1\r\n$536870913\r\n", b"*1\r\n$99999999999999999999\r\n",
    b"*1\r\n$ 4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$0\r\n\r\n", b"*2\r\n$0\r\n\r\n$1\r\na\r\n",
    b"*1\r\n$4\r\nPINGXX", b"*2\r\n$4\r\nECHO\r\n$3\r\nabcXY", b"*1\n$4\nPING\n", b"*1\r\n$4\rXPING\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\na\r\nb\x00\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n", b"POST / HTTP/1.1\r\n",
    b"Host: example.com\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"$4\r\nPING\r\n", b"+OK\r\n", b":1\r\n", b"-ERR x\r\n",
    b"%1\r\n", b"~1\r\n", b"\xff\xfe\r\n", b"*1\r\n$4\r\nPING\r\n*abc\r\n", b"*1\r\n$4\r\nPING\r\n\"\r\n",
    b"*3\r\n$3\r\nSET\r\n$-1\r\n", b"MULTI\r\nSET a 1\r\n*abc\r\n",
]


def raw(s):
    for number, data in enumerate(RAW):
        s.raw("r%d" % number, data)
        s.drop("r%d" % number)


def long_lines(s):
    s.raw("b", b"PING " + b"x" * 65000 + b"\r\n")
    for name, start in (("c", b""), ("d", b"*"), ("e", b"*1\r\n$")):
        s.send(name, start + b"1" * 66000)
        s.read(name, 2, label="66000 bytes without an end of line after %r" % start)
    s.raw("f", b"ECHO \"" + b"y" * 60000 + b"\"\r\n")


def every_split(s):
    data = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nva\r\nl\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nECHO \"in line\"\r\n*0\r\n\r\nPING\r\n"
    for at in range(1, len(data)):
        s.send("a", data[:at])
        s.send("a", data[at:])
        s.read("a", 4, label="split at %d" % at)
    for byte in data:
        s.send("b", bytes([byte]))
    s.read("b", 4, label="byte by byte")


def unknown_names(s):
    for args in (["nosuch"], ["nosuch", "a", "b"], ["x" * 300], ["nosuch", "y" * 300], ["nosuch", "y" * 100, "z" * 100],
                 ["no\r\nsuch", "a\r\nb"], ["no\x00such", "a\x00b"], ["nosuch"] + ["a"] * 50, ["nosuch", "it's"], ["it's"],
                 ["client", "x" * 200], ["client", "a\r\nb"], ["config", "no\x00such"], ["object", "nosuch", "key"],
                 ["GET"], ["get", "a", "b"], ["CLIENT"], ["CLIENT", "GETNAME", "x"], ["config", "get"], ["CoNfIg", "SeT", "x"],
                 ["object", "encoding"], ["memory"], ["command", "getkeys"], ["CLIENT|ID"], ["config|get", "x"],
                 ["nosuch", ""], ["nosuch", "", ""], ["sentinel", "masters"], ["cluster", "info"], ["cluster", "nodes"],
                 ["CLUSTER"], ["READONLY"], ["READWRITE"], ["ASKING"], ["ASKING", "x"], ["MODULE", "LIST"], ["CLIENT", "MAINT_NOTIFICATIONS", "ON"],
                 ["nosuch", "\xe9", "\t", "\x7f"]):
        s.do("a", *args)


def bulk_limits(s):
    s.do("a", "CONFIG", "SET", "proto-max-bulk-len", "1mb")
    s.raw("b", b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
    s.do("a", "SET", "k", "x" * MB)
    s.do("a", "APPEND", "k", "y")
    s.do("a", "SETRANGE", "k", str(MB), "y")
    s.do("a", "SETRANGE", "k", str(MB - 1), "y")
    s.do("a", "STRLEN", "k")
    s.do("a", "CONFIG", "SET", "proto-max-bulk-len", "1000")
    s.do("a", "CONFIG", "GET", "proto-max-bulk-len")


def query_buffer_limit(s):
    s.do("a", "CONFIG", "GET", "client-query-buffer-limit")
    s.raw("b", b"*1\r\n$9\r\n" + b"x" * 2)
    s.do("a", "CONFIG", "SET", "client-query-buffer-limit", "1mb")
    s.do("c", "SET", "k", "x" * 500000)
    s.do("a", "CONFIG", "SET", "client-query-buffer-limit", "1kb")


def resp3_types(s):
    s.do("a", "HELLO", "3", norm="hello")
    for args in (["GET", "none"], ["HGETALL", "none"], ["SMEMBERS", "none"], ["HSET", "h", "f", "1.5"], ["HGETALL", "h"],
                 ["HINCRBYFLOAT", "h", "f", "1"], ["INCRBYFLOAT", "n", "1.5"], ["SADD", "s", "1"], ["SMEMBERS", "s"],
                 ["SPOP", "s", "5"], ["SPOP", "s", "5"], ["SPOP", "s"], ["HRANDFIELD", "h", "5", "WITHVALUES"],
                 ["HRANDFIELD", "h", "-2", "WITHVALUES"], ["HRANDFIELD", "h"], ["HRANDFIELD", "none"], ["HRANDFIELD", "none", "2"],
                 ["HMGET", "h", "f", "x"], ["MGET", "n", "x"], ["CONFIG", "GET", "maxmemory"], ["CONFIG", "GET", "nosuch"],
                 ["EXEC"], ["WATCH", "n"], ["SET", "n", "2"], ["MULTI"], ["GET", "n"], ["EXEC"],
                 ["SISMEMBER", "s", "x"], ["SRANDMEMBER", "none"], ["SRANDMEMBER", "none", "2"], ["OBJECT", "ENCODING", "none"],
                 ["LCS", "n", "none", "IDX"], ["SET", "l1", "ohmytext"], ["SET", "l2", "mynewtext"],
                 ["LCS", "l1", "l2", "IDX", "WITHMATCHLEN"], ["LCS", "l1", "l2", "LEN"], ["MEMORY", "USAGE", "none"],
                 ["GETEX", "none"], ["GETDEL", "none"], ["SET", "n", "1", "GET"], ["SET", "n", "1", "NX"], ["SET", "n", "1", "NX", "GET"],
                 ["TYPE", "none"], ["COMMAND", "INFO", "nosuch"], ["COMMAND", "DOCS", "nosuch"], ["SLOWLOG", "GET", "0"],
                 ["LATENCY", "LATEST"], ["LATENCY", "HISTORY", "x"], ["HSCAN", "h", "0"], ["SSCAN", "none", "0"], ["SCAN", "0", "MATCH", "zz"],
                 ["SUNION", "none"], ["SMISMEMBER", "none", "a"], ["HELLO", "2"], ["HGETALL", "h"], ["SMEMBERS", "none"]):
        s.do("a", *args, norm="hello" if args[0] == "HELLO" else None)


SCENARIOS = [
    ("raw bytes and inline commands", [], raw),
    ("too long lines", [], long_lines),
    ("requests split at every byte", [], every_split),
    ("unknown commands and arity", [], unknown_names),
    ("proto-max-bulk-len", [], bulk_limits),
    ("client-query-buffer-limit", [], query_buffer_limit),
    ("RESP3 reply types", [], resp3_types),
]
