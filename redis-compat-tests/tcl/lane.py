"""One lane: clients of Redis' suite, one at a time, to which this file is the suite's own server.

The suite is made of a server, which only hands out units and prints what comes back, and of clients, which run them. Here
the server is this file: it learns of every case as it begins, so that it knows which one hangs, and of every process.
Both sides send Tcl lists, each behind its length in bytes and a newline: {state, text, milliseconds}. Tcl's sockets write
a newline as CR LF.
"""
import concurrent.futures
import ctypes
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field

import tcl_list
from servers import poll_until

PRELUDE = pathlib.Path(__file__).with_name("prelude.tcl")
TAGS = "-slow -repl -needs:repl"
MARK = "TCL_SUITE_LANE"  # in the environment of all that a lane starts
START_SECONDS, CASE_SECONDS = 30, 60
RUNS_AFTER_A_HANG = 4
LIBC = ctypes.CDLL(None)  # loaded before any fork


@dataclass
class Case:
    name: str
    state: str  # ok, failed, hung, skipped
    detail: str = ""
    seconds: float = 0.0


@dataclass
class Outcome:
    """What a unit came to. `cases` have names of their own: the second of a name is "name [2]"."""
    cases: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)  # errors outside of cases
    whole: bool = False  # it ran to its end
    seconds: float = 0.0

    def add(self, case):
        name, count = case.name, 1
        while name in self.cases:
            count += 1
            name = "%s [%d]" % (case.name, count)
        self.cases[name] = case

    def failed(self):
        return [name for name, case in self.cases.items() if case.state in ("failed", "hung")]


def bare_name(name):
    """The name as the suite has it."""
    return re.sub(r" \[\d+\]$", "", name)


class Ended(Exception):
    """The client is gone."""


class Lane:
    def __init__(self, number, folder, ports):
        self.folder = folder
        self.ports = ports
        self.mark = "%d-%d" % (os.getpid(), number)
        self.closed = False

    def run(self, unit, options, skip=(), only=None, case_seconds=CASE_SECONDS, environment=None):
        """Runs a unit. `options` are directives for its servers, `skip` cases it leaves out, `only` the one it runs."""
        outcome = Outcome()
        begun = time.monotonic()
        if not self.closed:
            with Client(self, options, skip, only, environment or {}) as client:
                client.follow(unit, outcome, case_seconds)
        outcome.seconds = time.monotonic() - begun
        return outcome

    def run_whole(self, unit, options, skip=(), **more):
        """A case that hangs costs its unit the rest, so the unit is run again without it."""
        hung = {}
        for _ in range(RUNS_AFTER_A_HANG):
            outcome = self.run(unit, options, [*skip, *hung], **more)
            found = {name: case for name, case in outcome.cases.items() if case.state == "hung"}
            hung.update(found)
            if not found:
                break
        outcome.cases.update(hung)
        return outcome

    def processes(self):
        """All that this lane has started and that is still there: a server may hide its environment, but not where it is."""
        wanted = ("%s=%s" % (MARK, self.mark)).encode()
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/environ" % entry, "rb") as file:
                    ours = wanted in file.read().split(b"\0")
                if ours or os.readlink("/proc/%s/cwd" % entry).startswith("%s/" % self.folder):
                    yield int(entry)
            except OSError:
                continue

    def end_processes(self):
        def none_left():
            left = list(self.processes())
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not left
        poll_until(none_left, 10.0, 0.01)

    def close(self):
        self.closed = True
        self.end_processes()


class Client:
    """One of the suite's clients, for one unit."""

    def __init__(self, lane, options, skip, only, environment):
        self.lane = lane
        self.buffer = b""
        self.held = b""  # a CR that may be half of a newline
        self.listener = socket.create_server(("127.0.0.1", 0))  # stays: the suite has a case that finds its port in use
        self.socket = None
        self.current = None  # (the case that runs, since when)
        self.process = self.start(lane, options, skip, only, environment)

    def start(self, lane, options, skip, only, more):
        temporary = lane.folder / "tests" / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        command = ["tclsh8.6", "tests/test_helper.tcl", "--client", str(self.listener.getsockname()[1]), "--clients", "1",
                   "--baseport", str(lane.ports.start), "--portcount", str(len(lane.ports)), "--tags", TAGS, "--no-latency"]
        for name, value in options.items():
            command += ["--config", name, str(value)]
        if skip:
            names = "".join(sorted({bare_name(name) + "\n" for name in skip}))
            (temporary / "skipped").write_text(names, encoding="latin-1")
            command += ["--skipfile", "tests/tmp/skipped"]
        if only:
            command += ["--only", bare_name(only)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOAKROOM_")}
        environment.update({**more, MARK: lane.mark})
        with open(lane.folder / "output", "wb") as output:
            process = subprocess.Popen(command, cwd=lane.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, preexec_fn=lambda: LIBC.prctl(1, signal.SIGKILL))
        self.listener.settimeout(START_SECONDS)
        try:
            self.socket = self.listener.accept()[0]
        except OSError:
            pass  # follow() says what it printed
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in (self.socket, self.listener):
            if each:
                each.close()
        self.lane.end_processes()
        self.process.wait()

    def follow(self, unit, outcome, case_seconds):
        try:
            self.receive(START_SECONDS)
            self.send("run_code", tcl_list.render(["prelude", "prelude", "source {%s}" % PRELUDE]))
            while self.receive(START_SECONDS)[0] != "done":
                pass
            self.send("run", unit)
            while not outcome.whole:
                state, text, elapsed = self.receive(case_seconds)
                self.note(outcome, state, text, elapsed)
        except TimeoutError:
            self.record(outcome, "hung", "ended after %d s" % case_seconds)
        except (Ended, ConnectionError):
            self.record(outcome, "failed", "the suite's client ended: " + self.printed())

    def note(self, outcome, state, text, elapsed):
        if state == "testing":
            self.current = (text, time.monotonic())
        elif state == "ok":
            outcome.add(Case(text, "ok", seconds=float(elapsed) / 1000))
            self.current = None
        elif state == "skip":
            outcome.add(Case(text, "skipped"))
        elif state == "err":
            if self.current and text.startswith(self.current[0] + " in "):
                self.record(outcome, "failed", text[len(self.current[0]):].partition("\n")[2])
            else:
                outcome.notes.append(text)
        elif state in ("exception", "block-ended"):
            outcome.notes.append(text)
        elif state == "done":
            outcome.whole = True

    def record(self, outcome, state, detail):
        if not self.current:
            outcome.notes.append(detail)
            return
        name, begun = self.current
        outcome.add(Case(name, state, detail, time.monotonic() - begun))
        self.current = None

    def printed(self):
        return (self.lane.folder / "output").read_text(errors="replace")[-1500:].strip()

    def send(self, *words):
        payload = tcl_list.render(words).encode("latin-1")
        self.socket.sendall(b"%d\n%s" % (len(payload), payload))

    def receive(self, seconds):
        """(state, text, milliseconds) of the next packet."""
        deadline = time.monotonic() + seconds
        while True:
            size, newline, rest = self.buffer.partition(b"\n")
            if newline and len(rest) >= int(size):
                self.buffer = rest[int(size):]
                words = tcl_list.parse(rest[:int(size)].decode("latin-1"))
                return (*words, "", "0")[:3] if len(words) < 3 else tuple(words[:3])
            if not self.socket or self.lane.closed:
                raise Ended
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            data = self.socket.recv(1 << 16)
            if not data:
                raise Ended
            data = self.held + data
            self.held = data[len(data.rstrip(b"\r")):] and b"\r"
            self.buffer += data[:len(data) - len(self.held)].replace(b"\r\n", b"\n")


class Lanes:
    """As many lanes as there are, each with a folder and ports of its own; they end with all they started."""

    COUNT = 4
    PORTS = 250

    def __init__(self, home, prepare):
        """`prepare(folder)` fills a lane's folder."""
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.sweep()
        # Below the system's own ports, and so is each plus 10000, which the suite wants free as well.
        first = 11000 + os.getpid() % 10 * self.COUNT * self.PORTS
        self.lanes = []
        for number in range(self.COUNT):
            folder = home / ("%d-%d" % (os.getpid(), number))
            prepare(folder)
            ports = range(first + number * self.PORTS, first + (number + 1) * self.PORTS)
            self.lanes.append(Lane(number, folder, ports))

    def sweep(self):
        """Removes the folders of runs that were killed."""
        for folder in self.home.iterdir():
            if not pathlib.Path("/proc", folder.name.partition("-")[0]).exists():
                shutil.rmtree(folder, ignore_errors=True)

    def each(self, work, jobs):
        """work(lane, job) for every job, in their order and as lanes get free; yields (job, result) as they come."""
        free = queue.SimpleQueue()
        for lane in self.lanes:
            free.put(lane)

        def take(job):
            lane = free.get()
            try:
                return job, work(lane, job)
            finally:
                free.put(lane)

        with concurrent.futures.ThreadPoolExecutor(len(self.lanes)) as pool:
            try:
                for future in concurrent.futures.as_completed([pool.submit(take, job) for job in jobs]):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.close()
                raise

    def close(self):
        for lane in self.lanes:
            lane.close()
        for lane in self.lanes:
            shutil.rmtree(lane.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
