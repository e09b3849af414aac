#!/usr/bin/python3
"""Runs the steps of steps.py. ./tools/test installs what they need and then runs this.

Each step is a command with a time limit of its own; a run has one as a whole, so that it ends whatever hangs.
"""
import argparse
import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
from steps import BUILD, ROOT, steps  # noqa: E402

LOGS = os.path.join(BUILD, "test-logs")
RUN_SECONDS, FULL_SECONDS = 3540, 8 * 3600
LONGEST = 5
SEED = 1  # of every run that decides about a commit: what it finds, the commit did. --full looks further each time
PRINTING = threading.Lock()
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
        self.passed, self.failures, self.seconds, self.outcomes = 0, [], {}, {}
        self.running = set()

    def do(self, chosen):
        """Runs the chosen steps and what they need, in two lanes: tests leave a core idle, which builds ahead."""
        chosen = {*chosen, *(self.rows[name].needs for name in chosen)}
        ahead, lane = (concurrent.futures.ThreadPoolExecutor(1) for _ in range(2))
        for name, step in self.rows.items():
            if name in chosen:
                self.outcomes[name] = (ahead if step.ahead else lane).submit(self.do_one, step)
        for outcome in self.outcomes.values():
            outcome.result()

    def do_one(self, step):
        """Returns whether the step passed."""
        ready = not step.needs or self.outcomes[step.needs].result()
        begun = time.time()
        if not ready:
            passed, failed, output = 0, [f"{step.needs} failed"], ""
        elif self.deadline <= begun:
            passed, failed, output = 0, ["no time was left for it"], ""
        else:
            code, output = self.execute(step)
            passed, failed = step.read(code, output)
        self.record(step, passed, failed, output, time.time() - begun)
        return not failed

    def record(self, step, passed, failed, output, seconds):
        with PRINTING:
            self.passed += passed
            self.seconds[step.name] = seconds
            again = f"./tools/test{' --full' if self.full else ''} --only {step.name} --seed {self.seed}"
            self.failures += [f"{step.name}: {what}  (again: {again})" for what in failed]
            if failed:
                print("\n".join(output.splitlines()[-60:]))
            print(f"{'FAIL' if failed else 'ok':4} {step.name}: {passed} passed, {len(failed)} failed ({seconds:.0f} s)", flush=True)
            if failed:
                print(f"     again: {again}", flush=True)

    def execute(self, step):
        """Returns (exit code, or None when out of time; output), which stays in a log."""
        limit = min(step.limit * (20 if self.full else 1), max(self.deadline - time.time(), 1))
        path = os.path.join(LOGS, f"{step.name}.log")
        environment = {**os.environ, **SANITIZERS, **step.env}
        if self.full:
            environment["CLOAKROOM_TEST_FULL"] = "1"
        with open(path, "wb") as log:
            try:
                command = [*(("nice", "-n", "19") if step.ahead else ()), *step.command]
                process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True)
            except OSError as error:
                return 127, str(error)
            self.running.add(process)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            end_group(process)
            self.running.discard(process)
        with open(path, encoding="utf-8", errors="replace") as log:
            return code, log.read()

    def give_up(self, number, _):
        """Nothing that was started outlives a run that is told to end."""
        for process in list(self.running):
            end_group(process)
        os._exit(128 + number)

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
    parser.add_argument("--seed", type=int, help=f"of the random streams; {SEED}, with --full another each time")
    parser.add_argument("--list", action="store_true", help="names the steps")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(1, 1 << 31) if options.full else SEED
    return options


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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, run.give_up)
    run.do(options.only or run.rows)
    run.report()
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
