#!/usr/bin/python3
"""Runs the steps of steps.py. ./tools/test installs what they need and then runs this.

Each step is a command with a time limit of its own; a run has one as a whole, so that it ends whatever hangs.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from steps import BUILD, ROOT, steps  # noqa: E402

LOGS = os.path.join(BUILD, "test-logs")
RUN_SECONDS, FULL_SECONDS = 3540, 8 * 3600
LONGEST = 5
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Run:
    """The options, the clock, and what has come out so far."""

    def __init__(self, options):
        self.full = options.full
        self.seed = options.seed
        started = float(os.environ.get("CLOAKROOM_TEST_STARTED", time.time()))
        self.deadline = started + (FULL_SECONDS if options.full else RUN_SECONDS)
        self.rows = {step.name: step for step in steps(options.full, options.seed)}
        self.passed, self.failures, self.seconds, self.succeeded = 0, [], {}, {}

    def do(self, step):
        """Runs a step that has not run yet, before it what it needs. Returns whether it passed."""
        if step.name in self.succeeded:
            return self.succeeded[step.name]
        begun = time.time()
        if step.needs and not self.do(self.rows[step.needs]):
            passed, failed, output = 0, [f"{step.needs} failed"], ""
        elif self.deadline <= time.time():
            passed, failed, output = 0, ["no time was left for it"], ""
        else:
            begun = time.time()
            code, output = self.execute(step)
            passed, failed = step.read(code, output)
        self.record(step, passed, failed, output, time.time() - begun)
        return not failed

    def record(self, step, passed, failed, output, seconds):
        self.passed += passed
        self.seconds[step.name] = seconds
        self.succeeded[step.name] = not failed
        if failed:
            print("\n".join(output.splitlines()[-60:]))
        state = "FAIL" if failed else "ok"
        print(f"{state:4} {step.name}: {passed} passed, {len(failed)} failed ({seconds:.0f} s)", flush=True)
        if failed:
            again = f"./tools/test{' --full' if self.full else ''} --only {step.name} --seed {self.seed}"
            print(f"     again: {again}", flush=True)
            self.failures += [f"{step.name}: {what}  (again: {again})" for what in failed]

    def execute(self, step):
        """Returns (exit code, or None when out of time; output), which stays in a log."""
        limit = min(step.limit * (20 if self.full else 1), max(self.deadline - time.time(), 1))
        path = os.path.join(LOGS, f"{step.name}.log")
        environment = {**os.environ, **SANITIZERS, **step.env}
        if self.full:
            environment["CLOAKROOM_TEST_FULL"] = "1"
        with open(path, "wb") as log:
            try:
                process = subprocess.Popen(step.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True)
            except OSError as error:
                return 127, str(error)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                end_group(process)
        with open(path, encoding="utf-8", errors="replace") as log:
            return code, log.read()

    def report(self):
        longest = sorted(self.seconds.items(), key=lambda item: -item[1])[:LONGEST]
        print("longest: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in longest))
        for failure in self.failures:
            print(f"FAILED {failure}")
        print(f"{self.passed} passed, {len(self.failures)} failed")


def end_group(process):
    """Nothing that a step started outlives it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/test", description="Runs every check of the project.")
    parser.add_argument("--full", action="store_true", help="everything at length, for hours")
    parser.add_argument("--only", action="append", metavar="STEP", help="only this step and what it needs (may be repeated)")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31), help="of the random streams")
    parser.add_argument("--list", action="store_true", help="names the steps")
    return parser.parse_args()


def main():
    options = parse_arguments()
    run = Run(options)
    if options.list:
        print("\n".join(run.rows))
        return 0
    unknown = set(options.only or ()) - set(run.rows)
    if unknown:
        sys.exit(f"no such step: {' '.join(sorted(unknown))}; see --list")
    os.makedirs(LOGS, exist_ok=True)
    for name, step in run.rows.items():
        if not options.only or name in options.only:
            run.do(step)
    run.report()
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
