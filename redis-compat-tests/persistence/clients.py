"""Clients that write to keys of their own and know what these must hold."""
import threading

from commands import LONG_MS
from resp import Eof

NOT_THERE = b"-ERR no such key"


class Client(threading.Thread):
    """Writes until it is stopped or the server is gone; `model` is what was answered, `pending` what was only sent."""

    def __init__(self, server, number, rng, now_ms, members=2000):
        super().__init__(daemon=True)
        self.connection = server.connect()
        self.db, self.name_, self.rng, self.now_ms = number % 4, "c%d:" % number, rng, now_ms
        self.stopped = threading.Event()
        self.model, self.pending, self.failure, self.requests, self.count = {}, [], None, 0, 0
        self.connection.call("SELECT", self.db)
        for i in range(3):
            self.send([self.add("t%d" % i, ["m%d" % j for j in range(members)])])

    def run(self):
        try:
            while not self.stopped.is_set() and self.failure is None:
                self.send([self.step() for _ in range(self.rng.choice([1, 1, 1, 2, 4]))])
        except (Eof, OSError):  # the server was killed
            pass
        self.connection.close()

    def send(self, steps):
        """One command, or a transaction of several."""
        self.pending = steps
        commands = [command for command, _ in steps]
        replies = self.connection.pipeline(commands if len(steps) == 1 else [["MULTI"], *commands, ["EXEC"]])
        wrong = [reply for reply in replies if reply.startswith(b"-") and not reply.startswith(NOT_THERE)]
        if wrong:
            self.failure = "%.200r was answered to %.200r" % (wrong[0], commands)
            return
        apply(self.model, steps)
        self.pending = []
        self.requests += 1

    def step(self):
        """A command, and what it does to a model."""
        number = self.rng.randrange(5)
        self.count += 1
        value = b"%d" % self.count
        at = self.now_ms + self.rng.choice(LONG_MS)
        string, other = self.name_ + "s%d" % number, self.name_ + "s%d" % self.rng.randrange(5)
        fields, any_key = self.name_ + "h%d" % number, self.name_ + self.rng.choice("sht") + "%d" % number
        return self.rng.choice([
            lambda: (["SET", string, value], lambda model: model.update({string: [b"string", value, -1]})),
            lambda: (["SET", string, value, "PXAT", at], lambda model: model.update({string: [b"string", value, at]})),
            lambda: (["APPEND", string, value], lambda model: append(model, string, value)),
            lambda: (["RENAME", string, other], lambda model: rename(model, string, other)),
            lambda: (["HSET", fields, "f%d" % number, value, "last", value],
                     lambda model: entry(model, fields, b"hash", {}).update({b"f%d" % number: value, b"last": value})),
            lambda: (["HDEL", fields, "last"], lambda model: remove(model, fields, lambda hash: hash.pop(b"last", 0))),
            lambda: self.add("t%d" % number, ["m%s" % value.decode(), "m1"]),
            lambda: self.drop("t%d" % number, ["m%d" % self.rng.randrange(2000), "m1"]),
            lambda: (["PEXPIREAT", any_key, at], lambda model: deadline(model, any_key, at)),
            lambda: (["PERSIST", any_key], lambda model: deadline(model, any_key, -1)),
            lambda: (["DEL", string, fields], lambda model: [model.pop(key, None) for key in (string, fields)]),
        ])()

    def add(self, key, members):
        return (["SADD", self.name_ + key, *members],
                lambda model: entry(model, self.name_ + key, b"set", set()).update(m.encode() for m in members))

    def drop(self, key, members):
        return (["SREM", self.name_ + key, *members],
                lambda model: remove(model, self.name_ + key,
                                     lambda found: found.difference_update(m.encode() for m in members)))

    def expected(self):
        """What a server may hold of it: all that was answered, and what was sent last or not."""
        states = [shown(self.model, self.db)]
        if self.pending:
            apply(self.model, self.pending)
            states.append(shown(self.model, self.db))
        return states


def apply(model, steps):
    for _, effect in steps:
        effect(model)


def entry(model, key, kind, empty):
    return model.setdefault(key, [kind, empty, -1])[1]


def append(model, key, value):
    entry(model, key, b"string", b"")
    model[key][1] += value


def remove(model, key, action):
    if key in model:
        action(model[key][1])
        if not model[key][1]:
            del model[key]


def rename(model, key, other):
    if key in model:
        model[other] = model.pop(key)


def deadline(model, key, at):
    if key in model:
        model[key][2] = at


def shown(model, db):
    """As commands.contents() shows it."""
    forms = {b"set": sorted, b"hash": dict, b"string": bytes}
    return {(db, key.encode()): (kind, forms[kind](value), at) for key, (kind, value, at) in model.items()}


def of_client(contents, client):
    return {name: entry for name, entry in contents.items() if name[1].startswith(client.name_.encode())}
