"""The oracle: one random command stream to Cloakroom and to a real redis-server, replies compared byte for byte.

  run oracle [--quick|--full] [--seed N] [--commands N] [--family X] [--episode N] [--verbose]
Environment: CLOAKROOM_SERVER is the server under test (it may be a redis-server), REDIS_SERVER the oracle.
"""
import argparse
import random
import time

import families
import norms
import scenarios
import selfcheck
import shadow
import shrink
from engine import Engine
from report import Report
from servers import Server, cloakroom_binary, is_redis, redis_binary

EPISODE = 1500
MAX_DISTINCT = 40
MAX_TOTAL = 400
READ_ONLY = (b"COMMAND", b"INFO", b"SLOWLOG", b"LATENCY", b"MEMORY", b"OBJECT", b"DEBUG", b"CLIENT")
OPTIONS = ["--enable-debug-command", "yes", "--maxclients", "5000"]


def show(raw, limit=400):
    text = repr(raw)[1:]
    return text if len(text) <= limit else text[:limit] + "... (%d bytes)" % len(raw)


def show_op(op):
    kind = " (iterated to the end)" if op.kind == "scan" else ""
    return "conn %d: %s%s" % (op.conn, " ".join(show(a, 90) for a in op.args), kind)


class Run:
    def __init__(self, arguments, report):
        self.arguments = arguments
        self.report = report
        self.found = {}
        self.total = 0
        self.executed = 0
        self.redis = Server(redis_binary(), OPTIONS)
        self.ours = Server(cloakroom_binary(), OPTIONS)
        self.indexed = None
        self.harmless = {}
        self.deaths = set()
        self.shrink_left_s = 60.0
        self.compared = set()

    def engine(self, family):
        if family != "index":
            return Engine(self.redis, self.ours)
        if not self.indexed:
            self.indexed = Server(cloakroom_binary(), [*OPTIONS, "--session-index", "yes"])
        twin = shadow.Shadow(self.indexed) if self.indexed.redis else None
        return Engine(self.redis, self.indexed, shadow=shadow.Shadow(self.redis), twin_shadow=twin)

    def family(self, name, commands):
        begin = time.monotonic()
        done = 0
        episode = self.arguments.episode or 0
        differing = 0
        harmless = sum(self.harmless.values())
        engine = self.engine(name)
        while done < commands and self.total < MAX_TOTAL and len(self.found) < MAX_DISTINCT:
            ops = families.build("%s/%d" % (self.arguments.seed, episode), name, EPISODE)
            before = engine.executed
            self.replace_dead(engine)
            engine.reset()
            engine.known = self.harmless
            diff = engine.run(ops)
            engine.known = {}
            done += max(engine.executed - before, 1)
            if diff:
                differing += 1
                self.difference(name, episode, ops, diff, engine)
            if self.arguments.episode is not None:
                break
            episode += 1
        engine.close()
        self.compared |= engine.compared
        self.executed += done
        detail = "%d commands, %d episodes, %.1f s" % (done, episode, time.monotonic() - begin)
        more = sum(self.harmless.values()) - harmless
        if differing or more:
            self.report.fail("family " + name, "%d differing episodes, %d more differing replies; %s" % (differing, more, detail))
        else:
            self.report.ok("family " + name, detail)

    def difference(self, family, episode, ops, diff, engine):
        self.total += 1
        signature = diff.signature()
        known = self.found.get(signature)
        if diff.where == "reply" and diff.op.args[0].upper() in READ_ONLY:
            self.harmless.setdefault(signature, 0)
        self.found[signature] = (known or 0) + 1
        if known:
            return
        print("DIFFERENCE %d  %s   (--seed %s --family %s --episode %d, command %d)" % (
            len(self.found), diff.where, self.arguments.seed, family, episode, diff.at), flush=True)
        small = []
        if self.shrink_left_s > 0 and not self.arguments.no_shrink:
            begin = time.monotonic()
            crashed = not engine.ours.server.alive()
            engine.known = dict(self.harmless)
            engine.known.pop(signature, None)
            small, again = shrink.shrink(engine, self.replace_dead, ops[:diff.at + 200 if crashed else diff.at + 1],
                                         signature, 20.0 if crashed else 4.0)
            engine.known = {}
            self.shrink_left_s -= time.monotonic() - begin
            diff = again or diff
        if not small:
            keys = {a for a in diff.op.args[1:3]}
            small = [o for o in ops[:diff.at + 1] if keys & set(o.args[1:])][-12:]
            print("  (not shrunk; the last commands with the same arguments)")
        for op in small:
            print("  " + show_op(op))
        print("  at    %s\n  redis %s\n  ours  %s%s" % (show_op(diff.op), show(diff.redis), show(diff.ours),
                                                      norms.explain(diff.op.norm, diff.redis, diff.ours)), flush=True)
        self.replace_dead(engine)

    def replace_dead(self, engine):
        dead = engine.ours.server
        if dead.alive():
            return
        if dead.log()[-80:] not in self.deaths:
            self.deaths.add(dead.log()[-80:])
            print("  THE SERVER ENDED with code %s\n%s" % (dead.process.poll(), dead.log()[-1500:]), flush=True)
        dead.stop()
        engine.ours.drop_all()
        if dead is self.indexed:
            engine.ours.server = self.indexed = Server(cloakroom_binary(), [*OPTIONS, "--session-index", "yes"])
        else:
            engine.ours.server = self.ours = Server(cloakroom_binary(), OPTIONS)

    def check_coverage(self):
        """No write command without a case whose events were compared."""
        conn = self.ours.connect()
        rows = conn.call("COMMAND")[1]
        conn.close()
        names = {row[1][0][1].upper() for row in rows if any(flag[1] == b"write" for flag in row[1][2][1])}
        missing = sorted(names - self.compared)
        if missing:
            self.report.fail("events of every write command", "none of " + b" ".join(missing).decode())
        else:
            self.report.ok("events of every write command", "%d commands" % len(names))

    def summary(self):
        if not self.found:
            return
        print("distinct differences:")
        for signature, count in sorted(self.found.items(), key=lambda item: -item[1]):
            where, command, redis, ours = signature
            print("  %4d x %s %s: redis %s, ours %s" % (count, where, show(command, 40), show(redis, 60), show(ours, 60)))


def parse_arguments(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seed")
    parser.add_argument("--commands", type=int)
    parser.add_argument("--family")
    parser.add_argument("--episode", type=int)
    parser.add_argument("--no-shrink", action="store_true")
    arguments = parser.parse_args(argv)
    arguments.seed = arguments.seed or str(random.SystemRandom().randrange(10**9))
    return arguments


def main(argv):
    arguments = parse_arguments(argv)
    report = Report()
    norms.SUBJECT_IS_REDIS = is_redis(cloakroom_binary())
    commands = arguments.commands or (1_000_000 if arguments.full else 60_000)
    print("oracle: seed %s, %d commands, server under test %s" % (
        arguments.seed, commands, "redis-server" if norms.SUBJECT_IS_REDIS else "cloakroom-server"), flush=True)
    names = [arguments.family] if arguments.family else list(families.FAMILIES)
    run = Run(arguments, report)
    if not arguments.family or arguments.family in families.FAMILIES:
        for name in names:
            run.family(name, commands // len(names))
        if not arguments.family:
            run.check_coverage()
        run.summary()
        print("%d commands in lock step" % run.executed)
    if arguments.family in (None, "scenarios"):
        scenarios.run_all(report)
    if arguments.family in (None, "selfcheck"):
        selfcheck.run_all(report, arguments.seed)
    run.redis.stop()
    run.ours.stop()
    if run.indexed:
        run.indexed.stop()
    report.finish()

