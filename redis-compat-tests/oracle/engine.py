"""Runs one list of operations against two servers in lock step and finds the first difference."""
import dataclasses
import hashlib

import allowed
import keyspace
import norms
from events import FLAGS, Events
from resp import Connection, encode, exchange, parse

BATCH = 200
QUEUED = b"+QUEUED\r\n"
# Whatever a stream may change in the configuration is put back before the next one.
CONFIG_DEFAULTS = [
    "maxmemory", "0", "maxmemory-policy", "noeviction", "hash-max-listpack-entries", "512",
    "hash-max-listpack-value", "64", "set-max-intset-entries", "512", "slowlog-log-slower-than", "10000",
    "slowlog-max-len", "128", "latency-monitor-threshold", "0", "notify-keyspace-events", "", "timeout", "0",
    "maxmemory-samples", "5", "hz", "10", "lfu-log-factor", "10", "lfu-decay-time", "1", "maxclients", "5000",
    "list-max-listpack-size", "-2", "activerehashing", "yes", "busy-reply-threshold", "5000", "repl-backlog-size", "1mb",
    "loglevel", "warning", "client-output-buffer-limit", "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
    "tcp-keepalive", "300", "lazyfree-lazy-user-del", "no", "proto-max-bulk-len", "536870912", "save", "",
]


@dataclasses.dataclass(slots=True)
class Op:
    """One command: on connection `conn`, or for `kind` "scan" a whole iteration."""
    conn: int
    args: list
    norm: str = None
    kind: str = "cmd"


@dataclasses.dataclass
class Diff:
    op: Op
    redis: bytes
    ours: bytes
    at: int
    where: str = "reply"

    def signature(self):
        if self.where == "connection":
            return (self.where, b"", self.redis, self.ours)
        words = [w.upper() for w in self.op.args[:1]]
        if words and words[0] in allowed.CONTAINERS and len(self.op.args) > 1:
            words.append(self.op.args[1].upper()[:20])
        return (self.where, b" ".join(words), _reply_class(self.redis), _reply_class(self.ours))


def _reply_class(raw):
    if raw[:1] == b"-":
        return raw.split(b"'")[0][:60].strip()
    return raw[:1]


class _Side:
    """The connections to one of the two servers."""

    def __init__(self, server):
        self.server = server
        self.conns = {}

    def conn(self, number):
        if number not in self.conns:
            self.conns[number] = Connection(self.server.port, timeout_s=30.0)
        return self.conns[number]

    def drop(self, number):
        conn = self.conns.pop(number, None)
        if conn:
            conn.close()

    def drop_all(self):
        for number in list(self.conns):
            self.drop(number)

    def call(self, *args):
        conn = self.conn(-1)
        conn.sock.setblocking(True)
        return conn.call(*args)


class Engine:
    def __init__(self, redis, ours, mutate=None, shadow=None, twin_shadow=None):
        self.redis = _Side(redis)
        self.ours = _Side(ours)
        self.mutate = mutate
        self.shadow = shadow
        self.twin_shadow = twin_shadow  # only when the server under test is a Redis as well
        self.executed = 0
        self.known = {}  # signatures already reported for commands that change nothing: the stream may go on
        self.queues = {}
        self.events = None  # not beside an index that one side plays by a script
        self.compared = set()  # names of commands that were compared by their events too

    def reset(self):
        """Empty servers, default configuration, no connections."""
        for side in (self.redis, self.ours):
            side.drop_all()
            side.call("FLUSHALL")
            for at in range(0, len(CONFIG_DEFAULTS), 2):
                side.call("CONFIG", "SET", *CONFIG_DEFAULTS[at:at + 2])
        self.queues = {}
        for shadow in filter(None, (self.shadow, self.twin_shadow)):
            shadow.forget_all()
        if not self.shadow:
            self._listen()

    def close(self):
        self.redis.drop_all()
        self.ours.drop_all()
        if self.events:
            self.events.close()
            self.events = None

    def _listen(self):
        if self.events:
            self.events.close()
        for side in (self.redis, self.ours):
            side.call("CONFIG", "SET", "notify-keyspace-events", FLAGS)
        self.events = Events(self.redis, self.ours)

    def _events(self, batch, start, replies):
        """The events of a batch, once both servers have answered it."""
        self.compared.update(op.args[0].upper() for op, raw in zip(batch, replies) if raw[:1] != b"-")
        difference = self.events.compare(batch)
        if not difference:
            return None
        (db, key), theirs, mine = difference
        return Diff(Op(batch[0].conn, [b"(events)", db, key]), repr(theirs).encode(), repr(mine).encode(),
                    start + len(batch) - 1, "events")

    def run(self, ops, deep_every=700):
        """The first difference, or None. The whole keyspace is compared every deep_every and at the end."""
        since_deep = 0
        at = 0
        while at < len(ops):
            end = self._batch_end(ops, at)
            diff = self._scan(ops[at], at) if ops[at].kind == "scan" else self._batch(ops, at, end)
            if diff:
                return diff
            since_deep += end - at
            at = end
            if since_deep >= deep_every or at == len(ops):
                since_deep = 0
                diff = self._deep(ops[at - 1], at - 1)
                if diff:
                    return diff
        return None

    @staticmethod
    def _batch_end(ops, at):
        conn = ops[at].conn
        end = at
        while end < len(ops) and end - at < BATCH and ops[end].conn == conn:
            if ops[end].kind == "scan":
                return max(end, at + 1)
            end += 1
            if ops[end - 1].kind in ("spop", "quit"):
                break
        return end

    def _batch(self, ops, start, end):
        batch = ops[start:end]
        payload = b"".join([encode(op.args) for op in batch])
        number = batch[0].conn
        jobs, picks = [], []
        for side, shadow in ((self.redis, self.shadow), (self.ours, self.twin_shadow)):
            wrapped, pick = shadow.wrap(number, batch) if shadow else (payload, None)
            picks.append(pick)
            jobs.append((side.conn(number), wrapped, pick.total if pick else len(batch)))
        (theirs, bad_a), (mine, bad_b) = exchange(jobs)
        theirs = picks[0].replies(theirs) if picks[0] else theirs
        mine = picks[1].replies(mine) if picks[1] else mine
        self.executed += len(batch)
        if self.mutate:
            mine = self.mutate.replies(batch, mine)
        diff = self._compare(batch, start, theirs, mine)
        if diff:
            return diff
        if bad_a != bad_b or len(theirs) != len(mine):
            op_at = min(len(theirs), len(mine), len(batch) - 1)
            return Diff(batch[op_at], str(bad_a).encode(), str(bad_b).encode(), start + op_at, "connection")
        if self.events:
            diff = self._events(batch, start, theirs)
            if diff:
                return diff
        last = batch[-1]
        if bad_a or last.kind == "quit":
            for shadow in filter(None, (self.shadow, self.twin_shadow)):
                shadow.forget(number)
        if bad_a or last.kind == "quit":
            self.redis.drop(number)
            self.ours.drop(number)
            self.queues.pop(number, None)
        elif last.kind == "spop":
            self._settle_pop(last, theirs[-1], mine[-1])
        return None

    def _compare(self, batch, start, theirs, mine):
        number = batch[0].conn
        queue = self.queues.get(number)
        for at, (op, a, b) in enumerate(zip(batch, theirs, mine)):
            if a == QUEUED and queue is not None:
                queue.append(op)
            elif op.kind == "multi" and a[:1] == b"+":
                queue = []
            elif op.kind == "exec":
                same = a == b or (queue is not None and norms.exec_equal(queue, a, b))
                queue = None
                if not same and not allowed.reason(op.args, a, b):
                    self.queues[number] = queue
                    return Diff(op, a, b, start + at)
                continue
            elif op.kind == "end" and a[:1] == b"+":
                queue = None
            if a == b:
                continue
            before = theirs[at - 1] if at and norms.follows(batch[at - 1], op) else None
            if not norms.equal(op.norm, a, b, before) and not allowed.reason(op.args, a, b):
                diff = Diff(op, a, b, start + at)
                if self.go_on(diff):
                    continue
                self.queues[number] = queue
                return diff
        self.queues[number] = queue
        return None

    def go_on(self, diff):
        signature = diff.signature()
        if signature not in self.known:
            return False
        self.known[signature] += 1
        return True

    def _settle_pop(self, op, raw_a, raw_b):
        """SPOP took different members on the two sides: each loses what the other lost."""
        a, b = parse(raw_a), parse(raw_b)
        for side, popped in ((self.redis, b), (self.ours, a)):
            found = popped[1] if isinstance(popped[1], list) else [popped]
            gone = [item[1] for item in found if item[0] == "$" and item[1] is not None]
            if gone and popped[0] != "-":
                conn = side.conn(op.conn)
                conn.sock.setblocking(True)
                conn.call("SREM", op.args[1], *gone)

    def _scan(self, op, at):
        """A whole SCAN-family iteration on each side; the two results are compared as sets."""
        results = []
        head, rest = op.args[0], list(op.args[1:])
        cursor_at = 1 if head.upper() == b"SCAN" else 2
        for side in (self.redis, self.ours):
            conn = side.conn(op.conn)
            conn.sock.setblocking(True)
            seen, cursor, rounds = [], b"0", 0
            while rounds < 3000:
                rest[cursor_at - 1] = cursor
                reply = conn.call(head, *rest)
                rounds += 1
                if reply[0] != "*":
                    seen = repr(reply)
                    break
                cursor = reply[1][0][1]
                seen += reply[1][1][1]
                if cursor == b"0":
                    break
            self.executed += rounds // 2
            results.append(_scanned(seen, head))
        if self.events:
            self.events.forget()
        if results[0] != results[1]:
            missing = repr([list(results[0])[:20], list(results[1])[:20]]).encode()
            return Diff(op, missing[:2000], b"", at, "iteration")
        return None

    def _deep(self, op, at):
        difference = keyspace.compare(self.redis, self.ours)
        if difference:
            where, key, theirs, mine = difference
            return Diff(Op(op.conn, [b"(state)", key]), theirs, mine, at, "state " + where)
        return None


def _scanned(seen, head):
    if isinstance(seen, str):
        return {seen}
    values = [item[1] for item in seen]
    if head.upper() == b"HSCAN":
        return set(zip(values[::2], values[1::2]))
    return set(values)


def digest(raw):
    return hashlib.sha1(raw).hexdigest()[:8]
