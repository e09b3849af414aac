"""Streams: which commands are mixed how, transactions and noise included."""
import gen_connection
import gen_hashes
import gen_keys
import gen_server
import gen_sets
import gen_strings
from values import JUNK, ODD_COUNT, ODD_TIME, Gen, make_op  # noqa: F401

NORMS_OF_TIME = {b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT", b"SET", b"SETEX", b"PSETEX", b"GETEX", b"CONFIG",
                 b"CLIENT", b"WAIT", b"DEBUG", b"SETRANGE", b"SHUTDOWN", b"COMMAND"}
NO_NOISE = {b"SHUTDOWN", b"DEBUG", b"CLIENT", b"WAIT", b"QUIT", b"SPOP", b"CONFIG", b"SRANDMEMBER", b"HRANDFIELD",
            b"RESET", b"MONITOR", b"SCAN", b"SSCAN", b"HSCAN", b"LATENCY", b"COMMAND", b"MEMORY"}
# Their replies differ by intention or end the transaction; allowed differences are not looked up inside EXEC.
NOT_IN_MULTI = {b"QUIT", b"RESET", b"HELLO", b"COMMAND", b"CLIENT", b"DEBUG"}
MAKERS = {"strings": gen_strings.MAKERS, "hashes": gen_hashes.MAKERS, "sets": gen_sets.MAKERS, "keys": gen_keys.MAKERS,
          "connection": gen_connection.MAKERS, "server": gen_server.MAKERS}
# Family -> share of each group of makers, share of transactions, number of connections.
FAMILIES = {
    "strings": ({"strings": 10, "keys": 2}, 0.004, 2),
    "hashes": ({"hashes": 10, "keys": 2, "strings": 1}, 0.004, 2),
    "sets": ({"sets": 10, "keys": 2, "strings": 1}, 0.004, 2),
    "keys": ({"keys": 6, "strings": 3, "hashes": 3, "sets": 3}, 0.006, 3),
    "multi": ({"strings": 4, "hashes": 3, "sets": 3, "keys": 4, "connection": 1}, 0.06, 3),
    "server": ({"server": 5, "connection": 3, "strings": 3, "hashes": 2, "sets": 2, "keys": 2}, 0.01, 3),
    "sessions": ({"strings": 4, "hashes": 3, "sets": 4, "keys": 4}, 0.03, 3),
    "index": ({"strings": 3, "hashes": 3, "sets": 6, "keys": 4}, 0.03, 3),
    "mixed": ({"strings": 4, "hashes": 4, "sets": 4, "keys": 4, "connection": 1, "server": 1}, 0.02, 4),
}
UNKNOWN = [[b"nosuchcommand"], [b"get\r\n", b"a"], [b""], [b"GETT", b"a", b"b" * 200], [b"x" * 200, b"y" * 200],
           [b"\xff\x00", b"z"], [b"object"], [b"config"], [b"client"], [b"memory"], [b"foo", *[b"arg"] * 40],
           [b"slowlog"], [b"latency"], [b"module"], [b"cluster"], [b"debug"], [b"hello", b"3", b"foo"], [b"command", b"nope"]]


def plain_about_index(args):
    """What the index played on Redis cannot follow: a session born dead, and DEL of a session with its set in one
    command, where Cloakroom counts key by key."""
    name = args[0].upper()
    if name == b"SET":
        for at in range(3, len(args) - 1):
            if args[at].upper() in (b"EXAT", b"PXAT") and args[at + 1].isdigit():
                args[at + 1] = b"4102444800" if args[at].upper() == b"EXAT" else b"4102444800000"
    if name in (b"DEL", b"UNLINK"):
        args = args[:2]
    return args


def weighted(makers):
    return [make for weight, make in makers for _ in range(weight)]


class Stream:
    """Builds the operations of one episode."""

    def __init__(self, seed, family):
        self.g = Gen(seed)
        groups, self.multi_share, self.conns = FAMILIES[family]
        self.groups = [name for name, share in groups.items() for _ in range(share)]
        self.makers = {name: weighted(MAKERS[name]) for name in groups}
        self.ops = []
        self.linked = family == "index"
        self.left_out = (b"SWAPDB",) if self.linked else ()
        if family == "sessions":
            self._use_session_keys()
        if family == "index":
            self._use_linked_keys()

    def _use_session_keys(self):
        pools = self.g.pools
        pools["s"] = pools["session"]
        pools["t"] = pools["user"]
        pools["h"] = pools["session"][3:] + pools["h"][:2]
        self.g.all_keys = [k for pool in ("s", "h", "t", "x", "n") for k in pools[pool]]

    def _use_linked_keys(self):
        """Strings and hashes are sessions, sets are user sets, members are mostly ids of sessions."""
        g = self.g
        ids = [*g.ids, g.pools["session"][6][8:]]
        g.pools["s"] = g.pools["h"] = [b"session:" + i for i in ids]
        g.pools["t"] = g.pools["user"][:4] + [b"plain0"]
        g.pools["x"] = g.pools["n"] = g.pools["session"] = g.pools["user"] = [b"session:" + ids[0], b"user_sessions:u0", b"x0"]
        g.all_keys = [k for pool in ("s", "t", "x") for k in g.pools[pool]]
        plain_member = g.member
        g.member = lambda: g.pick(ids) if g.chance(0.85) else plain_member()

    def build(self, count):
        g = self.g
        for number in range(self.conns):
            if number % 2:
                self.ops.append(make_op(number, [b"HELLO", b"3"], "hello"))
        while len(self.ops) < count:
            g.conn = g.r.randrange(self.conns)
            for _ in range(g.pick((1, 3, 20, 60, 150))):
                if g.chance(self.multi_share):
                    self.transaction()
                else:
                    self.emit()
            if g.chance(0.05):
                self.iteration()
        return self.ops

    def emit(self, allowed=None):
        """One maker's commands, perhaps spoilt."""
        g = self.g
        if g.chance(0.006):
            self.ops.append(make_op(g.conn, list(g.pick(UNKNOWN))))
            return
        group = g.pick(allowed or self.groups)
        made = g.pick(self.makers[group])(g)
        if not isinstance(made[0], tuple):
            made = [(made, None)]
        for args, norm in made:
            args = [a if isinstance(a, bytes) else a.encode() for a in args]
            if g.in_multi and args[0].upper() in NOT_IN_MULTI or args[0] in self.left_out:
                continue
            if self.linked:
                args = plain_about_index(args)
            op = g.op(args, norm)
            judged = self.linked and args[0].upper() in (b"SET", b"DEL", b"UNLINK")
            if len(made) == 1 and not judged and g.chance(0.03):
                self.spoil(op)
            self.ops.append(op)

    def spoil(self, op):
        """Wrong arity, junk options, odd numbers in odd places."""
        g = self.g
        name = op.args[0].upper()
        if name in NO_NOISE:
            return
        way = g.r.randrange(4)
        odd = ODD_TIME if name in NORMS_OF_TIME else ODD_COUNT
        if way == 0:
            op.args = op.args[:g.r.randrange(1, len(op.args) + 1)]
        elif way == 1 and len(op.args) > 1:
            op.args = list(op.args)
            op.args[g.r.randrange(1, len(op.args))] = g.pick(odd)
        elif way == 2:
            op.args = [*op.args, g.pick(JUNK)]
        elif len(op.args) > 1:
            op.args = [*op.args, op.args[g.r.randrange(1, len(op.args))]]

    def transaction(self):
        """WATCH by one, changes by another, MULTI ... EXEC, DISCARD, or left open for later."""
        g = self.g
        me = g.conn
        groups = [name for name in self.groups if name not in ("connection", "server")]
        if g.chance(0.5):
            self.ops.append(g.op([b"WATCH", *[g.any_key() for _ in range(g.r.randint(1, 3))]]))
            if g.chance(0.6):
                g.conn = g.r.randrange(self.conns)
                for _ in range(g.r.randint(1, 3)):
                    self.emit(groups)
                g.conn = me
            if g.chance(0.1):
                self.ops.append(g.op([b"UNWATCH"]))
        self.ops.append(g.op([b"MULTI"]))
        g.in_multi = True
        for _ in range(g.r.randint(0, 7)):
            self.emit(groups if g.chance(0.95) else None)
            if g.chance(0.01):
                self.ops.append(g.op(g.pick(([b"MULTI"], [b"WATCH", b"s1"], [b"nosuch"], [b"SELECT", b"1"]))))
        g.in_multi = False
        if g.chance(0.1):
            g.conn = (me + 1) % self.conns
            self.emit(groups)
            g.conn = me
        self.ops.append(g.op(g.pick(([b"EXEC"],) * 12 + ([b"DISCARD"], [b"DISCARD"], [b"RESET"], [b"EXEC", b"x"]))))
        if len(self.ops[-1].args) > 1 or g.chance(0.05):
            self.ops.append(g.op(g.pick(([b"EXEC"], [b"DISCARD"]))))

    def iteration(self):
        g = self.g
        count = g.pick((b"1", b"3", b"10", b"50"))
        kind = g.r.randrange(4)
        if kind == 0:
            args = [b"SCAN", b"0", b"COUNT", count, *g.pick(((), (), (b"MATCH", b"s*"), (b"TYPE", b"set")))]
        elif kind == 1:
            args = [b"HSCAN", g.pick(g.pools["h"]), b"0", b"COUNT", count]
        else:
            args = [b"SSCAN", g.pick(g.pools["t"]), b"0", b"COUNT", count]
        g.conn = g.r.randrange(self.conns)
        self.ops.append(make_op(g.conn, [b"DISCARD"]))  # an iteration inside an open MULTI would only be queued
        op = make_op(g.conn, args)
        op.kind = "scan"
        self.ops.append(op)


def build(seed, family, count):
    return Stream("%s/%s" % (seed, family), family).build(count)
