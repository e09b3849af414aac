#!/usr/bin/python3
"""The steps of ./tools/test, which installs what they need and then runs this.

A step returns how many checks passed and the names of those that failed. It has a time limit of its own; a default run
has one as a whole, so that it ends within 20 minutes on two cores whatever happens.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILD = os.path.join(ROOT, "build")
LOGS = os.path.join(BUILD, "test-logs")
CPP_FOLDERS = ("protocol", "storage", "server", "tests")
RUN_SECONDS = 1170
FULL_SECONDS = 8 * 3600
FUZZ_SECONDS, FUZZ_SECONDS_FULL = 20, 300
TIDY_SECONDS = 120
COMMITS_TIDIED = 3
# The random command streams meet the sanitizers in every run, the other black-box suites in full ones.
ASAN_SUITES = {"oracle"}
# What each preset is needed for, and no more: building is most of the time of a run.
TARGETS = {
    "release": ["cloakroom-server", "cloakroom-tests"],  # --full: all
    "asan": ["cloakroom-tests", "cloakroom-server"],
    "tsan": ["cloakroom-concurrency-tests"],
    "fuzz": ["all"],
}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Run:
    """The options, the clock, and what has been built."""

    def __init__(self, full):
        self.full = full
        started = float(os.environ.get("CLOAKROOM_TEST_STARTED", time.time()))
        self.deadline = started + (FULL_SECONDS if full else RUN_SECONDS)
        self.built = {}
        self.length = "--full" if full else "--quick"

    def left(self):
        return self.deadline - time.time()

    def execute(self, name, command, limit, env=None, cwd=ROOT):
        """Runs a command, its output into a log of the step. Returns (exit code, or None when out of time, output)."""
        limit = min(limit * (20 if self.full else 1), max(self.left(), 1))
        path = os.path.join(LOGS, f"{name}.log")
        environment = {**os.environ, **SANITIZERS, **(env or {})}
        if self.full:
            environment["CLOAKROOM_TEST_FULL"] = "1"
        with open(path, "wb") as log:
            process = subprocess.Popen(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                end_group(process)
        with open(path, encoding="utf-8", errors="replace") as log:
            return code, log.read()

    def build(self, preset):
        """Builds a preset once. Returns None, or the outcome of a step that cannot run without it."""
        if preset not in self.built:
            targets = ["all"] if self.full else TARGETS[preset]
            command = [os.path.join(ROOT, "tools/build"), preset, *targets]
            code, output = self.execute(f"build-{preset}", command, 600)
            self.built[preset] = code == 0
            if code != 0:
                print(tail(output), flush=True)
        return None if self.built[preset] else (0, [f"the {preset} build failed"])


def end_group(process):
    """Nothing that a step started outlives it."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def tail(output, lines=60):
    return "\n".join(output.splitlines()[-lines:])


def steady_addresses():
    """Sanitizers of clang 14 do not start under some kernels' address space randomization: switch it off if allowed."""
    prefix = ["setarch", os.uname().machine, "-R"]
    try:
        return prefix if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode == 0 else []
    except FileNotFoundError:
        return []


def cpp_files():
    for folder in CPP_FOLDERS:
        for path in sorted(glob.glob(f"{ROOT}/{folder}/**/*", recursive=True)):
            if path.endswith((".cc", ".h")):
                yield os.path.relpath(path, ROOT)


def counted(code, output):
    """The outcome of a program whose last line is "N passed, N failed"."""
    lines = output.strip().splitlines()
    match = re.fullmatch(r"(\d+) passed, (\d+) failed", lines[-1]) if lines else None
    if not match or code is None:
        print(tail(output))
        return 0, ["out of time" if code is None else f"ended with {code} and no summary"]
    passed, failed = int(match.group(1)), int(match.group(2))
    if failed == 0 and code == 0 and passed > 0:
        return passed, []
    print(tail(output))
    names = re.findall(r"^FAIL\w*:?\s+(.+)$", output, re.MULTILINE)
    if len(names) != failed:
        names = [f"{i + 1} of {failed}, see above" for i in range(failed)]
    return passed, names or [f"{passed} passed, ended with {code}"]


def rulebook(run):
    return counted(*run.execute("rulebook", [os.path.join(ROOT, "tools/rulebook")], 60))


def clang_format(run):
    code, output = run.execute("format", ["clang-format-14", "--dry-run", "-Werror", *cpp_files()], 120)
    bad = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", output, re.MULTILINE)))
    return (1, []) if code == 0 else (0, [" ".join(bad) or tail(output)])


def changed_files():
    """C++ bodies touched by uncommitted work and the latest commits; a header stands for its body. All without git."""
    git = ["git", "-c", "safe.directory=*", "-C", ROOT]
    paths = []
    for arguments in (["diff", "--name-only", "HEAD"], ["log", f"-n{COMMITS_TIDIED}", "--name-only", "--format="]):
        result = subprocess.run([*git, *arguments], capture_output=True, text=True)
        if result.returncode != 0:
            return None
        paths += result.stdout.split()
    return {re.sub(r"\.h$", ".cc", path) for path in paths}


def clang_tidy(run):
    files = [path for path in cpp_files() if path.endswith(".cc")]
    changed = None if run.full else changed_files()
    chosen = [path for path in files if changed is None or path in changed]
    code, output = run.execute("tidy-configure", ["cmake", "--preset", "tidy"], 60)
    if code != 0:
        print(tail(output))
        return 0, ["not configured"]
    until = time.time() + (FULL_SECONDS if run.full else TIDY_SECONDS)

    def check(path):
        if time.time() > until:
            return None
        name = "tidy-" + path.replace("/", "-")
        return run.execute(name, ["clang-tidy-14", "--quiet", "-p", "build/tidy", path], 180)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(zip(chosen, pool.map(check, chosen)))
    bad = []
    for path, result in results:
        if result and result[0] != 0:
            print("\n".join(re.findall(r"^.*(?:error|warning): .*$", result[1], re.MULTILINE)) or tail(result[1]))
            bad.append(path)
    checked = sum(result is not None for _, result in results)
    print(f"     clang-tidy read {checked} of {len(chosen)} chosen, of {len(files)} files", flush=True)
    return (0 if bad else 1), bad


def doctest(program, preset):
    """A step that runs a test program and counts its test cases."""

    def step(run):
        failure = run.build(preset)
        if failure:
            return failure
        path = os.path.join(BUILD, preset, program)
        prefix = [] if preset == "release" else steady_addresses()
        name = f"{program}-{preset}"
        if not os.path.exists(path):
            return 0, [f"{program} does not exist"]
        code, output = run.execute(name, [*prefix, path, "--no-colors=true"], 240)
        summary = re.search(r"test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed", output)
        if code == 0 and summary and int(summary.group(2)) > 0:
            return int(summary.group(2)), []
        print(tail(output))
        names = list(dict.fromkeys(re.findall(r"^TEST CASE:\s+(.*)$", output, re.MULTILINE)))
        reason = "out of time" if code is None else f"ended with {code}"
        return (int(summary.group(2)) if summary else 0), names or [reason]

    return step


def fuzz(run):
    failure = run.build("fuzz")
    if failure:
        return failure
    programs = sorted(glob.glob(f"{BUILD}/fuzz/fuzz_*"))
    programs = [path for path in programs if os.path.isfile(path) and os.access(path, os.X_OK)]
    seconds = FUZZ_SECONDS_FULL if run.full else FUZZ_SECONDS
    passed, failed = 0, [] if programs else ["no fuzz targets"]

    def one(path):
        name = os.path.basename(path)
        found, corpus = f"{BUILD}/fuzz/found/{name}", f"{ROOT}/tests/fuzz/corpus/{name}"
        os.makedirs(found, exist_ok=True)
        command = [*steady_addresses(), path, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048"]
        command += [f"-artifact_prefix={BUILD}/fuzz/{name}-", "-print_final_stats=1", found]
        return name, run.execute(name, command + ([corpus] if os.path.isdir(corpus) else []), seconds + 60)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (code, output) in pool.map(one, programs):
            if code == 0:
                passed += 1
            else:
                print(tail(output))
                failed.append(name)
    return passed, failed


def black_box(folder, preset):
    """A step that runs redis-compat-tests/<folder>/run against a server."""

    def step(run):
        failure = run.build(preset)
        if failure:
            return failure
        server = os.path.join(BUILD, preset, "cloakroom-server")
        if not os.path.exists(server):
            return 0, ["there is no cloakroom-server"]
        env = {"CLOAKROOM_SERVER": server, "CLOAKROOM_PRESET": preset}
        path = os.path.join(ROOT, "redis-compat-tests", folder, "run")
        return counted(*run.execute(f"{folder}-{preset}", [path, run.length], 240, env))

    return step


def build_step(preset):
    return lambda run: run.build(preset) or (1, [])


def steps(full):
    """(name, function) in the order of a run: what says most in the least time comes first."""
    suites = sorted(os.path.basename(os.path.dirname(p)) for p in glob.glob(f"{ROOT}/redis-compat-tests/*/run"))
    yield "rulebook", rulebook
    yield "format", clang_format
    yield "build-release", build_step("release")
    yield "unit", doctest("cloakroom-tests", "release")
    if full:
        yield "concurrency", doctest("cloakroom-concurrency-tests", "release")
    for suite in suites:
        yield suite, black_box(suite, "release")
    yield "build-asan", build_step("asan")
    yield "unit-asan", doctest("cloakroom-tests", "asan")
    for suite in suites:
        if full or suite in ASAN_SUITES:
            yield f"{suite}-asan", black_box(suite, "asan")
    yield "build-tsan", build_step("tsan")
    yield "concurrency-tsan", doctest("cloakroom-concurrency-tests", "tsan")
    yield "build-fuzz", build_step("fuzz")
    yield "fuzz", fuzz
    yield "tidy", clang_tidy


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tools/test", description="Runs every check of the project.")
    parser.add_argument("--full", action="store_true", help="everything at length, for hours")
    parser.add_argument("--only", action="append", metavar="STEP", help="only this step (may be repeated)")
    parser.add_argument("--list", action="store_true", help="names the steps")
    return parser.parse_args()


def main():
    options = parse_arguments()
    chosen = list(steps(options.full))
    if options.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    if options.only:
        unknown = set(options.only) - {name for name, _ in chosen}
        chosen = [step for step in chosen if step[0] in options.only]
        if unknown:
            sys.exit(f"no such step: {' '.join(sorted(unknown))}; see --list")
    os.makedirs(LOGS, exist_ok=True)
    run = Run(options.full)
    passed, failures = 0, []
    for name, step in chosen:
        begun = time.time()
        ok, failed = step(run) if run.left() > 0 else (0, ["no time was left for it"])
        passed += ok
        failures += [f"{name}: {what}" for what in failed]
        state = "FAIL" if failed else "ok"
        print(f"{state:4} {name}: {ok} passed, {len(failed)} failed ({time.time() - begun:.0f} s)", flush=True)
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
