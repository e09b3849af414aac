"""Random commands about the server: INFO, COMMAND, CONFIG, MEMORY, SLOWLOG, LATENCY, DEBUG and the rest."""
import gen_hashes
import gen_keys
import gen_sets
import gen_strings
from values import ODD_COUNT

SECTIONS = (b"server", b"clients", b"memory", b"persistence", b"stats", b"replication", b"cpu", b"commandstats",
            b"latencystats", b"modules", b"cluster", b"errorstats", b"keyspace", b"all", b"everything", b"default", b"foo")

CONFIG_VALUES = {
    b"maxmemory": (b"0", b"100mb", b"1gb", b"104857600", b"abc", b"-1", b"90MB", b"1.5gb", b"100 mb"),
    b"maxmemory-policy": (b"noeviction", b"allkeys-lru", b"ALLKEYS-LFU", b"volatile-ttl", b"volatile-lru", b"foo"),
    b"hash-max-listpack-entries": (b"512", b"16", b"0", b"-1", b"abc", b"128"),
    b"hash-max-ziplist-entries": (b"512", b"24"),
    b"hash-max-listpack-value": (b"64", b"8", b"1kb", b"abc"),
    b"set-max-intset-entries": (b"512", b"20", b"0", b"x"),
    b"slowlog-log-slower-than": (b"10000", b"-1", b"-2", b"abc"),
    b"slowlog-max-len": (b"128", b"10", b"-1"),
    b"latency-monitor-threshold": (b"0", b"100", b"-1"),
    b"notify-keyspace-events": (b"", b"KEA", b"Ex", b"AKE", b"gxE", b"foo", b"K", b"Kg$lshzxetd", b"KEAmn"),
    b"timeout": (b"0", b"3600", b"-1", b"abc"),
    b"maxmemory-samples": (b"5", b"1", b"0", b"64", b"65"),
    b"hz": (b"10", b"50"),
    b"lfu-log-factor": (b"10", b"-1", b"0"),
    b"lfu-decay-time": (b"1", b"0", b"-1"),
    b"tcp-keepalive": (b"300", b"0", b"-1"),
    b"lazyfree-lazy-user-del": (b"no", b"yes", b"maybe", b"YES"),
    b"save": (b"", b"900 1", b"900 1 300 10", b"abc", b"900"),
    b"databases": (b"16", b"4"),
    b"appendfsync": (b"everysec", b"always1"),
    b"port": (b"99999", b"abc"),
    b"no-such-directive": (b"1",),
    b"loglevel": (b"warning", b"shout"),
    b"maxclients": (b"0", b"abc"),
    b"repl-backlog-size": (b"1mb", b"abc"),
    b"list-max-listpack-size": (b"-2", b"128", b"abc"),
    b"activerehashing": (b"yes", b"perhaps"),
    b"busy-reply-threshold": (b"5000", b"-1"),
    b"client-output-buffer-limit": (b"normal 0 0 0", b"pubsub 32mb 8mb 60", b"foo 1 2 3", b"normal 1", b"normal a b c"),
}


def config_set(g):
    args = ["CONFIG", g.word("SET")]
    for _ in range(g.pick((1, 1, 1, 2, 3))):
        name = g.pick(tuple(CONFIG_VALUES))
        args += [name if g.chance(0.9) else name.upper(), g.pick(CONFIG_VALUES[name])]
    return args if g.chance(0.96) else args[:-1]


def config_get(g):
    names = [g.pick((*CONFIG_VALUES, b"maxmemory*", b"*entries*", b"hash-*", b"[ht]z", b"nothing", b"lfu-*", b"SAVE",
                     b"client-output*", b"*clients", b"slowlog-*")) for _ in range(g.pick((1, 1, 1, 2, 4)))]
    return [(["CONFIG", g.word("GET"), *names], "config")]


def any_command(g):
    made = g.pick((gen_strings, gen_hashes, gen_sets, gen_keys)).MAKERS
    made = g.pick(made)[1](g)
    return made if not isinstance(made[0], tuple) else g.pick(made)[0]


def plain_bytes(args):
    return [a if isinstance(a, bytes) else a.encode() for a in args]


FIXED = ((b"MULTI",), (b"PING",), (b"MEMORY", b"USAGE", b"k"), (b"OBJECT", b"FREQ", b"k"), (b"WATCH", b"a", b"b"),
         (b"SINTERCARD", b"2", b"a", b"b"), (b"SINTERCARD", b"9", b"a"), (b"SINTERCARD", b"abc", b"a"), (b"foo", b"x"),
         (b"CONFIG", b"GET", b"x"), (b"MSET", b"a", b"1", b"b", b"2"), (b"COPY", b"a", b"b"), (b"GET",), ())


def get_keys(g):
    sub = g.pick(("GETKEYS", "GETKEYSANDFLAGS"))
    args = any_command(g) if g.chance(0.8) else g.pick(FIXED)
    return ["COMMAND", g.word(sub), *plain_bytes(args)]


NAMES = """get set del unlink exists expire pexpire expireat pexpireat ttl pttl expiretime pexpiretime persist type rename
renamenx copy move touch keys scan randomkey object dbsize flushdb flushall swapdb setex psetex setnx getset getdel getex
mget mset msetnx incr incrby incrbyfloat decr decrby append strlen getrange setrange substr lcs hset hmset hsetnx hget hmget
hgetall hkeys hvals hdel hexists hlen hstrlen hincrby hincrbyfloat hrandfield hscan sadd srem smembers sismember smismember
scard smove spop srandmember sinter sunion sdiff sinterstore sunionstore sdiffstore sintercard sscan multi exec discard watch
unwatch ping echo auth hello select quit reset client info command config time lastsave memory monitor slowlog latency debug
shutdown wait module cluster readonly readwrite asking""".split()
CONTAINERS_BEYOND = ("client", "module", "cluster")  # parts of these come with later work


def command_info(g):
    simple = [n for n in NAMES if n not in CONTAINERS_BEYOND]
    names = [g.word(g.pick(simple)) if g.chance(0.92) else g.pick((b"nosuch", b"config|get", b"object|freq", b"get|foo",
                                                                  b"")) for _ in range(g.pick((1, 1, 2)))]
    return [(["COMMAND", g.word("INFO"), *names], "command_info")]


def command(g):
    roll = g.r.random()
    if roll < 0.1:
        return ["COMMAND", "COUNT"]
    if roll < 0.5:
        return command_info(g)
    if roll < 0.6:
        return [(["COMMAND", "DOCS", *[g.pick(NAMES).encode() for _ in range(2)], b"nosuch"], "command_docs")]
    if roll < 0.7:
        args = g.pick(((), (b"FILTERBY", b"PATTERN", b"hget*"), (b"FILTERBY", b"MODULE", b"x"), (b"FILTERBY", b"foo"),
                       (b"foo",), (b"FILTERBY", b"foo", b"bar"), (b"FILTERBY", b"ACLCAT", b"nosuch")))
        return [(["COMMAND", "LIST", *args], "unordered")]
    args = g.pick((("HELP",), ("foo",), ("COUNT", "x"), ("GETKEYS",), ("", "x")))
    return [(["COMMAND", *args], "help" if args[0] == "HELP" else None)]


def looked_up(key):
    """Redis looks into its table for MEMORY USAGE and DEBUG OBJECT and may meet a key past its deadline, which EXISTS removes."""
    return ["EXISTS", key], None


def memory(g):
    sub = g.pick(("USAGE", "USAGE", "USAGE", "STATS", "DOCTOR", "HELP", "foo", "PURGE"))
    if sub == "USAGE":
        key = g.any_key()
        options = g.pick(((), (), (b"SAMPLES", b"0"), (b"SAMPLES", b"5"), (b"SAMPLES",), (b"SAMPLES", b"-1"), (b"foo",),
                          (b"SAMPLES", b"abc")))
        return [looked_up(key), (["MEMORY", g.word(sub), key, *options], "type")]
    return [(["MEMORY", g.word(sub)], {"STATS": "type", "HELP": "help"}.get(sub))]


def slowlog(g):
    sub, norm = g.pick((("LEN", "type"), ("RESET", None), ("GET", "type"), ("HELP", "help"), ("foo", None)))
    args = ["SLOWLOG", g.word(sub)]
    if sub == "GET" and g.chance(0.7):
        args.append(g.pick((b"1", b"0", b"-1", b"-2", b"abc", b"100")))
    return [(args, norm)]


def latency(g):
    sub, args, norm = g.pick((("LATEST", (), "type"), ("RESET", (), "type"), ("RESET", (b"nosuch",), None),
                              ("HISTORY", (b"nosuch",), None), ("HISTORY", (), None), ("HISTOGRAM", (b"nosuch",), None),
                              ("HISTOGRAM", (b"get",), "type"), ("DOCTOR", (), "type"), ("HELP", (), "help"),
                              ("GRAPH", (b"nosuch",), None), ("foo", (), None)))
    return [(["LATENCY", g.word(sub), *args], norm)]


DEBUGS = [
    ((b"SLEEP", b"0"), None), ((b"SET-ACTIVE-EXPIRE", b"1"), None), ((b"CHANGE-REPL-ID",), None),
    ((b"STRINGMATCH-LEN", b"10", b"*a*"), None), ((b"ERROR", b"ERR custom text"), None), ((b"ERROR",), None),
    ((b"PROTOCOL", b"string"), None), ((b"PROTOCOL", b"integer"), None), ((b"PROTOCOL", b"double"), None),
    ((b"PROTOCOL", b"null"), None), ((b"PROTOCOL", b"array"), None), ((b"PROTOCOL", b"set"), None),
    ((b"PROTOCOL", b"map"), None), ((b"PROTOCOL", b"bignum"), None), ((b"PROTOCOL", b"true"), None),
    ((b"PROTOCOL", b"false"), None), ((b"PROTOCOL", b"verbatim"), None), ((b"PROTOCOL", b"foo"), None),
    ((b"foo",), None), ((b"HELP",), "help"), ((b"SLEEP",), None), ((b"LOG", b"hello"), None),
]


def debug(g):
    if g.chance(0.3):
        key = g.any_key()
        return [looked_up(key), (["DEBUG", "OBJECT", key], "type")]
    args, norm = g.pick(DEBUGS)
    return [(["DEBUG", *args], norm)]


def misc(g):
    return g.pick(([(["TIME"], "shape")], [(["LASTSAVE"], "type")], ["WAIT", b"0", b"0"],
                   ["WAIT", b"0", b"-1"], ["WAIT", b"abc", b"0"], ["WAIT", b"1", b"1"], ["MODULE", b"LIST"],
                   ["CLUSTER", b"INFO"], ["CLUSTER", b"NODES"], ["CLUSTER", b"SLOTS"], ["SENTINEL", b"MASTERS"],
                   ["SHUTDOWN", b"foo"], ["SHUTDOWN", b"ABORT"], ["SHUTDOWN", b"SAVE", b"NOSAVE"], [(["LASTSAVE", b"x"], "type")],
                   ["SHUTDOWN", b"ABORT", b"NOW"], ["DBSIZE", b"x"], ["CONFIG", b"RESETSTAT"], ["CONFIG", b"foo"],
                   ["CONFIG", b"GET"], [(["CONFIG", b"HELP"], "help")], ["WAIT", b"-1", b"0"], [(["TIME", b"x"], "shape")]))


def info(g):
    return [(["INFO", *[g.word(g.pick(SECTIONS)) for _ in range(g.pick((0, 1, 1, 1, 2, 3)))]], "info")]


MAKERS = [
    (3, info),
    (4, config_set),
    (4, config_get),
    (4, command),
    (6, get_keys),
    (3, memory),
    (2, slowlog),
    (2, latency),
    (3, debug),
    (4, misc),
    (1, lambda g: [(["INFO", g.pick(ODD_COUNT)], "info")]),
]
