"""Behaviour of a running server as its clients and its service manager see it: CLIENT PAUSE, REPLY, KILL and LIST, MONITOR,
limits, signals, sockets, authentication.

  run server [--quick|--full] [--only TEXT]
Environment: CLOAKROOM_SERVER is the server under test (a redis-server passes too, but for Cloakroom's own).
"""
import argparse

import access_checks
import client_checks
import monitor_checks
import process_checks
from report import Report
from servers import Server, cloakroom_binary

# Two threads, so that clients meet across them.
THREADS = ["--io-threads", "2"]


def main(argv):
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args(argv)
    report = Report()
    binary = cloakroom_binary()
    rounds = 5 if options.full else 1
    for _ in range(rounds):
        for module in (client_checks, monitor_checks, access_checks):
            for name, server_options, check in module.CHECKS:
                if options.only in name:
                    report.run(name, with_server, binary, server_options, check)
        for name, check in process_checks.CHECKS:
            if options.only in name:
                report.run(name, check, binary)
    report.finish()


def with_server(binary, server_options, check):
    with Server(binary, [*THREADS, *server_options]) as server:
        check(server)
        if not server.alive():
            raise AssertionError("the server ended:\n" + server.log())
        expected = 0
        code = server.stop()
        if code != expected:
            raise AssertionError("exit code %r" % code)
