"""The oracle checked: against two real redis-servers it finds nothing, and it finds what is spoilt on purpose."""
import random

import families
from engine import Engine
from shadow import Shadow
from servers import Server, redis_binary

OPTIONS = ["--enable-debug-command", "yes", "--maxclients", "5000"]


class ReplyMutator:
    """Changes one byte in about one reply of `every`; remembers whether it changed one whose bytes must match."""

    def __init__(self, seed, every):
        self.rng = random.Random(seed)
        self.every = every
        self.exact = 0

    def replies(self, batch, replies):
        out = list(replies)
        for at, raw in enumerate(out):
            if self.rng.randrange(self.every) == 0 and len(raw) > 3:
                where = self.rng.randrange(1, len(raw) - 2)
                out[at] = raw[:where] + bytes([raw[where] ^ 1]) + raw[where + 1:]
                if batch[at].norm is None:
                    self.exact += 1
        return out


class LostWrite:
    """Server b never sees the last SET of a stream: only the comparison of the keyspaces can show it."""

    def __init__(self, engine):
        self.engine = engine

    def replies(self, batch, replies):
        if batch[-1].args[0] == b"SET" and batch[-1].args[-1] == b"lost":
            conn = self.engine.ours.conn(batch[-1].conn)
            conn.sock.setblocking(True)
            conn.call("SET", batch[-1].args[1], "something else")
        return replies


def _mutated_replies(report, redis, twin, seed):
    missed, seen = 0, 0
    for episode in range(12):
        mutator = ReplyMutator("%s/%d" % (seed, episode), 200)
        engine = Engine(redis, twin, mutate=mutator)
        engine.reset()
        ops = families.build("selfcheck/%s/%d" % (seed, episode), "mixed", 800)
        for op in ops:
            if op.args[0].upper() in (b"MULTI", b"COMMAND"):
                op.args, op.kind = [b"PING"], "cmd"
        diff = engine.run(ops)
        seen += 1 if diff else 0
        missed += 1 if mutator.exact and not diff else 0
        engine.close()
    report.check("self-check: a changed byte in 1 of 200 replies is always noticed", missed == 0 and seen >= 8,
                 "%d of 12 streams noticed, %d missed" % (seen, missed))


def _lost_writes(report, redis, twin, seed):
    seen = 0
    for episode in range(8):
        engine = Engine(redis, twin)
        engine.mutate = LostWrite(engine)
        engine.reset()
        ops = families.build("lost/%s/%d" % (seed, episode), "strings", 400)
        ops = [op for op in ops if op.kind not in ("multi", "quit")]
        ops.append(families.make_op(0, [b"SELECT", b"0"]))
        ops.append(families.make_op(0, [b"SET", b"s%d" % (episode % 7), b"lost"]))
        diff = engine.run(ops)
        seen += 1 if diff and diff.where in ("events", "state content") else 0
        engine.close()
    report.check("self-check: a write that never arrived is always noticed", seen == 8, "%d of 8" % seen)


def _no_index(report, redis, twin, seed):
    seen = 0
    for episode in range(8):
        engine = Engine(redis, twin, shadow=Shadow(redis))
        engine.reset()
        seen += 1 if engine.run(families.build("index/%s/%d" % (seed, episode), "index", 600)) else 0
        engine.close()
    report.check("self-check: a server without the session index is always noticed", seen == 8, "%d of 8" % seen)


def _silence(report, redis, twin, seed):
    found = None
    for episode, family in enumerate(families.FAMILIES):
        engine = Engine(redis, twin)
        engine.reset()
        found = found or engine.run(families.build("twin/%s/%d" % (seed, episode), family, 700))
        engine.close()
    report.check("self-check: two redis-servers do not differ", found is None, found and repr(found))


def run_all(report, seed):
    with Server(redis_binary(), OPTIONS) as redis, Server(redis_binary(), OPTIONS) as twin:
        _silence(report, redis, twin, seed)
        _mutated_replies(report, redis, twin, seed)
        _lost_writes(report, redis, twin, seed)
        _no_index(report, redis, twin, seed)
