"""Starting and stopping the servers under test. Only processes started here are ever ended."""
import atexit
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from resp import Connection, Eof

ROOT = pathlib.Path(__file__).resolve().parents[2]
_live = []


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def redis_binary():
    path = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if not path:
        raise SystemExit("redis-server is not installed (Debian package redis-server)")
    return path


def cloakroom_binary():
    """The binary under test: CLOAKROOM_SERVER, or the newest release build in the tree."""
    path = os.environ.get("CLOAKROOM_SERVER")
    if path:
        return path
    found = [p for p in (ROOT / "build").glob("release*/**/cloakroom-server") if os.access(p, os.X_OK)]
    if not found:
        raise SystemExit("no cloakroom-server: set CLOAKROOM_SERVER or build the release preset")
    return str(max(found, key=lambda p: p.stat().st_mtime))


def is_redis(binary):
    return os.path.basename(os.path.realpath(binary)).startswith(("redis-server", "redis-check"))


def cloakrooms_own(check):
    """Marks a check of what Cloakroom promises and Redis does not."""
    check.cloakrooms_own = True
    return check


def is_due(check, binary):
    return not (is_redis(binary) and getattr(check, "cloakrooms_own", False))


class Server:
    """One running server, with a directory of its own unless it is given one, which then stays."""

    def __init__(self, binary, options=(), wait=True, env=None, port=None, file=None, prepare=None, directory=None):
        self.binary = binary
        self.redis = is_redis(binary)
        self.keeps_dir = directory is not None
        self.dir = directory or tempfile.mkdtemp(prefix="cloakroom-compat-")
        self.port = port or free_port()
        own = [] if self.redis or "--session-index" in options else ["--session-index", "no"]
        self.args = [binary, *([file] if file else []), "--port", str(self.port), "--save", "", "--dir", self.dir, "--loglevel", "warning"]
        self.args += [*own, *[str(o) for o in self._for_this_server(options)]]
        env = {k: v for k, v in (env or os.environ).items() if k != "CLOAKROOM_SERVER"}  # no directive of the server
        self.log_path = os.path.join(self.dir, "server.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.args, stdout=log, stderr=log, cwd=self.dir, env=env,
                                            start_new_session=True, preexec_fn=prepare)
        _live.append(self)
        if wait:
            self.wait_ready()

    def _for_this_server(self, options):
        options = list(options)
        if self.redis:
            for name in ("--session-index", "--session-index-pending-ms"):
                while name in options:
                    at = options.index(name)
                    del options[at:at + 2]
        return options

    def wait_ready(self, timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended at start:\n%s" % (self.binary, self.log()))
            try:
                with Connection(self.port, timeout_s=5.0) as conn:
                    reply = conn.call("PING")
            except (OSError, Eof):  # not yet, or it ends again while it loads
                select_pause()
                continue
            if reply[1] == b"PONG" or reply[1].startswith(b"NOAUTH"):
                return
            select_pause()
        raise RuntimeError("%s did not answer in time:\n%s" % (self.binary, self.log()))

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read()[-4000:].decode("utf-8", "replace")

    def connect(self, **kwargs):
        return Connection(self.port, **kwargs)

    def alive(self):
        return self.process.poll() is None

    def rss_bytes(self):
        with open("/proc/%d/status" % self.process.pid) as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def stop(self, how=signal.SIGTERM, timeout_s=15.0):
        """Ends the process; returns its exit code."""
        code = self.process.poll()
        if code is None:
            self.process.send_signal(how)
            try:
                code = self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                code = None
        if self in _live:
            _live.remove(self)
        if not self.keeps_dir:
            shutil.rmtree(self.dir, ignore_errors=True)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def select_pause(seconds=0.02):
    """One step of a bounded poll."""
    time.sleep(seconds)


def poll_until(condition, timeout_s, step_s=0.005):
    """True as soon as condition() is; False when it never was within timeout_s."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        select_pause(step_s)
    return True


@atexit.register
def stop_all():
    """Whatever a failed check has left."""
    for server in list(_live):
        server.stop(signal.SIGKILL)
