"""Compares the complete contents of two servers: type, encoding, deadline and content of each key."""
from resp import encode, exchange, parse

DATABASES = (0, 1, 2, 3, 9)
DEADLINE_SLACK_MS = 2500
READERS = {b"string": (b"GET",), b"hash": (b"HGETALL",), b"set": (b"SMEMBERS",)}


def _both(sides, requests):
    """Replies of both servers to the same requests, as two lists of raw replies."""
    payload = b"".join([encode(r) for r in requests])
    results = exchange([(side.conn(-1), payload, len(requests)) for side in sides])
    for replies, failure in results:
        if failure:
            raise RuntimeError("comparing the keyspaces: %s after %d replies" % (failure, len(replies)))
    return [replies for replies, _ in results]


def _canonical(kind, raw):
    value = parse(raw)[1]
    if kind == b"set":
        return sorted(item[1] for item in value)
    if kind == b"hash":
        return sorted((value[i][1], value[i + 1][1]) for i in range(0, len(value), 2))
    return raw


def compare(redis, ours):
    """None, or (what, key, Redis' answer, ours)."""
    for db in DATABASES:
        requests = [[b"SELECT", b"%d" % db], [b"DBSIZE"], [b"KEYS", b"*"]]
        theirs, mine = _both((redis, ours), requests)
        keys = sorted(item[1] for item in parse(theirs[2])[1])
        found = sorted(item[1] for item in parse(mine[2])[1])
        if keys != found:
            extra = sorted(set(found) - set(keys))
            lost = sorted(set(keys) - set(found))
            key = (lost or extra or [b""])[0]
            return "keys", key, b"only Redis: " + b" ".join(lost)[:300], b"only ours: " + b" ".join(extra)[:300]
        if not ours.server.redis and mine[1] != b":%d\r\n" % len(keys):
            return "dbsize", b"", b":%d\r\n" % len(keys), mine[1]
        difference = _compare_keys(redis, ours, keys)
        if difference:
            return difference
    return None


def _compare_keys(redis, ours, keys):
    if not keys:
        return None
    requests = []
    for key in keys:
        requests += [[b"TYPE", key], [b"OBJECT", b"ENCODING", key], [b"PEXPIRETIME", key]]
    theirs, mine = _both((redis, ours), requests)
    reads, kinds = [], []
    for at, key in enumerate(keys):
        a, b = theirs[at * 3:at * 3 + 3], mine[at * 3:at * 3 + 3]
        if a[0] != b[0]:
            return "type", key, a[0], b[0]
        if a[1] != b[1]:
            return "encoding", key, a[1], b[1]
        when, when_ours = int(a[2][1:]), int(b[2][1:])
        if when != when_ours and (min(when, when_ours) < 0 or abs(when - when_ours) > DEADLINE_SLACK_MS):
            return "deadline", key, a[2], b[2]
        kind = a[0].strip()[1:]
        if kind in READERS:
            reads.append([*READERS[kind], key])
            kinds.append(kind)
    theirs, mine = _both((redis, ours), reads) if reads else ([], [])
    for read, kind, a, b in zip(reads, kinds, theirs, mine):
        if a != b and _canonical(kind, a) != _canonical(kind, b):
            return "content", read[1], a, b
    return None
