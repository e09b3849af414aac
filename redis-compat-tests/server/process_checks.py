"""The process: signals, sockets, limits, supervision."""
import ctypes
import os
import pathlib
import resource
import signal
import socket
import stat
import subprocess
import tempfile

from report import expect, expect_true
from resp import Connection, Eof, request
from servers import Server, free_port, poll_until

LIBC = ctypes.CDLL(None)  # loaded before any fork
NOTICE = ["--loglevel", "notice", "--io-threads", "2"]


def ended(server, timeout_s=10.0):
    expect_true(poll_until(lambda: not server.alive(), timeout_s), "the server ends")
    return server.process.returncode


def signals(binary):
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server(binary, NOTICE) as server:
            conns = [server.connect() for _ in range(5)]
            for conn in conns:
                conn.value("PING")
            server.process.send_signal(signal.SIGHUP)
            expect(conns[0].value("PING"), b"PONG", "SIGHUP ends nothing")
            server.process.send_signal(number)
            expect(ended(server), 0, "exit code")
            for conn in conns:
                expect_true(conn.at_eof(), "clients are closed")


def moved_log(binary):
    """What logrotate does to the file: the next line goes where its path leads."""
    with tempfile.TemporaryDirectory() as folder:
        log, moved, conf = (pathlib.Path(folder, name) for name in ("log", "log.1", "conf"))
        conf.write_text("# empty\n")

        with Server(binary, ["--logfile", str(log), *NOTICE], file=str(conf)) as server:
            conn = server.connect()

            def says_something():
                expect(conn.value("CONFIG", "REWRITE"), b"OK")

            says_something()
            log.rename(moved)
            size = moved.stat().st_size
            expect_true(b"REWRITE" in moved.read_bytes(), "a line")
            says_something()
            expect(log.read_bytes().count(b"REWRITE"), 1, "lines of the new file")
            expect(moved.stat().st_size, size, "the old one")
            log.unlink()
            log.touch(0o640)  # logrotate's `create`
            says_something()
            expect(log.read_bytes().count(b"REWRITE"), 1, "lines of the file that was put there")
            with open(log, "r+b") as file:
                file.truncate()  # logrotate's `copytruncate`
            says_something()
            expect(log.read_bytes().count(b"REWRITE"), 1, "lines after it was cut")
            expect(log.read_bytes().count(b"\0"), 0, "no hole")
            for _ in range(3 if not server.redis else 0):
                log.unlink()
                server.process.send_signal(signal.SIGHUP)
                expect_true(poll_until(log.exists, 5.0), "SIGHUP opens it at once")
            held = [os.readlink("/proc/%d/fd/%s" % (server.process.pid, fd)) for fd in os.listdir("/proc/%d/fd" % server.process.pid)]
            expect([name for name in held if "deleted" in name], [], "files still held")
            log.unlink()
            os.rename(folder, folder + ".away")
            expect(conn.value("PING"), b"PONG")
            conn.call("CONFIG", "REWRITE")
            expect(conn.value("PING"), b"PONG", "without the folder it goes on")
            os.rename(folder + ".away", folder)


def without_effect(binary):
    """What is accepted and does nothing says so in the log, at run time too."""
    with Server(binary, NOTICE) as server:
        conn = server.connect()
        for pair in (["save", ""], ["appendonly", "no"], ["list-compress-depth", "0"], ["timeout", "0"]):
            expect(conn.value("CONFIG", "SET", *pair), b"OK")
        if not server.redis:
            expect_true("effect" not in server.log(), server.log())
        expect(conn.value("CONFIG", "SET", "list-compress-depth", "1", "timeout", "60"), b"OK")
        if not server.redis:
            expect(server.log().count("Accepted without effect in this version: list-compress-depth\n"), 1, server.log())
        expect(conn.value("CONFIG", "SET", "notify-keyspace-events", "Egx"), b"OK", "which frameworks ask for")


def signal_in_the_middle(binary):
    """What was read is answered, whole."""
    with Server(binary, NOTICE) as server:
        conns = [server.connect() for _ in range(4)]
        for conn in conns:
            conn.send(b"".join(request("SET", "k%d" % i, "v") for i in range(5000)))
        server.process.send_signal(signal.SIGTERM)
        for conn in conns:
            try:
                replies = conn.read(5000, 10.0)
            except Eof as error:
                replies = error.replies
            expect(set(replies) - {b"+OK\r\n"}, set())
            expect(bytes(conn.buf), b"", "no reply is cut")
        expect(ended(server), 0, "exit code")


def signal_while_paused(binary):
    with Server(binary, NOTICE) as server:
        conn, other = server.connect(), server.connect()
        conn.value("CLIENT", "PAUSE", "60000", "WRITE")
        other.send(request("SET", "k", "v"))
        server.process.send_signal(signal.SIGTERM)
        expect(ended(server, 3.0), 0, "a pause does not hold up the end")


def shutdown_command(binary):
    for args in ([], ["NOSAVE"], ["NOW", "FORCE"]):
        with Server(binary, NOTICE) as server:
            conn = server.connect()
            expect(conn.call("SHUTDOWN", "ABORT"), ("-", b"ERR No shutdown in progress."))
            expect(conn.call("SHUTDOWN", "SAVE", "NOSAVE"), ("-", b"ERR syntax error"))
            conn.send(request("SET", "k", "v") + request("SHUTDOWN", *args) + request("PING"))
            if not server.redis:  # which drops the replies before it
                expect(conn.read(1), [b"+OK\r\n"])
            expect_true(conn.at_eof(), "its only reply is the end")
            expect(ended(server), 0, "exit code")


def unix_socket(binary):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        with Server(binary, [*NOTICE, "--unixsocket", path, "--unixsocketperm", "700"]) as server:
            expect(stat.S_IMODE(os.stat(path).st_mode), 0o700)
            conns = [Connection(0, path=path) for _ in range(3)]
            conns[0].value("SET", "k", "v")
            expect(conns[1].value("GET", "k"), b"v")
            info = conns[0].value("CLIENT", "INFO")
            expect_true(b" addr=%s:0 laddr=%s:0 " % (path.encode(), path.encode()) in info and b" flags=U " in info, info.decode())
            watcher = server.connect()
            watcher.value("MONITOR")
            conns[0].value("PING")
            line = watcher.read(1)[0]
            expect_true(line.endswith(b' [0 unix:%s] "PING"\r\n' % path.encode()), repr(line))
            expect(server.connect().value("CLIENT", "KILL", path + ":0"), b"OK", "by its address")
        expect_true(not os.path.exists(path), "the socket goes with the server")


def ipv6(binary):
    with Server(binary, [*NOTICE, "--bind", "127.0.0.1", "-::1"]) as server:
        conn = Connection(server.port, host="::1")
        expect(conn.value("PING"), b"PONG")
        expect_true(b" addr=[::1]:%d laddr=[::1]:%d " % (conn.sock.getsockname()[1], server.port) in conn.value("CLIENT", "INFO"), "addresses")
        expect(server.connect().value("CLIENT", "KILL", "ADDR", "[::1]:%d" % conn.sock.getsockname()[1]), 1)
        expect_true(conn.at_eof(), "killed by its address")


def host_names(binary):
    """Words of `bind` that are no plain address."""
    for words in (["localhost"], ["-localhost"], ["127.1"], ["localhost", "::1"], ["*", "-::*"], ["-*"], ["-192.0.2.7", "127.0.0.1"],
                  ["localhost", "-2001:db8::1"]):
        with Server(binary, [*NOTICE, "--bind", *words]) as server:
            expect(server.connect().value("PING"), b"PONG", repr(words))
            expect(server.connect().value("CONFIG", "GET", "bind"), [b"bind", " ".join(words).encode()], "as it was given")
    for words, reason in ((["no-such-host.invalid"], "Could not create server TCP listening socket no-such-host.invalid:"),
                          (["-no-such-host.invalid"], "Could not create server TCP listening socket no-such-host.invalid:"),
                          (["192.0.2.7"], "Failed listening on port"), (["127.0.0.1", "127.0.0.1"], "ddress already in use"),
                          (["localhost", "127.0.0.1"], "ddress already in use"), (["[::1]"], "Failed listening on port"),
                          (["-192.0.2.7"], "Configured to not listen anywhere, exiting."), ([""], "Configured to not listen anywhere")):
        with Server(binary, ["--bind", *words], wait=False) as server:
            expect(ended(server), 1, repr(words))
            expect_true(reason in server.log(), "%r: %s" % (words, server.log()))


def reached(port, host="127.0.0.1"):
    try:
        return Connection(port, host=host).value("PING") == b"PONG"
    except ConnectionRefusedError:
        return False


def moves_while_it_runs(binary):
    """CONFIG SET of port and bind, from clients of both threads."""
    with Server(binary, NOTICE) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used = taken.getsockname()[1]
        conns = [server.connect() for _ in range(4)]
        port = server.port
        for conn in conns:
            before, port = port, free_port()
            expect(conn.value("CONFIG", "SET", "port", port), b"OK")
            expect((reached(before), reached(port)), (False, True), "where it was, and is")
            expect(conn.call("CONFIG", "SET", "maxmemory", "77mb", "port", used),
                   ("-", b"ERR CONFIG SET failed (possibly related to argument 'port') - "
                         b"Unable to listen on this port. Check server logs."))
            expect(sorted(conn.value("CONFIG", "GET", "maxmemory", "port")), sorted([b"maxmemory", b"0", b"port", b"%d" % port]), "as before")
            expect(conn.call("CONFIG", "SET", "bind", "999.999.999.999"),
                   ("-", b"ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."))
            expect_true(reached(port), "it goes on where it was")
            for words, ours in (("127.0.0.1 -::1", True), ("*", False), ("-::1", True), ("127.0.0.1", False)):
                expect(conn.value("CONFIG", "SET", "bind", words), b"OK", words)
                expect((reached(port), reached(port, "::1")), (words != "-::1", ours), words)
            for pair, back in ((("bind", ""), ("bind", "127.0.0.1")), (("port", "0"), ("port", port))):
                expect(conn.value("CONFIG", "SET", *pair), b"OK")
                expect(reached(port), False, "closed to all")
                expect(conn.value("CONFIG", "SET", *back), b"OK")
                expect(reached(port), True, "and open again")
        expect(conns[0].value("CONFIG", "SET", "port", server.port), b"OK")
        expect([conn.value("PING") for conn in conns], [b"PONG"] * 4, "who was connected stays")


def title(binary):
    """What ps shows; what the command line held is not shown."""
    def shown(server):
        return pathlib.Path("/proc/%d/cmdline" % server.process.pid).read_bytes().decode()

    with Server(binary, [*NOTICE, "--requirepass", "hidden-word"]) as server:
        conn = server.connect()
        conn.value("AUTH", "hidden-word")
        expect(shown(server).partition("\0")[0], "%s *:%d" % (binary, server.port))
        expect_true("hidden-word" not in shown(server), "all of it is written over")
        expect(conn.value("CONFIG", "SET", "proc-title-template", " {port} {tls-port} x{unixsocket}x{server-mode} "), b"OK")
        expect(shown(server).partition("\0")[0], "%d 0 xx" % server.port)
    with Server(binary, [*NOTICE, "--set-proc-title", "no", "--requirepass", "seen-word"]) as server:
        expect_true("seen-word" in shown(server), shown(server))


def called_off(binary):
    """A signal's shutdown, while DEBUG holds it up."""
    with Server(binary, [*NOTICE, "--enable-debug-command", "yes"]) as server:
        conn = server.connect()
        for _ in range(2):
            expect(conn.value("DEBUG", "PAUSE-CRON", "1"), b"OK")
            server.process.send_signal(signal.SIGTERM)
            expect_true(poll_until(lambda: conn.call("SHUTDOWN", "ABORT")[0] == "+", 10.0), "called off")
            expect(conn.value("DEBUG", "PAUSE-CRON", "0"), b"OK")
            expect(conn.call("SHUTDOWN", "ABORT"), ("-", b"ERR No shutdown in progress."))
        expect_true("Shutdown manually aborted" in server.log(), server.log())
        conn.value("DEBUG", "PAUSE-CRON", "1")
        server.process.send_signal(signal.SIGTERM)
        expect_true(poll_until(lambda: "scheduling shutdown" in server.log()[-200:], 10.0), "it knows")
        conn.value("DEBUG", "PAUSE-CRON", "0")
        expect(ended(server), 0, "exit code")


def own_address():
    """An address of this machine that is no loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def protected_mode(binary):
    address = own_address()
    if address is None:
        print("     (no address beside loopback: only the setting is checked)")
    with Server(binary, [*NOTICE, "--bind", "*"]) as server:
        local = server.connect()
        expect(local.value("CONFIG", "GET", "protected-mode"), [b"protected-mode", b"yes"])
        if address is None:
            return
        conn = Connection(server.port, host=address)
        text = conn.read(1)[0]
        expect_true(text.startswith(b"-DENIED "), repr(text[:60]))
        expect_true(b"protected mode" in text and text.count(b"\r\n") == 1, "an error that explains: %r" % text)
        expect_true(conn.at_eof(), "and closes")
        local.value("CONFIG", "SET", "protected-mode", "no")
        expect(Connection(server.port, host=address).value("PING"), b"PONG")
        local.value("CONFIG", "SET", "protected-mode", "yes")
        local.value("CONFIG", "SET", "requirepass", "x")
        expect(Connection(server.port, host=address).call("PING")[0], "-", "with a password it is open, but asks")


def port_taken(binary):
    with Server(binary, NOTICE) as server:
        second = subprocess.run([binary, "--port", str(server.port), "--save", ""], capture_output=True, timeout=20)
        expect(second.returncode, 1)
        expect_true(b"ddress already in use" in second.stdout, second.stdout.decode())


def alive(pid):
    try:
        state = pathlib.Path("/proc/%d/stat" % pid).read_text()
    except FileNotFoundError:
        return False
    return state.rsplit(")", 1)[1].split()[0] != "Z"


def in_background(binary):
    with tempfile.TemporaryDirectory() as folder:
        pid_file = pathlib.Path(folder, "pid")
        port = free_port()
        done = subprocess.run([binary, "--port", str(port), "--save", "", "--daemonize", "yes", "--pidfile", str(pid_file), "--dir", folder,
                               "--logfile", os.path.join(folder, "log")], capture_output=True, timeout=20)
        expect(done.returncode, 0)
        expect_true(poll_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), 10.0), "a pid file")
        pid = int(pid_file.read_text())
        try:
            def answers():
                try:
                    return Connection(port).value("PING") == b"PONG"
                except OSError:
                    return False

            expect_true(poll_until(answers, 10.0), "it answers")
            expect(os.path.realpath("/proc/%d/cwd" % pid), os.path.realpath(folder), "in its directory")
            expect(os.readlink("/proc/%d/fd/0" % pid), "/dev/null")
            expect(os.getsid(pid), pid, "a session of its own")
        finally:
            os.kill(pid, signal.SIGTERM)
        expect_true(poll_until(lambda: not alive(pid), 10.0), "it ends")
        expect_true(not pid_file.exists(), "the pid file goes with it")
        expect_true(b"PID: %d" % pid in pathlib.Path(folder, "log").read_bytes() or "redis" in binary, "the log names it")


def cannot_raise_limits():
    """Gives up the right to lift a hard limit: what root's next program starts without, whatever user owns its file."""
    cap_sys_resource, pr_capbset_drop = 24, 24
    LIBC.prctl(pr_capbset_drop, cap_sys_resource, 0, 0, 0)


def open_files(binary):
    def start(soft, hard, maxclients):
        def prepare():
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            cannot_raise_limits()

        port = free_port()
        process = subprocess.Popen([binary, "--port", str(port), "--save", "", "--maxclients", str(maxclients), "--io-threads", "2"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=prepare, cwd="/")
        return process, port

    def asked(process, port):
        try:
            def answer():
                try:
                    return Connection(port).value("CONFIG", "GET", "maxclients")
                except OSError:
                    return None

            found = []
            expect_true(poll_until(lambda: found.append(answer()) or found[-1] is not None, 10.0), "it answers")
            with open("/proc/%d/limits" % process.pid) as limits:
                files = [line.split()[3] for line in limits if line.startswith("Max open files")]
            return int(found[-1][1]), int(files[0])
        finally:
            process.terminate()
            text = process.communicate(timeout=20)[0].decode()
            asked.text = text

    clients, files = asked(*start(200, 4096, 500))
    expect((clients, files), (500, 532), "raised")
    expect_true("Increased maximum number of open files to 532 (it was originally set to 200)." in asked.text, asked.text)
    clients, files = asked(*start(200, 240, 500))
    expect((clients, files), (196, 228), "as far as it goes")
    expect_true("Current maximum open files is 228. maxclients has been reduced to 196 to compensate for low ulimit." in asked.text,
                asked.text)


def every_thread_has_files(binary):
    """However many threads: maxclients clients are served, and one more is told."""
    def prepare():
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
        cannot_raise_limits()

    for threads in (1, 16):
        with Server(binary, ["--io-threads", threads, "--maxclients", "1000"], prepare=prepare) as server:
            conns = [server.connect()]
            most = int(conns[0].value("CONFIG", "GET", "maxclients")[1])
            expect_true(150 < most < 300, "maxclients as far as it goes: %d" % most)
            for _ in range(most - 1):
                conns.append(server.connect(timeout_s=5.0))
                expect(conns[-1].value("PING"), b"PONG", "client %d of %d" % (len(conns), most))
            expect(server.connect(timeout_s=5.0).read(1), [b"-ERR max number of clients reached\r\n"])
            expect(conns[0].value("PING"), b"PONG")


def no_file_is_left(binary):
    """Other files of the process may use up what the clients were promised: nobody waits for an answer."""
    with Server(binary, ["--io-threads", "2"]) as server:
        if server.redis:
            return  # whose clients hang
        conns = [server.connect()]
        expect(conns[0].value("PING"), b"PONG")
        files = len(os.listdir("/proc/%d/fd" % server.process.pid)) + 5
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (files, limits[1]))
        answers = []
        for _ in range(20):
            conns.append(server.connect(timeout_s=5.0))
            conns[-1].send(request("PING"))
            answers += conns[-1].read(1)
        expect(set(answers), {b"+PONG\r\n", b"-ERR max number of clients reached\r\n"})
        expect(answers, sorted(answers), "first come, first served")
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
        expect(server.connect().value("PING"), b"PONG", "with files again")


def systemd(binary):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(10.0)
            # The manager's address is made known to the server only.
            options = ["--supervised", "systemd", "--daemonize", "yes"]
            with Server(binary, options, wait=False, env={**os.environ, "NOTIFY_SOCKET": path}) as server:
                told = b""
                while b"READY=1" not in told:
                    told += manager.recv(4096)
                expect(server.connect().value("PING"), b"PONG", "ready means serving")
                expect_true(server.alive(), "it stays in the foreground")


def crash_report(binary):
    """By a signal from outside and by one of its own: the log says where, and nothing of what is stored."""
    for crash, number in (("abort", signal.SIGABRT), ("segfault", signal.SIGSEGV)):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "log")
            options = ["--logfile", str(log), "--enable-debug-command", "yes", *NOTICE]
            with Server(binary, options, prepare=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))) as server:
                conn = server.connect()
                conn.value("SET", "secret-key", "secret-value")
                if crash == "abort":
                    server.process.send_signal(signal.SIGABRT)
                else:
                    conn.send(request("DEBUG", "SEGFAULT"))
                expect(ended(server), -number, "the signal it ends by")
                text = log.read_text(errors="replace")
                for part in ("crashed by signal: %d" % number, "STACK TRACE", "REGISTERS", "connected_clients:1"):
                    expect_true(part in text, "%s in the report" % part)
                expect_true("secret" not in text, "nothing stored is in the report")


CHECKS = [
    ("SIGTERM and SIGINT", signals),
    ("a log file moved away", moved_log),
    ("directives without effect", without_effect),
    ("SIGTERM in the middle of pipelines", signal_in_the_middle),
    ("SIGTERM while paused", signal_while_paused),
    ("SHUTDOWN", shutdown_command),
    ("SHUTDOWN ABORT", called_off),
    ("unix socket", unix_socket),
    ("IPv6", ipv6),
    ("host names in bind", host_names),
    ("CONFIG SET port and bind", moves_while_it_runs),
    ("title", title),
    ("protected mode", protected_mode),
    ("port taken", port_taken),
    ("daemonize and pidfile", in_background),
    ("limit of open files", open_files),
    ("files for every thread", every_thread_has_files),
    ("no file is left", no_file_is_left),
    ("report of a crash", crash_report),
    ("supervised by systemd", systemd),
]
