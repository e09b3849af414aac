"""Hand-made conversations: the same script runs against both servers, the transcripts are compared."""
import re
import socket

import allowed
import norms
from resp import Connection, Eof, Timeout, encode, request, to_bytes

CLOSED = b"(closed)"
SILENT = b"(silent)"


class Script:
    """One run of one scenario against one server; `lines` is what it saw."""

    def __init__(self, server, expected=()):
        self.server = server
        self.expected = expected  # what Redis answered: where it kept silent there is no need to wait long
        self.conns = {}
        self.lines = []

    def patience_s(self):
        at = len(self.lines)
        if not self.expected:
            return 0.4
        return 0.4 if at < len(self.expected) and self.expected[at][1] == SILENT else 10.0

    def conn(self, name):
        if name not in self.conns:
            self.conns[name] = Connection(self.server.port, timeout_s=10.0)
        return self.conns[name]

    def note(self, label, raw, norm=None, args=()):
        self.lines.append((label, raw, norm, list(args)))

    def do(self, name, *args, norm=None):
        """One command, one reply."""
        args = [to_bytes(a) for a in args]
        raw = self._read(name, encode(args))
        self.note("%s: %s" % (name, b" ".join(args)[:120]), raw, norm, args)
        return raw

    def ask(self, name, *args):
        """A command whose reply is used but not compared."""
        return self._read(name, request(*args))

    def _read(self, name, data, timeout_s=5.0):
        conn = self.conn(name)
        try:
            conn.send(data)
            return conn.read(1, timeout_s)[0]
        except (Eof, BrokenPipeError, ConnectionResetError):
            return CLOSED
        except Timeout:
            return SILENT

    def send(self, name, data):
        """Raw bytes or a command without waiting."""
        self.conn(name).send(data if isinstance(data, bytes) else request(*data))

    def read(self, name, count=1, norm=None, label="read", timeout_s=None):
        try:
            replies = self.conn(name).read(count, timeout_s or self.patience_s())
        except Eof as end:
            replies = end.replies + [CLOSED]
        except Timeout:
            replies = [SILENT]
        for raw in replies:
            self.note("%s: %s" % (name, label), raw, norm)
        return replies

    def raw(self, name, data, norm=None):
        """Raw bytes, then PING: every reply until PONG comes or the connection ends."""
        conn = self.conn(name)
        label = "%s: raw %r" % (name, data[:100])
        try:
            conn.send(data)
            conn.send(b"*2\r\n$4\r\nPING\r\n$9\r\n(barrier)\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        while True:
            try:
                reply = conn.read(1, self.patience_s())[0]
            except Eof:
                reply = CLOSED
            except Timeout:
                reply = SILENT
            self.note(label, reply, norm)
            if reply in (CLOSED, SILENT) or b"(barrier)" in reply:
                if reply in (CLOSED, SILENT):
                    self.drop(name)
                return

    def drop(self, name):
        conn = self.conns.pop(name, None)
        if conn:
            conn.close()

    def half_close(self, name):
        self.conn(name).sock.shutdown(socket.SHUT_WR)

    def close(self):
        for name in list(self.conns):
            self.drop(name)


def monitor_line(raw):
    """A MONITOR line without clock and address."""
    return re.sub(rb"^\+[0-9.]+ \[(\d+) [^\]]*\]", rb"+T [\1 ADDR]", raw)


def differences(theirs, ours):
    """Printable differences of two transcripts."""
    out = []
    for a, b in zip(theirs, ours):
        label, raw_a, norm, args = a
        raw_b = b[1]
        if label != b[0] or not norms.equal(norm, raw_a, raw_b) and not allowed.reason(args, raw_a, raw_b):
            out.append("%s\n  redis %r\n  ours  %r%s" % (label, raw_a[:250], raw_b[:250],
                                                         norms.explain(norm, raw_a, raw_b)))
        if label != b[0]:
            break
    if len(theirs) != len(ours):
        out.append("%d steps with Redis, %d with ours" % (len(theirs), len(ours)))
    return out
