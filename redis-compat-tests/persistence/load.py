"""Clients write while the log is rewritten, turned off and on, synced otherwise; then the server is killed. Each client
knows what it was answered.
"""
import signal
import time

from clients import Client, of_client
from commands import contents, differences
from files import Home
from report import expect, expect_true
from restarts import fill, same, start, written
from running import info, wait_until_rewritten
from servers import poll_until, select_pause


def begin(server, rng, count=3):
    clients = [Client(server, number, rng, int(time.time() * 1000)) for number in range(count)]
    for client in clients:
        client.start()
    return clients


def settle(server, clients):
    """They stop; all that they were answered is written."""
    for client in clients:
        client.stopped.set()
        client.join()
        expect(client.failure, None, "failure")
    with server.connect() as connection:
        expect_true(poll_until(lambda: written(connection), 5), "written")


def all_there(binary, home, clients):
    with start(binary, home, "--io-threads", "2") as server, server.connect() as connection:
        found = contents(connection)
    for client in clients:
        expect_true(client.requests > 20, "only %d requests of a client" % client.requests)
        own = of_client(found, client)
        states = client.expected()
        expect_true(own in states, "client %s\n%s" % (client.name_, differences(states[0], own)))


def rewritten_again_and_again(connection, seconds):
    begun, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        begun += connection.call("BGREWRITEAOF")[0] == "+"
        poll_until(lambda: info(connection)["aof_rewrite_in_progress"] == "0", 20, 0.002)
    return begun


def killed_in_a_rewrite(binary, rng):
    """Everything that was written before is there, whether the rewrite had come to its end or not."""
    with Home() as home:
        for threads in ("4", "1"):
            server = start(binary, home, "--io-threads", threads)
            with server.connect() as connection:
                connection.call("FLUSHALL")
                clients = begin(server, rng)
                expect_true(rewritten_again_and_again(connection, 0.8) > 2, "rewritten several times")
                settle(server, clients)
                connection.call("BGREWRITEAOF")
            select_pause(rng.choice([0, 0.001, 0.005, 0.02]))
            server.stop(signal.SIGKILL)
            all_there(binary, home, clients)


def killed_at_work(binary, rng):
    """`always`: what was answered is there, what was not may be, and of that the whole."""
    for threads in ("1", "4"):
        with Home() as home:
            server = start(binary, home, "--io-threads", threads, "--appendfsync", "always")
            clients = begin(server, rng)
            with server.connect() as connection:
                rewritten_again_and_again(connection, rng.uniform(0.2, 0.6))
                connection.call("BGREWRITEAOF")
            select_pause(rng.uniform(0, 0.05))
            server.stop(signal.SIGKILL)
            for client in clients:
                client.join()
                expect(client.failure, None, "failure")
            all_there(binary, home, clients)


def switched(binary, rng):
    """appendfsync and appendonly change while clients write."""
    with Home() as home:
        server = start(binary, home, "--io-threads", "4")
        clients = begin(server, rng)
        with server.connect() as connection:
            for _ in range(3):
                for value in rng.sample(["always", "everysec", "no", "always", "everysec"], 4):
                    expect(connection.value("CONFIG", "SET", "appendfsync", value), b"OK", "reply")
                    select_pause(0.02)
                expect(connection.value("CONFIG", "SET", "appendonly", "no"), b"OK", "reply")
                expect(connection.value("CONFIG", "SET", "appendonly", "yes"), b"OK", "reply")
                if rng.randrange(2):
                    wait_until_rewritten(connection)
            wait_until_rewritten(connection)
            settle(server, clients)
            expect(info(connection)["aof_last_write_status"], "ok", "status")
        server.stop(signal.SIGKILL)
        all_there(binary, home, clients)


def turned_on_again(binary, rng):
    """Each time the log is turned on, all that is there is written, changed since or not."""
    with Home() as home:
        server = start(binary, home)
        wanted = fill(server, rng, 300)
        with server.connect() as connection:
            for time_of in range(3):
                connection.call("CONFIG", "SET", "appendonly", "no")
                connection.call("SET", "meanwhile", time_of)
                connection.call("CONFIG", "SET", "appendonly", "yes")
                wait_until_rewritten(connection)
            connection.call("DEL", "meanwhile")
            expect_true(poll_until(lambda: written(connection), 5), "written")
        server.stop(signal.SIGKILL)
        same(binary, home, wanted)


def killed_while_turned_on(binary, rng):
    """Until all is in the new log the one of before counts, and never a part of both."""
    with Home() as home:
        server = start(binary, home)
        before = fill(server, rng, 300)
        with server.connect() as connection:
            connection.call("CONFIG", "SET", "appendonly", "no")
            connection.pipeline([["SADD", "large%d" % key, *range(key, 3000)] for key in range(30)])
            after = fill(server, rng, 300)
            expect_true(before != after, "it has changed")
            connection.call("CONFIG", "SET", "appendonly", "yes")
        select_pause(rng.choice([0, 0, 0.001, 0.003, 0.01]))
        server.stop(signal.SIGKILL)
        with start(binary, home) as server, server.connect() as connection:
            found = contents(connection)
        expect_true(found in (before, after), "neither before nor after\n" + differences(after, found))


CHECKS = [
    ("a kill in a rewrite takes nothing that was written", killed_in_a_rewrite),
    ("a kill at work takes nothing that `always` has answered", killed_at_work),
    ("settings of the log change under load", switched),
    ("the log is turned on again and again", turned_on_again),
    ("a kill while the log is turned on leaves the one of before", killed_while_turned_on),
]
