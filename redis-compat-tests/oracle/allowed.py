"""The one table of differences between Cloakroom and Redis 7.0.15 that are meant.

Each row: the command (and subcommand) it holds for, a test of the two raw replies, the reason.
"""

CONTAINERS = {b"CLIENT", b"CONFIG", b"COMMAND", b"OBJECT", b"DEBUG", b"MEMORY", b"SLOWLOG", b"LATENCY", b"MODULE", b"CLUSTER", b"ACL"}


def _newer_client_subcommand(redis, ours):
    return redis.startswith(b"-ERR unknown subcommand")


def _any_reply(redis, ours):
    return redis[:1] == ours[:1]


ALLOWED = [
    (b"CLIENT", b"SETINFO", _newer_client_subcommand,
     "CLIENT SETINFO is Redis 7.2's; clients of today send it on connecting"),
    (b"CLIENT", b"NO-TOUCH", _newer_client_subcommand,
     "CLIENT NO-TOUCH is Redis 7.2's; an admin tool reads without touching recency"),
    (b"COMMAND", b"COUNT", _any_reply, "Cloakroom has fewer commands"),
    (b"COMMAND", b"LIST", _any_reply, "Cloakroom has fewer commands"),
    (b"COMMAND", b"", _any_reply, "Cloakroom has fewer commands"),
    (b"COMMAND", b"INFO", lambda redis, ours: redis[:4] == b"*240", "without names: Cloakroom has fewer commands"),
    (b"MEMORY", b"DOCTOR", _any_reply, "the advice is prose of our own"),
    (b"LATENCY", b"DOCTOR", _any_reply, "the advice is prose of our own"),
    (b"OBJECT", b"REFCOUNT", _any_reply,
     "Redis shows its sharing of objects (COPY, queued arguments); Cloakroom shares none and answers by the value"),
    (b"DEBUG", b"OBJECT", _any_reply, "addresses, serialized lengths and clock"),
]


def reason(args, redis, ours):
    """Why this difference is meant, or None."""
    if not args:
        return None
    name = args[0].upper()
    sub = args[1].upper() if len(args) > 1 else b""
    for row_name, row_sub, test, why in ALLOWED:
        if name == row_name and row_sub in (None, sub) and test(redis, ours):
            return why
    return None
