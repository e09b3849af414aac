"""Keyspace events of the two servers side by side: the same, key by key and in the same order."""
from resp import Connection, parse

FLAGS = "AKEmn"
PATTERN = "__key*__:*"
MARK = "__key_mark__:"
# When a key that is due ends is each server's own affair (tested in scenarios_time).
OF_TIME = {b"expired"}


class Listener:
    """A subscriber to all keyspace events of one server."""

    def __init__(self, side):
        self.side = side
        self.conn = Connection(side.server.port, timeout_s=30.0)
        self.conn.call("PSUBSCRIBE", PATTERN)
        self.marks = 0

    def close(self):
        self.conn.close()

    def take(self):
        """{(database, key): [(channel's kind, event), ...]} since the last call."""
        self.marks += 1
        mark = b"%d" % self.marks
        self.side.call("PUBLISH", MARK, mark)
        found = {}
        while True:
            raw = self.conn.read(1, 30.0)[0]
            channel, payload = [item[1] for item in parse(raw)[1][2:]]
            if channel == MARK.encode():
                if payload == mark:
                    return found
                continue
            kind, rest = channel.split(b"@", 1)
            db, name = rest.split(b"__:", 1)
            key, event = (name, payload) if kind == b"__keyspace" else (payload, name)
            if event not in OF_TIME:
                found.setdefault((db, key), []).append((kind, event))


class Events:
    """Both listeners."""

    def __init__(self, redis, ours):
        self.listeners = (Listener(redis), Listener(ours))
        self.ignored = set()

    def close(self):
        for listener in self.listeners:
            listener.close()

    def forget(self):
        for listener in self.listeners:
            listener.take()

    def compare(self, batch):
        """The first key whose events differ after the batch, with both lists; or None."""
        ignored = set(self.ignored)
        for op in batch:
            name = op.args[0].upper()
            if name == b"SCAN":
                ignored.add(b"keymiss")  # with TYPE, Redis announces a miss for each key it finds expired
            if name == b"CONFIG" and b"notify-keyspace-events" in [word.lower() for word in op.args]:
                self.ignored.add(b"new")  # the flag Redis forgets when it takes a failed CONFIG SET back
                ignored.add(b"new")
        theirs, mine = (self._without(ignored, listener.take()) for listener in self.listeners)
        for where in sorted(theirs.keys() | mine.keys()):
            if theirs.get(where) != mine.get(where):
                return where, theirs.get(where), mine.get(where)
        return None

    @staticmethod
    def _without(ignored, found):
        kept = {where: [event for event in events if event[1] not in ignored] for where, events in found.items()}
        return {where: events for where, events in kept.items() if events}
