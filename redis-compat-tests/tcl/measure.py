"""What is due, measured: --measure writes the files of listed/ anew.

Each unit runs against a redis-server (how many cases there are), against a redis-server from which is taken what Cloakroom
does not have (what passes there is due), and against Cloakroom, with each number of I/O threads, twice. What Cloakroom does
not pass is listed; a case that was listed keeps its mark and its reason, a new one gets a guess from what its failure says.

What Cloakroom does not have is asked of both servers: commands that only one knows, and what Cloakroom refuses as "not
supported yet". Pub/sub stays with the redis-server: it is due already.
"""
import os
import re
from collections import Counter

import listed
import suite_source
import units
from lane import Lanes
from report import Report
from resp import plain
from servers import Server, cloakroom_binary, redis_binary

DUE = {b"@pubsub"}
# The categories of PUBSUB are its subcommands'; what SCRIPT and FUNCTION answer while there is nothing is due as well.
KEPT = {"pubsub", "script", "function"}
# What may be refused though the command is there, and the pattern that keeps a suite's client from it.
REFUSALS = (
    ("SAVE", None), ("BGSAVE", None), ("BGREWRITEAOF", None),
    ("DEBUG RELOAD", "debug reload*"), ("DEBUG LOADAOF", "debug loadaof*"), ("ACL SETUSER cloakroom", "acl setuser*"),
    ("CLIENT TRACKING ON", "client tracking on*"), ("REPLICAOF 127.0.0.1 1", "*of *[a-z0-9] [0-9]*"),
    ("CONFIG SET appendonly yes", "config set appendonly yes*"),
)
FAMILIES = {"stream": "streams", "list": "lists", "sortedset": "sorted sets", "geo": "GEO", "bitmap": "bits",
            "hyperloglog": "HyperLogLog", "scripting": "scripts", "pubsub": "pub/sub"}
PERSISTENCE, REPLICATION = "RDB and AOF", "replication"
NAMED = {"pubsub": "pub/sub", **dict.fromkeys(("xgroup", "xinfo"), "streams"),
         **dict.fromkeys(("dump", "restore", "migrate", "save", "bgsave", "bgrewriteaof"), PERSISTENCE),
         **dict.fromkeys(("sync", "psync", "replconf"), REPLICATION)}
# What a failure says, and what it means.
SAYINGS = (
    (r"for '([^']*)'. Try DEBUG HELP", lambda match: "DEBUG " + match[1].upper()),
    (r"Persistence is not|nothing to load from|append-only file is|appendonly yes|debug (reload|loadaof)", lambda _: PERSISTENCE),
    (r"(?i)replication is not|(replica|slave)of|replication_stream", lambda _: REPLICATION),
    (r"(?i)client tracking", lambda _: "client-side caching"),
    (r"(?i)acl users|acl setuser", lambda _: "ACL users"),
)
# The redis-server still saves as it ends, which cannot be taken from it.
SAVING = ("Temp rdb will be deleted in signal handle", "SHUTDOWN will abort if rdb save failed on signal",
          "SHUTDOWN will abort if rdb save failed on shutdown command")
ROUNDS, CASE_SECONDS = 2, 30


class Lacking:
    """What a redis-server must be without to be no more than Cloakroom."""

    def __init__(self):
        self.families = {}
        with Server(redis_binary(), ["--enable-debug-command", "yes"]) as redis, \
                Server(cloakroom_binary(), ["--enable-debug-command", "yes"]) as ours:
            theirs, known = (commands(server) for server in (redis, ours))
            self.commands = sorted(name for name, categories in theirs.items()
                                   if name not in known and name not in KEPT and not DUE & categories)
            for name, categories in theirs.items():
                found = [FAMILIES[c[1:].decode()] for c in categories if c[1:].decode() in FAMILIES]
                self.families[name] = NAMED.get(name) or (found[0] if found else name.upper())
            self.patterns = []
            for command, pattern in REFUSALS:
                if b"supported yet" in bytes(ours.connect().call(*command.split())[1]):
                    if pattern:
                        self.patterns.append(pattern)
                    else:
                        self.commands.append(command.lower())

    def environment(self):
        """What makes prelude.tcl take them from the servers of a unit."""
        return {"TCL_SUITE_REFUSED": " ".join("{%s}" % pattern for pattern in self.patterns),
                "TCL_SUITE_TAKEN": " ".join(self.commands)}


def commands(server):
    return {row[0].decode(): set(row[6]) for row in (plain(node) for node in server.connect().call("COMMAND")[1])}


def run(source, server, options):
    lacking = Lacking()
    Report.line("taken from the redis-server: " + " ".join(lacking.commands + ["{%s}" % p for p in lacking.patterns]))
    whole = run_with(source, redis_binary(), options.units, (1,), 1, {})
    without = run_with(source, redis_binary(), options.units, (1,), ROUNDS, lacking.environment())
    left_out = {unit: listed.read(unit).left_out() for unit in options.units}
    ours = run_with(source, server, options.units, options.io_threads, ROUNDS, {}, left_out)
    sums = Counter()
    for unit in options.units:
        listing = draw_up(unit, whole[unit], without[unit], ours[unit], lacking)
        listed.write(listing)
        missing = sum(entry.due() for entry in listing.entries.values())
        sums += Counter(total=listing.total, missing=missing, not_due=len(listing.entries) - missing)
        Report.line("%s: %d cases, %d pass, %d due and missing, %d not due" % (
            unit, listing.total, listing.total - len(listing.entries), missing, len(listing.entries) - missing))
    Report.line("%(total)d cases, %(missing)d due and missing, %(not_due)d not due" % sums)


def run_with(source, server, names, io_threads, rounds, environment, skip=None):
    """Per unit the outcomes of its runs."""
    skip = skip or dict.fromkeys(names, ())
    outcomes = {unit: [] for unit in names}

    def work(lane, job):
        unit, threads = job
        return lane.run_whole(unit, units.directives(threads), skip[unit], case_seconds=CASE_SECONDS, environment=environment)

    jobs = [(unit, threads) for unit in names for threads in io_threads for _ in range(rounds)]
    with Lanes(suite_source.HOME / "lanes", lambda folder: suite_source.make_lane(source, folder, server)) as lanes:
        for (unit, threads), outcome in lanes.each(work, jobs):
            outcomes[unit].append(outcome)
            Report.line("%s with %s, io-threads %d: %d cases, %d failed (%.1f s)" % (
                unit, os.path.basename(server), threads, len(outcome.cases), len(outcome.failed()), outcome.seconds))
    return outcomes


def draw_up(unit, whole, without, ours, lacking):
    before = listed.read(unit)
    names = list(dict.fromkeys(name for outcome in (*whole, *ours) for name in outcome.cases))
    listing = listed.Listing(unit, len(names))
    for name in names:
        passes = [passed(outcome, name) for outcome in ours]
        old = before.entries.get(name)
        if all(passes) and not (old and old.mark in (listed.EITHER, listed.EITHER_IN_THREADS)):
            continue
        left = left_out(ours, name)
        due = any(passed(outcome, name) for outcome in without) and not left and name not in SAVING
        mark = old.mark if old and old.mark != listed.FAILS else listed.EITHER if any(passes) else mark_of(ours, name)
        told = ours if due or left else without
        reason = old.reason if old and old.due() == due else guess(name, told, due, lacking)
        listing.entries[name] = listed.Entry(mark, reason)
    return listing


def passed(outcome, name):
    return name in outcome.cases and outcome.cases[name].state == "ok"


def left_out(outcomes, name):
    """Whether the suite itself did not begin the case, though nothing ended its block."""
    return all(outcome.whole and not outcome.notes and name not in outcome.cases for outcome in outcomes)


def mark_of(outcomes, name):
    hung = any(name in outcome.cases and outcome.cases[name].state == "hung" for outcome in outcomes)
    return listed.LEFT_OUT if hung else listed.FAILS


def guess(name, outcomes, due, lacking):
    """A first reason, from the first failure of the case, or from what ended its block."""
    if left_out(outcomes, name):
        return "not due: needs another server, by the suite's own condition"
    failed = [outcome.cases[name].detail for outcome in outcomes if name in outcome.cases and not passed(outcome, name)]
    text = failed[0] if failed else "not reached: " + " ".join(outcomes[0].notes)
    unknown = re.search(r"unknown command '([^']*)'", text)
    said = [means(match) for pattern, means in SAYINGS for match in [re.search(pattern, text)] if match]
    if unknown:
        what = lacking.families.get(unknown[1].lower(), unknown[1].upper())
    else:
        what = said[0] if said else re.sub(r"[^!-~]+", " ", text)[:110].strip() or "?"
    return "due, missing: " + what if due else "not due: needs " + what
