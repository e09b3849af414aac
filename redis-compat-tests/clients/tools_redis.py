"""redis-cli in its modes and redis-benchmark."""
import re
import shutil
import subprocess

from report import expect, expect_true
from resp import request
from servers_of_tests import start

LIMIT_S = 60


def cli(server, *args, stdin=None):
    done = subprocess.run(["redis-cli", "-p", str(server.port), *args], input=stdin, capture_output=True, timeout=LIMIT_S)
    return done.stdout.decode("utf-8", "replace").strip()


def simple(server):
    expect(cli(server, "PING"), "PONG", "PING")
    expect(cli(server, "SET", "session:c1", "{}", "EX", "100"), "OK", "SET")
    expect(cli(server, "GET", "session:c1"), "{}", "GET")
    expect(cli(server, "-n", "3", "GET", "session:c1"), "", "-n 3")
    expect(cli(server, "--raw", "incr", "ping"), "1", "--raw incr")
    expect_true(cli(server, "nosuch").startswith("ERR unknown command"), "error text")
    expect(cli(server, "-x", "SET", "from-stdin", stdin=b"text"), "OK", "-x")
    expect(cli(server, "-r", "3", "INCR", "n"), "1\n2\n3", "-r")


def resp3(server):
    cli(server, "HSET", "h3", "field", "value")
    expect(cli(server, "-3", "--no-raw", "HGETALL", "h3"), '1# "field" => "value"', "-3")
    expect(cli(server, "--json", "HGETALL", "h3"), '{"field":"value"}', "--json")
    expect(cli(server, "--csv", "HGETALL", "h3"), '"field","value"', "--csv")


def interactive(server):
    out = cli(server, stdin=b"SET a 1\nINCR a\nSELECT 2\nGET a\nINFO server\nquit\n")
    expect_true(out.startswith("OK\n2\nOK\n"), out[:100])
    expect_true("redis_version:7.0.15" in out, "INFO")


def pipe_and_scan(server):
    data = b"".join(request("SET", "many:%d" % i, "x" * i) for i in range(250))
    out = cli(server, "--pipe", stdin=data)
    expect_true("errors: 0, replies: 250" in out, "--pipe: " + out)
    found = cli(server, "--scan", "--pattern", "many:*").split()
    expect(sorted(found), sorted("many:%d" % i for i in range(250)), "--scan")


def pipe_errors(server):
    data = request("SET", "p", "1") + request("nosuch") + request("HSET", "p", "f", "v") + b"SET inline yes\r\n"
    out = cli(server, "--pipe", stdin=data)
    expect_true("errors: 2, replies: 4" in out, out)


def big_and_mem_keys(server):
    cli(server, "SADD", "bigset", *[str(i) for i in range(50)])
    cli(server, "HSET", "bighash", "a", "1", "b", "2")
    out = cli(server, "--bigkeys")
    expect_true("""Biggest string found '"many:249"' has 249 bytes""" in out, out[-600:])
    expect_true("""Biggest    set found '"bigset"' has 50 members""" in out, out[-600:])
    out = cli(server, "--memkeys")
    expect_true("Biggest string found" in out and "bytes" in out, out[-400:])
    cli(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    out = cli(server, "--hotkeys")
    expect_true("summary" in out, out[-300:])
    cli(server, "CONFIG", "SET", "maxmemory-policy", "noeviction")


def stat(server):
    process = subprocess.Popen(["redis-cli", "-p", str(server.port), "--stat", "-i", "0.05"], stdout=subprocess.PIPE)
    lines = [process.stdout.readline().decode() for _ in range(4)]
    process.terminate()
    process.wait(10)
    process.stdout.close()
    expect_true(re.match(r"-+ data -+", lines[0]) and re.match(r"\d+ +[\d.]+[BKMG] +\d+ +\d+ +\d+", lines[2]), repr(lines))


def latency(server):
    out = cli(server, "--latency")
    expect_true(re.match(r"^\d+ \d+ [\d.]+ \d+$", out), repr(out))


def monitor(server):
    process = subprocess.Popen(["redis-cli", "-p", str(server.port), "MONITOR"], stdout=subprocess.PIPE)
    expect(process.stdout.readline(), b"OK\n", "MONITOR")
    cli(server, "SET", "seen", "by monitor")
    line = process.stdout.readline().decode()
    process.terminate()
    process.wait(10)
    process.stdout.close()
    expect_true(re.match(r'^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "seen" "by monitor"$', line.strip()), repr(line))


def benchmark(server):
    done = subprocess.run(["redis-benchmark", "-p", str(server.port), "-t", "ping,set,get,incr,sadd,hset,spop,mset", "-q", "-n", "4000"],
                          capture_output=True, timeout=LIMIT_S)
    out = done.stdout.decode().replace("\r", "\n")
    expect(done.returncode, 0, "exit code")
    for name in ("PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "SADD", "HSET", "SPOP", "MSET"):
        expect_true(re.search(name + r"[^\n]*: [\d.]+ requests per second", out), "no result for %s:\n%s" % (name, out[-800:]))
    expect_true("WARNING" not in done.stderr.decode(), done.stderr.decode()[:300])


def benchmark_pipelined(server):
    done = subprocess.run(["redis-benchmark", "-p", str(server.port), "-t", "set,get", "-q", "-n", "20000", "-P", "16", "-r", "10000"],
                          capture_output=True, timeout=LIMIT_S)
    expect_true(b"GET: " in done.stdout and done.returncode == 0, done.stdout[-300:])


def password(_):
    with start("--requirepass", "secret") as server:
        expect_true(cli(server, "PING").startswith("NOAUTH"), "NOAUTH")
        expect(cli(server, "--no-auth-warning", "-a", "secret", "PING"), "PONG", "-a")
        expect(cli(server, "--no-auth-warning", "-u", "redis://default:secret@127.0.0.1:%d/1" % server.port, "PING"), "PONG", "-u")


TESTS = [simple, resp3, interactive, pipe_and_scan, pipe_errors, big_and_mem_keys, stat, latency, monitor, benchmark, benchmark_pipelined,
         password]


def run_all(report):
    if not shutil.which("redis-cli"):
        report.fail("redis-cli", "not installed (Debian package redis-tools)")
        return
    with start() as server:
        for test in TESTS:
            report.run("redis-cli and redis-benchmark: " + test.__name__.replace("_", " "), test, server)
