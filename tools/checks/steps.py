"""The steps of ./tools/test, a row each, in the order of a run: what says most in the least time comes first."""
import glob
import os
from dataclasses import dataclass, field

import readers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.path.join(ROOT, "build")
TOOLS = os.path.join(ROOT, "tools")
# What each preset is needed for, and no more: building is most of the time of a run.
TARGETS = {
    "release": ["cloakroom-server", "cloakroom-tests"],
    "asan": ["cloakroom-server", "cloakroom-tests", "cloakroom-concurrency-tests", "fuzz-targets"],
    "tsan": ["cloakroom-concurrency-tests"],
}
# The random command streams meet the sanitizers in every run, the other black-box suites in full ones.
ASAN_SUITES = {"oracle"}
# Redis' own suite weighs memory and crashes servers on purpose: a sanitizer changes what it looks at.
NEVER_ASAN_SUITES = {"tcl"}
SEEDED_SUITES = {"oracle", "protocol"}
# Several times what two slow cores take: a limit ends what hangs, it does not judge a machine.
BUILD_SECONDS, TIDY_SECONDS, TEST_SECONDS = 1800, 1800, 900
FUZZ_SECONDS, FUZZ_SECONDS_FULL = 20, 300


@dataclass
class Step:
    name: str
    needs: str  # the step that must have passed before, or ""
    limit: int  # seconds, in full runs twenty times as long
    command: list
    read: callable
    env: dict = field(default_factory=dict)
    ahead: bool = False  # may run beside the steps above it, yielding to them


def build(preset, full):
    targets = ["all"] if full else TARGETS[preset]
    return Step(f"build-{preset}", "", BUILD_SECONDS, [f"{TOOLS}/build", preset, *targets], readers.exit_code, ahead=True)


def unit(name, program, preset):
    command = [f"{BUILD}/{preset}/{program}", "--no-colors=true"]
    prefix = [] if preset == "release" else [f"{TOOLS}/checks/steady"]
    return Step(name, f"build-{preset}", TEST_SECONDS, prefix + command, readers.doctest)


def suite(name, folder, preset, full, seed):
    command = [f"{ROOT}/redis-compat-tests/run", folder, "--full" if full else "--quick"]
    if folder in SEEDED_SUITES:
        command += ["--seed", str(seed)]
    env = {"CLOAKROOM_SERVER": f"{BUILD}/{preset}/cloakroom-server", "CLOAKROOM_PRESET": preset}
    return Step(name, f"build-{preset}", TEST_SECONDS, command, readers.summary, env)


def fuzz(full, seed):
    seconds = FUZZ_SECONDS_FULL if full else FUZZ_SECONDS
    command = [f"{TOOLS}/checks/fuzz.py", f"{BUILD}/asan", str(seconds), str(seed)]
    return Step("fuzz", "build-asan", TEST_SECONDS, command, readers.summary)


def steps(full, seed):
    suites = sorted(os.path.basename(os.path.dirname(path)) for path in glob.glob(f"{glob.escape(ROOT)}/redis-compat-tests/*/main.py"))
    yield Step("rulebook", "", TEST_SECONDS, [f"{TOOLS}/rulebook"], readers.summary)
    yield Step("format", "", TEST_SECONDS, [f"{TOOLS}/checks/format"], readers.summary)
    yield build("release", full)
    yield unit("unit", "cloakroom-tests", "release")
    if full:
        yield unit("concurrency", "cloakroom-concurrency-tests", "release")
    for folder in suites:
        yield suite(folder, folder, "release", full, seed)
    yield build("asan", full)
    yield unit("unit-asan", "cloakroom-tests", "asan")
    yield unit("concurrency-asan", "cloakroom-concurrency-tests", "asan")
    for folder in suites:
        if folder in ASAN_SUITES or full and folder not in NEVER_ASAN_SUITES:
            yield suite(f"{folder}-asan", folder, "asan", full, seed)
    yield fuzz(full, seed)
    yield build("tsan", full)
    yield unit("concurrency-tsan", "cloakroom-concurrency-tests", "tsan")
    yield Step("tidy", "", TIDY_SECONDS, [f"{TOOLS}/checks/tidy.py"], readers.summary, ahead=True)
