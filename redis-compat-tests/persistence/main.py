"""The append-only file: what a server wrote it reads again after any end, and so does a redis-server; what is torn or
damaged is cut or refused as it should be.

  run persistence [--quick|--full] [--only TEXT] [--seed N] [--round N]
Environment: CLOAKROOM_SERVER is the server under test (a redis-server passes too, but for Cloakroom's own),
REDIS_SERVER the one that reads its files, writes some for it, and says what a log means.
"""
import argparse
import random

import crash
import damage
import faulty
import foreign
import form
import load
import manifests
import replies
import restarts
import running
import torn
from report import Report
from servers import cloakroom_binary, is_due, stop_all

MODULES = (restarts, form, running, load, replies, torn, damage, manifests, foreign, faulty, crash)
ROUNDS = 20  # of --full


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--round", type=int, help="only this one of --full")
    options = parser.parse_args(argv)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    report = Report()
    report.line("seed %d (again: --seed %d)" % (seed, seed))
    binary = cloakroom_binary()
    rounds = range(ROUNDS if options.full else 1) if options.round is None else [options.round]
    for number in rounds:
        for module in MODULES:
            for name, check in module.CHECKS + (getattr(module, "LONG", []) if options.full else []):
                if options.only in name:
                    run(report, binary, name, check, seed, number)
    report.finish()


def run(report, binary, name, check, seed, number):
    """One check, with random numbers of its own."""
    if not is_due(check, binary):
        report.skip(name, "Cloakroom's own")
    elif not report.run(name, check, binary, random.Random("%d %d %s" % (seed, number, name))):
        stop_all()
        report.line("     again: --seed %d --round %d --only '%s'" % (seed, number, name))
