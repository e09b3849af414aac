"""Configuration compared with a real redis-server: names, defaults, CONFIG GET, SET and REWRITE, files, arguments.

  run config
Environment: CLOAKROOM_SERVER is the server under test (it may be a redis-server), REDIS_SERVER the oracle.
"""
import os
import re
import shutil
import subprocess
import tempfile

import cases
from report import Report
from resp import Connection, plain
from servers import cloakroom_binary, free_port, poll_until, redis_binary

REFUSED = "Cloakroom refuses what it cannot do yet"
PROCESS = "CONFIG SET of it acts on the process or its sockets; the server's own tests do that"

# Not compared when both servers are asked to take a value: directive -> reason.
UNCOMPARED_VALUES = {
    "aclfile": REFUSED, "appendonly": REFUSED, "cluster-enabled": REFUSED, "loadmodule": REFUSED, "replicaof": REFUSED,
    "slaveof": REFUSED, "tls-port": REFUSED, "tls-cluster": REFUSED, "tls-replication": REFUSED,
    "bind": PROCESS, "dir": PROCESS, "maxclients": PROCESS, "oom-score-adj": PROCESS,
    "port": PROCESS, "maxmemory-clients": "a small value disconnects the test", "watchdog-period": PROCESS,
    "timeout": "a small value disconnects the test",
}
# Defaults that differ: directive -> reason.
UNCOMPARED_DEFAULTS = {
    "io-threads": "ours is the number of cores, which is what takes effect", "port": "the run's", "dir": "the run's",
    "bind": "the run's",
}
# Refusals, recognized by their text.
OUR_REFUSALS = re.compile(r"not supported( yet)?(;|:|$)", re.M)


class Side:
    """One kind of server: starts with given arguments, ends everything it started."""

    def __init__(self, binary):
        self.binary = binary
        self.process = None
        self.dir = tempfile.mkdtemp(prefix="cloakroom-config-")
        self.env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}

    def refuse(self, arguments, text=""):
        """Starts what must not start; the error block, or the message of a missing file."""
        done = subprocess.run([self.binary, *arguments], input=text.encode("latin-1"), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.dir, env=self.env, timeout=20)
        out = (done.stdout + done.stderr).decode("latin-1")
        at = out.find("*** FATAL")
        if at >= 0:
            return done.returncode, out[at:].rstrip("\n").replace(self.dir, "DIR")
        missing = re.search(r"Fatal error, can't open config file .*", out)
        return done.returncode, missing[0] if missing else out

    def start(self, arguments):
        self.port = free_port()
        arguments = [str(a).replace("PORT", str(self.port)) for a in arguments]
        self.process = subprocess.Popen([self.binary, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd=self.dir, env=self.env)
        if not poll_until(self.answers, 20.0, 0.02):
            raise RuntimeError("%s did not answer" % self.binary)
        self.conn = Connection(self.port)
        self.conn.call("AUTH", cases.PASSWORD)  # an error where none is needed

    def answers(self):
        try:
            conn = Connection(self.port)
            ok = conn.call("PING")[1].startswith((b"PONG", b"NOAUTH"))
            conn.close()
            return ok
        except OSError:
            if self.process.poll() is not None:
                raise RuntimeError("%s ended at start" % self.binary)
            return False

    def config_set(self, *pairs):
        kind, value = self.conn.call("CONFIG", "SET", *[p.encode("latin-1") for p in pairs])
        return kind + value.decode("latin-1")

    def config_get(self, *globs):
        items = [item.decode("latin-1") for item in plain(self.conn.call("CONFIG", "GET", *globs))]
        return dict(zip(items[::2], items[1::2]))

    def stop(self):
        if self.process:
            self.conn.close()
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


class Comparison:
    def __init__(self, report):
        self.report = report
        self.redis = Side(redis_binary())
        self.ours = Side(cloakroom_binary())
        self.sides = (self.redis, self.ours)

    def both(self, function):
        return function(self.redis), function(self.ours)

    def same(self, name, function, allowed=lambda redis, ours: False):
        redis, ours = self.both(function)
        if redis == ours or allowed(redis, ours):
            self.report.passed += 1
        else:
            self.report.fail(name, "Redis: %r\nours:  %r" % (redis, ours))

    def start(self, arguments):
        for side in self.sides:
            side.stop()
            side.start(arguments)

    BASE = ["--port", "PORT", "--bind", "127.0.0.1"]

    def names_and_defaults(self):
        self.start(self.BASE)
        redis, ours = self.both(lambda side: side.config_get("*"))
        missing = sorted(set(redis) - set(ours))
        self.report.check("every name of Redis", not missing, repr(missing))
        for name in sorted(set(redis) & set(ours)):
            if name not in UNCOMPARED_DEFAULTS:
                self.same("default of " + name, lambda side: side.config_get(name))

    def gets(self):
        known = set(self.redis.config_get("*")) | {"watchdog-period"}
        for globs in cases.GETS:
            def shown(side):
                return {k: v for k, v in side.config_get(*globs).items()
                        if k.lower() in known and k.lower() not in UNCOMPARED_DEFAULTS}
            self.same("CONFIG GET %s" % globs, shown)

    def sets(self):
        self.start(self.BASE + ["--enable-protected-configs", "yes"])
        for pairs in cases.SETS:
            self.same("CONFIG SET %s" % pairs, lambda side: side.config_set(*pairs))
            names = [name for name in pairs[::2] if name.lower() not in UNCOMPARED_DEFAULTS]
            if names:
                self.same("values after CONFIG SET %s" % pairs, lambda side: side.config_get(*names))

    def every_set(self):
        """Every directive with values of every kind, put back afterwards."""
        for name, initial in self.redis.config_get("*").items():
            values = [] if name == "bind" else ["zz", "-1", "9223372036854775808"]
            if name not in UNCOMPARED_VALUES:
                values += ["", "0", "1", "9223372036854775807", "YES", "no", "3kb", "1 2", initial]
            for value in values:
                self.same("CONFIG SET %s %r" % (name, value), lambda side: side.config_set(name, value),
                          lambda redis, ours: name in UNCOMPARED_VALUES and OUR_REFUSALS.search(ours))
                if name not in UNCOMPARED_DEFAULTS:
                    self.same("%s after CONFIG SET %r" % (name, value), lambda side: side.config_get(name))
                for side in self.sides:
                    side.config_set(name, initial)

    def refused_lines(self):
        """A file's line, then one that is always wrong: which of the two stops the start, and how."""
        names = sorted(set(self.redis.config_get("*")) | {"watchdog-period", "user", "include", "nonsense"})
        lines = cases.LINES + [("%s %s" % (n, a)).rstrip() for n in names for a in cases.ARGUMENTS]

        def allowed(redis, ours):
            return bool(OUR_REFUSALS.search(ours[1]))

        for line in lines:
            if line in ("include 0", "include zz", "include -1", "include yes", 'include ""', "include 9223372036854775808"):
                continue  # names a file of the working directory
            self.same("line %r" % line, lambda side: side.refuse(["-"], line + "\nnonsense\n"), allowed)

    def refused_arguments(self):
        for arguments in cases.COMMAND_LINES:
            self.same("arguments %s" % arguments, lambda side: side.refuse(arguments, "hz 5\n"))

    def rewrite_whole(self):
        for text in cases.REWRITE_WHOLE:
            for side in self.sides:
                side.stop()
                side.file = os.path.join(side.dir, "w.conf")
                with open(side.file, "w", newline="") as out:
                    out.write(text)
                side.start([side.file, *self.BASE])
                side.shown = {str(side.port): "PORT", side.dir: "DIR"}
            self.same("CONFIG REWRITE of %r" % text, lambda side: side.conn.call("CONFIG", "REWRITE"))
            self.same("the file after %r" % text, self.rewritten)

    def rewritten_by_redis(self):
        """What Redis makes of its file starts Cloakroom, with the same values."""
        for start, pairs in cases.REWRITTEN_BY_REDIS:
            for side in self.sides:
                side.stop()
            file = os.path.join(self.redis.dir, "r.conf")
            with open(file, "w") as out:
                out.write(start)
            self.redis.start([file, "--port", "PORT", "--bind", "127.0.0.1", "--dir", self.ours.dir])
            for pair in pairs:
                self.redis.config_set(*pair)
            self.report.check("CONFIG REWRITE of Redis", self.redis.conn.call("CONFIG", "REWRITE")[0] == "+")
            self.redis.stop()
            self.start([file, "--port", "PORT"])
            known = set(self.redis.config_get("*")) - {"port", "dir", "io-threads"}
            self.same("values of what Redis rewrote %s" % pairs, lambda side: {
                name: value for name, value in side.config_get("*").items() if name in known})

    def rewrite(self):
        for side in self.sides:
            side.stop()
            path = os.path.join(side.dir, "c.conf")
            side.port = free_port()
            with open(path, "w") as out:
                out.write(cases.REWRITE_FILE % side.port)
            fixed = side.port
            side.start([path, "--port", "PORT"])
            side.file = path
            side.shown = {str(side.port): "PORT", str(fixed): "PORT", side.dir: "DIR"}
        for pairs in cases.REWRITE_SETS:
            if pairs:
                self.same("CONFIG SET %s" % pairs, lambda side: side.config_set(*pairs))
            self.same("CONFIG REWRITE", lambda side: side.conn.call("CONFIG", "REWRITE"))
            self.same("the file after %s" % pairs, self.rewritten)
        for side in self.sides:
            os.remove(side.file)
            side.conn.call("CONFIG", "REWRITE")
        self.same("a file written anew", lambda side: sorted(self.rewritten(side)))
        self.start(self.BASE)
        self.same("without a file", lambda side: side.conn.call("CONFIG", "REWRITE"))

    @staticmethod
    def rewritten(side):
        """Lines in order up to the signature; what is appended has no order in Redis."""
        with open(side.file, encoding="latin-1") as file:
            text = file.read()
        for wanted, shown in side.shown.items():
            text = text.replace(wanted, shown)
        # No ACL users yet: Redis writes the default one, Cloakroom its requirepass only.
        lines = [line for line in text.split("\n") if not line.startswith("user default ")]
        at = next(i for i, line in enumerate(lines) if line.startswith("# Generated"))
        return lines[:at + 1] + sorted(line for line in lines[at + 1:] if line)


def main(_argv):
    report = Report()
    comparison = Comparison(report)
    try:
        for part in (comparison.names_and_defaults, comparison.gets, comparison.sets, comparison.every_set,
                     comparison.refused_lines, comparison.refused_arguments, comparison.rewrite_whole,
                     comparison.rewritten_by_redis, comparison.rewrite):
            before = report.passed
            try:
                part()
            except Exception as error:  # a part's failure must not stop the others
                report.fail(part.__name__, "%s: %s" % (type(error).__name__, error))
            report.line("%s: %d comparisons" % (part.__name__, report.passed - before))
    finally:
        for side in comparison.sides:
            side.close()
    report.finish()
