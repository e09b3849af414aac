"""The append-only file: what a server wrote it reads again after any end, and so does a redis-server; what is torn or
damaged is cut or refused as it should be.

  run persistence [--quick|--full] [--only TEXT] [--seed N]
Environment: CLOAKROOM_SERVER is the server under test, REDIS_SERVER the one that reads its files and writes some for it.
"""
import argparse
import random

import crash
import damage
import foreign
import restarts
import running
from report import Report
from servers import cloakroom_binary


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(argv)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    report = Report()
    report.line("seed %d (again: --seed %d)" % (seed, seed))
    binary = cloakroom_binary()
    rounds = 40 if options.full else 1
    for number in range(rounds):
        for module in (restarts, running, damage, foreign, crash):
            for name, check in module.CHECKS:
                if options.only in name:
                    report.run(name, check, binary, random.Random("%d %d %s" % (seed, number, name)))
    report.finish()
