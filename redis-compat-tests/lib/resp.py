"""Raw Redis protocol: requests as bytes, replies as untouched bytes or as typed trees.

A tree node is (type, value): type is the reply's first character as str, value is bytes, an int
(for ':'), None (null bulk or array), or a list of nodes; a map's list alternates key and value.
"""
import selectors
import socket
import time


class Eof(Exception):
    """The server closed the connection. `replies` holds the whole replies read before."""

    def __init__(self, replies):
        super().__init__("connection closed after %d replies" % len(replies))
        self.replies = replies


class Timeout(Exception):
    pass


def to_bytes(arg):
    if isinstance(arg, bytes):
        return arg
    if isinstance(arg, (int, float)):
        return repr(arg).encode()
    return arg.encode("utf-8", "surrogateescape")


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        parts.append(b"$%d\r\n" % len(arg))
        parts.append(arg)
        parts.append(b"\r\n")
    return b"".join(parts)


def request(*args):
    return encode([to_bytes(arg) for arg in args])


_BULK = frozenset(b"$=!")
_LIST = frozenset(b"*~>")


def reply_end(buf, pos):
    """End offset of the reply that starts at pos, or -1 while it is incomplete."""
    pending = 1
    size = len(buf)
    find = buf.find
    while pending:
        line = find(b"\r\n", pos)
        if line < 0:
            return -1
        kind = buf[pos]
        if kind in _BULK:
            length = int(buf[pos + 1:line])
            pos = line + 2
            if length >= 0:
                pos += length + 2
                if pos > size:
                    return -1
        else:
            if kind in _LIST:
                pending += max(int(buf[pos + 1:line]), 0)
            elif kind == 0x25:
                pending += 2 * int(buf[pos + 1:line])
            elif kind == 0x7C:
                pending += 2 * int(buf[pos + 1:line]) + 1
            pos = line + 2
        pending -= 1
    return pos


def _parse(buf, pos):
    line = buf.index(b"\r\n", pos)
    kind = chr(buf[pos])
    head = bytes(buf[pos + 1:line])
    pos = line + 2
    if kind in "$=!":
        length = int(head)
        if length < 0:
            return (kind, None), pos
        return (kind, bytes(buf[pos:pos + length])), pos + length + 2
    if kind == ":":
        return (kind, int(head)), pos
    if kind in "*~>%|":
        count = int(head)
        if count < 0:
            return (kind, None), pos
        items = []
        for _ in range(count * 2 if kind in "%|" else count):
            item, pos = _parse(buf, pos)
            items.append(item)
        return (kind, items), pos
    return (kind, head), pos


def parse(raw):
    """One whole reply as a typed tree."""
    return _parse(raw, 0)[0]


def plain(node):
    """A tree without its types: bytes, ints, None, lists."""
    kind, value = node
    if isinstance(value, list):
        return [plain(item) for item in value]
    if kind == "_":
        return None
    return value


def as_dict(node):
    """A map, or the flat array that stands for it in RESP2, as a dict of plain values."""
    items = node[1]
    return {plain(items[i]): plain(items[i + 1]) for i in range(0, len(items), 2)}


class Connection:
    """One raw TCP (or unix) connection."""

    def __init__(self, port, host="127.0.0.1", timeout_s=20.0, path=None):
        if path:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout_s)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection((host, port), timeout=timeout_s)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout_s = timeout_s
        self.buf = bytearray()
        self.eof = False

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def take(self, count, into):
        """Moves up to count - len(into) complete replies from the buffer to `into`."""
        pos = 0
        data = bytes(self.buf)
        while len(into) < count:
            end = reply_end(data, pos) if pos < len(data) else -1
            if end < 0:
                break
            into.append(data[pos:end])
            pos = end
        if pos:
            del self.buf[:pos]
        return len(into) >= count

    def read(self, count=1, timeout_s=None):
        """The next `count` raw replies."""
        replies = []
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        while not self.take(count, replies):
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout("%d of %d replies in time" % (len(replies), count))
            self.sock.settimeout(left)
            try:
                data = self.sock.recv(1 << 20)
            except (ConnectionResetError, BrokenPipeError):
                data = b""
            except socket.timeout:
                continue
            if not data:
                self.eof = True
                raise Eof(replies)
            self.buf += data
        return replies

    def call(self, *args):
        """Sends one command, returns its reply as a tree."""
        self.send(request(*args))
        return parse(self.read(1)[0])

    def pipeline(self, commands):
        """Sends all commands at once, returns their raw replies."""
        self.send(b"".join(request(*command) for command in commands))
        return self.read(len(commands))

    def value(self, *args):
        """Sends one command, returns its reply without types."""
        return plain(self.call(*args))

    def transaction(self, *commands):
        """Sends the commands between MULTI and EXEC, returns EXEC's reply without types."""
        self.call("MULTI")
        for command in commands:
            self.call(*command)
        return self.value("EXEC")

    def at_eof(self, timeout_s=5.0):
        """True when the server has closed the connection without a further reply."""
        try:
            self.read(1, timeout_s)
        except Eof:
            return True
        except Timeout:
            return False
        return False


class _Transfer:
    def __init__(self, conn, payload, count):
        self.conn = conn
        self.left = memoryview(payload)
        self.count = count
        self.replies = []
        self.failure = None
        self.finished = False

    def write(self):
        try:
            sent = self.conn.sock.send(self.left[:1 << 18])
        except BlockingIOError:
            return
        except (ConnectionResetError, BrokenPipeError):
            sent = len(self.left)
        self.left = self.left[sent:]

    def read(self):
        try:
            data = self.conn.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.conn.eof = True
            self.failure = "closed"
            self.finished = True
            return
        self.conn.buf += data
        self.finished = self.conn.take(self.count, self.replies)


def exchange(jobs, timeout_s=30.0):
    """Sends each job's (connection, payload) and reads its count of replies, all at the same time,
    so that neither a slow reader nor a busy server can block the other side. Returns per job
    (replies, failure) where failure is None, "closed" or "timeout"."""
    transfers = [_Transfer(*job) for job in jobs]
    deadline = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        for transfer in transfers:
            transfer.conn.sock.setblocking(False)
            selector.register(transfer.conn.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, transfer)
        open_count = len(transfers)
        while open_count:
            left = deadline - time.monotonic()
            events = selector.select(left) if left > 0 else []
            if not events and left <= 0:
                break
            for key, mask in events:
                transfer = key.data
                if mask & selectors.EVENT_WRITE:
                    transfer.write()
                    if not transfer.left:
                        selector.modify(key.fileobj, selectors.EVENT_READ, transfer)
                if mask & selectors.EVENT_READ:
                    transfer.read()
                    if transfer.finished:
                        selector.unregister(key.fileobj)
                        open_count -= 1
    return [(t.replies, t.failure if t.finished else "timeout") for t in transfers]
