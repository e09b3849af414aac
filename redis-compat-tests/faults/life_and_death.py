"""Starting and ending: signals under load, SHUTDOWN, a port in use, wrong configuration, unix socket, IPv6."""
import os
import signal
import socket
import subprocess
import tempfile
import threading

from report import expect, expect_true
from resp import Connection, Eof, Timeout, request
from servers import Server, cloakroom_binary, free_port, poll_until


class Load(threading.Thread):
    """Pipelines INCR until the connection ends; every reply must be whole and in order."""

    def __init__(self, server, key):
        super().__init__(daemon=True)
        self.conn = server.connect()
        self.key = key
        self.answered = 0
        self.error = None

    def run(self):
        payload = request("INCR", self.key) * 20
        try:
            while True:
                self.conn.send(payload)
                for raw in self.conn.read(20):
                    self.answered += 1
                    if raw != b":%d\r\n" % self.answered:
                        raise AssertionError("reply %r instead of %d" % (raw, self.answered))
        except (Eof, ConnectionResetError, BrokenPipeError):
            pass
        except (AssertionError, Timeout) as error:
            self.error = error


def _end_under_load(how):
    server = Server(cloakroom_binary())
    loads = [Load(server, "counter%d" % n) for n in range(4)]
    for load in loads:
        load.start()
    expect_true(poll_until(lambda: all(load.answered > 500 for load in loads), 10.0), "load runs")
    code = server.stop(how)
    for load in loads:
        load.join(10)
        expect_true(not load.is_alive(), "a client hangs")
        if load.error:
            raise load.error
    expect(code, 0, "exit code")


def sigterm_under_load():
    _end_under_load(signal.SIGTERM)


def sigint_under_load():
    _end_under_load(signal.SIGINT)


def shutdown_under_load():
    server = Server(cloakroom_binary())
    load = Load(server, "counter")
    load.start()
    expect_true(poll_until(lambda: load.answered > 200, 10.0), "load runs")
    server.connect().send(request("SHUTDOWN", "NOSAVE"))
    expect_true(poll_until(lambda: not server.alive(), 10.0), "ends")
    expect(server.process.returncode, 0, "exit code")
    server.stop()


def killed_server():
    """SIGKILL: the next one starts at the same port at once."""
    server = Server(cloakroom_binary())
    conns = [server.connect() for _ in range(20)]
    for conn in conns:
        conn.call("PING")
    port = server.port
    server.stop(signal.SIGKILL)
    for conn in conns:
        expect_true(conn.at_eof(), "clients see the end")
        conn.close()
    with Server(cloakroom_binary(), port=port) as again:
        expect(again.connect().value("PING"), b"PONG", "PING after restart")


def port_in_use():
    with Server(cloakroom_binary()) as first:
        second = Server(cloakroom_binary(), wait=False, port=first.port)
        code = second.process.wait(10)
        log = second.log()
        second.stop()
        expect_true(code not in (0, None) and code > 0, "exit code %r" % code)
        expect_true("ddress already in use" in log or "in use" in log, log[-300:])
        expect(first.connect().value("PING"), b"PONG", "the first goes on")


def _start_fails(*arguments, text):
    done = subprocess.run([cloakroom_binary(), *arguments], capture_output=True, timeout=20, text=True)
    expect_true(done.returncode != 0, "started with %r" % (arguments,))
    out = done.stdout + done.stderr
    expect_true(text.lower() in out.lower(), "%r is not in: %s" % (text, out[-400:]))


def wrong_configuration():
    _start_fails("--no-such-directive", "1", text="Bad directive or wrong number of arguments")
    _start_fails("--maxmemory", "lots", text="argument must be a memory value")
    _start_fails("/no/such/file.conf", text="no/such/file.conf")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("port 1234\n\n# comment\nno-such-thing yes\n")
        file.flush()
        _start_fails(file.name, text="at line 4")


def configuration_file():
    with tempfile.TemporaryDirectory() as work:
        port = free_port()
        main, part = os.path.join(work, "main.conf"), os.path.join(work, "part.conf")
        with open(part, "w") as file:
            file.write("maxmemory 10mb\nrequirepass \"two words\"\n")
        with open(main, "w") as file:
            file.write("# a comment\n\nport 1\nbind 127.0.0.1 -::1\ninclude %s\ntimeout 0\nsave \"\"\ntcp-keepalive 300\n" % part)
        process = subprocess.Popen([cloakroom_binary(), main, "--port", str(port), "--timeout", "77"], cwd=work,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            expect_true(poll_until(lambda: _connects(port), 10.0), "starts")
            conn = Connection(port)
            expect(conn.value("AUTH", "two words"), b"OK", "requirepass of the included file")
            got = conn.value("CONFIG", "GET", "maxmemory")
            expect(got, [b"maxmemory", b"10485760"], "maxmemory")
            expect(conn.value("CONFIG", "GET", "timeout"), [b"timeout", b"77"], "flags win over the file")
            conn.close()
        finally:
            process.terminate()
            expect(process.wait(15), 0, "exit code")


def _connects(port):
    try:
        Connection(port).close()
        return True
    except OSError:
        return False


def unix_socket():
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "s.sock")
        with Server(cloakroom_binary(), ["--unixsocket", path, "--unixsocketperm", "700"]) as server:
            conn = server.connect(path=path)
            expect(conn.value("SET", "over", "unix"), b"OK", "SET")
            expect(server.connect().value("GET", "over"), b"unix", "GET over TCP")
            expect(os.stat(path).st_mode & 0o777, 0o700, "permissions")
            conn.close()


def ipv6():
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        return
    port = free_port("::1")
    with Server(cloakroom_binary(), ["--bind", "127.0.0.1", "::1"], port=port):
        expect(Connection(port, host="::1").value("PING"), b"PONG", "PING over IPv6")


TESTS = [sigterm_under_load, sigint_under_load, shutdown_under_load, killed_server, port_in_use, wrong_configuration,
         configuration_file, unix_socket, ipv6]


def run_all(report, _full):
    for test in TESTS:
        report.run("life and death: " + test.__name__.replace("_", " "), test)
