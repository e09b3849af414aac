"""Redis' own test suite, from Debian's source package, against the server under test.

  run tcl [--quick|--full] [--unit U]... [--only CASE] [--io-threads N]... [--measure]
--unit is a name of units.py; with one unit, --only runs one of its cases (also one that is listed). --measure writes the
files of listed/ anew: measure.py says how.
Environment: CLOAKROOM_SERVER is the server under test, REDIS_SERVER the one --measure asks.
"""
import argparse
import signal
import sys

import listed
import measure
import selfcheck
import suite_source
import units
import verdict
from lane import Lanes
from report import Report
from servers import cloakroom_binary


def parse_arguments(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--unit", action="append", choices=units.QUICK + units.FULL, metavar="U")
    parser.add_argument("--only", metavar="CASE")
    parser.add_argument("--io-threads", action="append", type=int, metavar="N")
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args(argv)
    if options.only and len(options.unit or ()) != 1:
        parser.error("--only needs one --unit")
    options.units = options.unit or (units.FULL if options.full or options.measure else ()) + units.QUICK
    options.io_threads = options.io_threads or units.IO_THREADS
    return options


def run_unit(lane, job):
    """(outcome, verdict) of one unit."""
    unit, threads = job
    listing = listed.read(unit).for_threads(threads)
    directives = units.directives(threads)
    outcome = lane.run_whole(unit, directives, listing.left_out())
    return outcome, verdict.judge(outcome, listing, lambda name: lane.run(unit, directives, only=name).cases.get(name))


def run_one(lanes, options, report):
    """One case, with all it says."""
    def alone(lane, job):
        unit, threads = job
        return lane.run(unit, units.directives(threads), only=options.only).cases.get(options.only)

    for (unit, threads), case in lanes.each(alone, [(options.unit[0], threads) for threads in options.io_threads]):
        report.check("%s: %s (io-threads %d)" % (unit, options.only, threads), case and case.state == "ok",
                     case.detail if case else "there is no such case, or it did not begin")


def run_all(lanes, options, report):
    jobs = [(unit, threads) for unit in options.units for threads in options.io_threads]
    entries = [entry for unit in options.units for entry in listed.read(unit).entries.values()]
    for (unit, threads), (outcome, result) in lanes.each(run_unit, jobs):
        report.passed += result.passed
        for name, detail in result.second:
            report.line("twice %s: %s (io-threads %d): it passes alone, and before it %s" % (unit, name, threads, detail))
        for name, detail in result.failures:
            report.fail("%s: %s (io-threads %d)" % (unit, name, threads), detail)
        report.line("%-4s %s, io-threads %d: %d passed, %d failed, %d listed (%.1f s)" % (
            "--" if result.failures else "ok", unit, threads, result.passed, len(result.failures), result.listed,
            outcome.seconds))
    due, missing = (sum(test(entry) for entry in entries) for test in (listed.Entry.due, listed.Entry.missing))
    report.line("listed: %d cases not due, %d meant otherwise, %d missing" % (len(entries) - due, due - missing, missing))


def main(argv):
    options = parse_arguments(argv)
    report = Report()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        source = suite_source.fetch()
        server = cloakroom_binary()
        if options.measure:
            measure.run(source, server, options)
            return
        with Lanes(suite_source.HOME / "lanes", lambda folder: suite_source.make_lane(source, folder, server)) as lanes:
            if options.only:
                run_one(lanes, options, report)
            else:
                selfcheck.run_all(report, lanes)
                run_all(lanes, options, report)
    except suite_source.NotFetched as error:
        report.fail("Redis' suite is there", str(error))
    report.finish()
