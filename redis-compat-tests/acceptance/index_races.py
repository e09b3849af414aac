"""Many clients at once: no reader ever sees an id in a set without its session, and nothing is lost."""
import random
import threading
import time

import redis

from report import expect, expect_true
from servers import Server, cloakroom_binary, poll_until

USERS = 8


class Worker(threading.Thread):
    def __init__(self, server, number, until):
        super().__init__(daemon=True)
        self.client = redis.Redis(port=server.port, decode_responses=True)
        self.rng = random.Random(number)
        self.number = number
        self.until = until
        self.error = None
        self.rounds = 0

    def run(self):
        try:
            while time.monotonic() < self.until and self.error is None:
                self.step()
                self.rounds += 1
        except Exception as error:  # reported by the test
            self.error = error


class Writer(Worker):
    def step(self):
        session_id = "w%d-%d" % (self.number, self.rounds % 50)
        user = "user_sessions:%d" % self.rng.randrange(USERS)
        pipe = self.client.pipeline(transaction=True)
        pipe.set("session:" + session_id, "{}", px=self.rng.choice((5, 20, 100000)))
        pipe.sadd(user, session_id)
        pipe.execute()
        way = self.rng.randrange(5)
        if way == 0:
            self.client.delete("session:" + session_id)
        elif way == 1:
            self.client.getdel("session:" + session_id)
        elif way == 2:
            self.client.pexpire("session:" + session_id, -1)


class Reader(Worker):
    """Looks at a set and its sessions within one transaction."""

    def step(self):
        user = "user_sessions:%d" % self.rng.randrange(USERS)
        ids = list(self.client.smembers(user))[:40]
        pipe = self.client.pipeline(transaction=True)
        for session_id in ids:
            pipe.sismember(user, session_id)
            pipe.exists("session:" + session_id)
        replies = pipe.execute()
        for at, session_id in enumerate(ids):
            member, exists = replies[at * 2:at * 2 + 2]
            if member and not exists:
                raise AssertionError("%s is in %s without its session" % (session_id, user))


def race(server, seconds):
    until = time.monotonic() + seconds
    workers = [Writer(server, n, until) for n in range(3)] + [Reader(server, 10 + n, until) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(seconds + 30)
        expect_true(not worker.is_alive(), "a client hangs")
        if worker.error:
            raise worker.error
    client = redis.Redis(port=server.port, decode_responses=True)
    client.ping()
    live = {key[8:] for key in client.keys("session:*")}
    for number in range(USERS):
        stale = {i for i in client.smembers("user_sessions:%d" % number) if not client.exists("session:" + i)}
        expect(stale - live, set(), "stale at the end")
    for key in list(client.scan_iter("session:*")):
        client.delete(key)
    expect_true(poll_until(lambda: not client.keys("user_sessions:*"), 5.0), "all sets empty themselves")


def run_all(report, full):
    with Server(cloakroom_binary(), ["--session-index", "yes", "--io-threads", "2"]) as server:
        report.run("index: races of writers and readers", race, server, 15.0 if full else 3.0)
