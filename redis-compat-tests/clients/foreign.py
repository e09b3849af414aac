"""Client libraries of other languages: Node's by `npm ci`, PHP's from Debian. Each prints `ok ...` or `FAIL ...`."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from servers_of_tests import environment, start

HERE = pathlib.Path(__file__).resolve().parent
NODE_NAMES = ["node-redis 4.7.1, node-redis 5.12.1, ioredis 5.11.1: session flow",
              "express-session + connect-redis over node-redis 4 and 5",
              "node-redis 4.7.1, node-redis 5.12.1, ioredis 5.11.1: subscribers"]


def _count(report, done, name):
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok ", "FAIL "))]
    for line in lines:
        if line.startswith("ok "):
            report.ok(line[3:])
        else:
            report.fail(line[5:])
    if done.returncode or not lines:
        report.fail(name, "exit code %s\n%s" % (done.returncode, (done.stdout + done.stderr)[-1500:]))


def _run(report, command, name, cwd, env):
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, errors="replace")
    except subprocess.TimeoutExpired as error:
        report.fail(name, "no end within %d s: %s" % (error.timeout, (error.stdout or b"")[-500:]))
        return
    _count(report, done, name)


def _install(work):
    """A copy of the Node tests with their packages, outside the tree. Returns what went wrong, or None."""
    for path in (HERE / "node").iterdir():
        if path.is_file():
            shutil.copy(path, work)
    try:
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=work, capture_output=True,
                              text=True, timeout=240, errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        return "npm ci: %s" % type(error).__name__
    return None if done.returncode == 0 else "npm ci ended with %d: packages not reachable?" % done.returncode


def run_node(report):
    with tempfile.TemporaryDirectory(prefix="cloakroom-node-") as work:
        wrong = _install(work)
        if wrong:
            for name in NODE_NAMES:
                report.fail(name, wrong)
            return
        for script, name in zip(("flow.js", "web.js", "subscribers.js"), NODE_NAMES):
            with start() as server:
                _run(report, ["node", script], name, work, environment(server))


def run_php(report):
    php = shutil.which("php") or shutil.which("php-cgi")
    if not php:
        report.fail("phpredis session handler", "php is not installed (Debian packages php-cli, php-redis)")
        return
    for prefix in ("PHPREDIS_SESSION:", "session:"):
        with start() as server, tempfile.TemporaryDirectory() as work:
            path = "tcp://127.0.0.1:%d?prefix=%s" % (server.port, prefix)
            options = {"session.save_handler": "redis", "session.save_path": '"%s"' % path, "session.use_cookies": "0",
                       "session.use_only_cookies": "0", "session.cache_limiter": "", "redis.session.locking_enabled": "0",
                       "session.gc_maxlifetime": "1440", "display_errors": "stderr"}
            command = [php, *[part for key, value in options.items() for part in ("-d", "%s=%s" % (key, value))]]
            env = environment(server, PREFIX=prefix)
            _run(report, [*command, str(HERE / "php" / "handler.php")], "phpredis session handler, prefix " + prefix, work, env)


def run_all(report):
    run_php(report)
    if os.environ.get("CLOAKROOM_SKIP_NODE") == "yes":
        report.line("Node clients left out by CLOAKROOM_SKIP_NODE")
        return
    run_node(report)
