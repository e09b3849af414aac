"""How two replies are compared where Redis promises no order, or answers the clock or chance.

A norm is a name; None means byte for byte. Every norm first accepts identical bytes and refuses
to excuse errors: a reply that is an error on either side must be identical.
"""
import allowed
from resp import parse, plain, reply_end

SUBJECT_IS_REDIS = False  # the oracle's own check: Redis against Redis
TTL_SLACK_S = 2
TTL_SLACK_MS = 2000


def _key(node):
    return repr(node)


def _flat_pairs(node):
    """Pairs of a map, or of the flat array that stands for it."""
    items = node[1]
    if items and items[0][0] == "*" and node[0] == "*":
        return [tuple(item[1]) for item in items]
    return [(items[i], items[i + 1]) for i in range(0, len(items) - 1, 2)]


def unordered(a, b, _):
    if a[0] != b[0] or not isinstance(a[1], list) or not isinstance(b[1], list):
        return a == b
    return sorted(map(_key, a[1])) == sorted(map(_key, b[1]))


def is_sorted_ints(node):
    """True for ten or more ascending integers: the order of an intset, which clients can see."""
    try:
        numbers = [int(item[1]) for item in node[1]]
    except (ValueError, TypeError):
        return False
    return len(numbers) >= 10 and all(x < y for x, y in zip(numbers, numbers[1:]))


def members(a, b, _):
    return unordered(a, b, _) and (a == b or not is_sorted_ints(a))


def pairs(a, b, _):
    if a[0] != b[0] or not isinstance(a[1], list) or not isinstance(b[1], list):
        return a == b
    return len(a[1]) == len(b[1]) and sorted(map(_key, _flat_pairs(a))) == sorted(map(_key, _flat_pairs(b)))


def order_of_small(compare):
    """Exact order when the reply before (OBJECT ENCODING of the same key) says listpack."""
    def check(a, b, before):
        if before is not None and before[1] == b"listpack":
            return a == b
        return compare(a, b, before)
    return check


def _near(slack):
    def check(a, b, _):
        if a[0] != ":" or b[0] != ":":
            return a == b
        if a[1] < 0 or b[1] < 0:
            return a == b
        return abs(a[1] - b[1]) <= slack
    return check


def same_type(a, b, _):
    return a[0] == b[0] and (a[1] is None) == (b[1] is None)


def shape(a, b, _):
    if a[0] != b[0] or isinstance(a[1], list) != isinstance(b[1], list):
        return False
    if not isinstance(a[1], list):
        return (a[1] is None) == (b[1] is None)
    return len(a[1]) == len(b[1]) and all(shape(x, y, None) for x, y in zip(a[1], b[1]))


def scan(inner):
    def check(a, b, _):
        if a[0] != "*" or b[0] != "*" or len(a[1]) != 2 or len(b[1]) != 2:
            return a == b
        return a[1][0] == b[1][0] and inner(a[1][1], b[1][1], None)
    return check


def random_member(a, b, before):
    """SRANDMEMBER, RANDOMKEY: same shape, and every element was in the reply before."""
    if a[0] != b[0] or (a[1] is None) != (b[1] is None):
        return False
    if a[1] is None:
        return True
    mine = b[1] if isinstance(b[1], list) else [b]
    if isinstance(a[1], list) and len(a[1]) != len(b[1]):
        return False
    if before is None or not isinstance(before[1], list):
        return True
    pool = {item[1] for item in before[1]}
    if not all(item[1] in pool for item in mine):
        return False
    return True


def random_pairs(a, b, before):
    """HRANDFIELD WITHVALUES after HGETALL of the same key."""
    if a[0] != b[0] or not isinstance(a[1], list) or len(a[1]) != len(b[1]):
        return a == b
    if before is None or not isinstance(before[1], list):
        return True
    pool = {(k[1], v[1]) for k, v in _flat_pairs(before)}
    return all((k[1], v[1]) in pool for k, v in _flat_pairs(b))


def random_field(a, b, before):
    if before is not None and isinstance(before[1], list):
        before = ("*", [k for k, _ in _flat_pairs(before)])
    return random_member(a, b, before)


def random_distinct(a, b, before):
    """SRANDMEMBER with a positive count, SPOP: no member twice."""
    mine = b[1] if isinstance(b[1], list) else [b]
    return random_member(a, b, before) and len({item[1] for item in mine}) == len(mine)


def random_field_distinct(a, b, before):
    mine = b[1] if isinstance(b[1], list) else [b]
    return random_field(a, b, before) and len({item[1] for item in mine}) == len(mine)


def true_size(a, b, before):
    """DBSIZE after KEYS *: Redis still counts keys that are past their deadline, Cloakroom must not."""
    if before is None or not isinstance(before[1], list):
        return same_type(a, b, None)
    return a[1] >= len(before[1]) and (b[1] == len(before[1]) or SUBJECT_IS_REDIS)


def help_text(a, b, _):
    """Help is prose of our own: only that it is a list of lines, headed by the command's name."""
    if a[0] != b[0] or not isinstance(b[1], list) or not b[1]:
        return a == b
    return all(x[0] == "+" for x in b[1]) and b[1][0][1].split()[:1] == a[1][0][1].split()[:1]


_DYNAMIC_INFO = (b"cmdstat_", b"errorstat_", b"latency_percentiles_", b"db")
_MISSING_INFO_OK = (b"allocator_", b"mem_aof", b"rss_overhead", b"lua", b"redis_git", b"module")


def info_fields(text):
    names = set()
    for line in text.split(b"\r\n"):
        if line.startswith(b"#"):
            names.add(line)
        elif b":" in line:
            name = line.split(b":", 1)[0]
            if not name.startswith(_DYNAMIC_INFO):
                names.add(name)
    return names


def info(a, b, _):
    """Every section and field name of Redis is there; further ones are ours."""
    if a[0] not in "$=" or b[0] != a[0]:
        return a == b
    return not info_missing(a[1], b[1])


def info_missing(a, b):
    return sorted(info_fields(a) - info_fields(b))


CONFIG_OF_THE_RUN = {b"port", b"dir", b"pidfile", b"logfile", b"bind", b"io-threads", b"unixsocket", b"locale-collate"}


def config(a, b, _):
    """CONFIG GET: everything Redis shows with Redis' values, except what the run itself sets."""
    if a[0] != b[0] or not isinstance(a[1], list):
        return a == b
    return not config_differences(a, b)


def config_differences(a, b):
    theirs = {k[1].lower(): v[1] for k, v in _flat_pairs(a)}
    ours = {k[1].lower(): v[1] for k, v in _flat_pairs(b)}
    own = (b"session-", b"user-sessions-", b"cloakroom-")
    wrong = [(k, v, ours.get(k)) for k, v in theirs.items() if k not in CONFIG_OF_THE_RUN and ours.get(k) != v]
    wrong += [(k, None, v) for k, v in ours.items() if k not in theirs and not k.startswith(own) and k != b"privacy"]
    return wrong


def hello(a, b, _):
    """HELLO: everything equal but the connection's number."""
    def without_id(node):
        return [(k, v) for k, v in _flat_pairs(node) if k[1] != b"id"]
    if a[0] != b[0] or not isinstance(a[1], list):
        return a == b
    return without_id(a) == without_id(b)


def client_fields(a, b, _):
    """CLIENT LIST and INFO: the same field names in order."""
    if a[0] != b[0] or a[1] is None or b[1] is None:
        return a == b
    def names(text):
        return [field.split(b"=", 1)[0] for field in text.split(b"\n")[0].split(b" ")]
    return names(a[1]) == names(b[1])


def _command_entry(node):
    """One COMMAND INFO entry; what is a set in it is sorted, the parts are compared one by one."""
    if node[1] is None or node[0] == "_":
        return None
    parts = list(node[1])
    for at in (2, 6, 7):
        if at < len(parts):
            parts[at] = sorted(map(_key, parts[at][1]))
    if len(parts) > 8:
        parts[8] = [_without_notes(spec) for spec in parts[8][1]]
    if len(parts) > 9:
        parts[9] = sorted((_key(e[1][0]), _command_entry(e)) for e in parts[9][1])
    return parts


def _without_notes(spec):
    """A key specification; its notes are prose of our own."""
    return [(k, None if k[1] == b"notes" else v) for k, v in _flat_pairs(spec)]


def command_info(a, b, _):
    if a[0] != b[0] or not isinstance(a[1], list) or len(a[1]) != len(b[1]):
        return a == b
    return all(_command_entry(x) == _command_entry(y) for x, y in zip(a[1], b[1]))


def command_container(a, b, _):
    """COMMAND INFO of a container whose subcommands are not those of Redis 7.0."""
    theirs, ours = _command_entry(a[1][0]), _command_entry(b[1][0])
    return theirs[:9] == ours[:9]


def command_docs(a, b, _):
    """COMMAND DOCS: the same commands; the summaries are our own prose."""
    if a[0] != b[0] or not isinstance(a[1], list):
        return a == b
    theirs, ours = _flat_pairs_map(a), _flat_pairs_map(b)
    if set(theirs) != set(ours):
        return False
    for name, doc in theirs.items():
        if not {b"summary", b"since", b"group"} <= set(ours[name]):
            return False
        if doc.get(b"group") != ours[name][b"group"] or doc.get(b"since") != ours[name][b"since"]:
            return False
    return True


def _flat_pairs_map(node):
    items = node[1]
    out = {}
    for i in range(0, len(items) - 1, 2):
        fields = items[i + 1][1]
        out[items[i][1].lower()] = {fields[j][1]: plain(fields[j + 1]) for j in range(0, len(fields) - 1, 2)}
    return out


def same_head(a, b, _):
    """Free text: the same first word."""
    return a[0] == b[0] and bytes(a[1]).split(b" ")[:1] == bytes(b[1]).split(b" ")[:1]


NORMS = {
    "unordered": unordered, "members": members, "pairs": pairs,
    "fields": order_of_small(unordered), "all": order_of_small(pairs),
    "ttl": _near(TTL_SLACK_S), "pttl": _near(TTL_SLACK_MS), "type": same_type, "shape": shape,
    "scan": scan(unordered), "hscan": scan(pairs), "random": random_member, "random_field": random_field,
    "random_pairs": random_pairs, "random_distinct": random_distinct,
    "random_field_distinct": random_field_distinct, "true_size": true_size, "help": help_text, "info": info, "config": config,
    "hello": hello, "client": client_fields, "command_info": command_info, "command_docs": command_docs,
    "command_container": command_container, "head": same_head,
}


def equal(norm, raw_a, raw_b, raw_before=None):
    """True when reply b is as good as Redis' reply a under the norm."""
    if raw_a == raw_b:
        return True
    if norm is None or raw_a[:1] in b"-!" or raw_b[:1] in b"-!":
        return False
    before = parse(raw_before) if raw_before else None
    try:
        return bool(NORMS[norm](parse(raw_a), parse(raw_b), before))
    except (ValueError, TypeError, IndexError, AttributeError):
        return False  # not even the reply's form is as expected


def follows(before, op):
    """True when the operation before asked about the same key, so that its reply helps to judge this one."""
    if len(op.args) == 1:
        return before.args[0].upper() == b"KEYS"
    return len(before.args) > 1 and before.args[-1] == op.args[1]


def _elements(raw):
    """The raw elements of an array reply."""
    pos = raw.index(b"\r\n") + 2
    out = []
    while pos < len(raw):
        end = reply_end(raw, pos)
        out.append(raw[pos:end])
        pos = end
    return out


def exec_equal(queued, raw_a, raw_b):
    """EXEC: each element under the norm of its queued command."""
    if raw_a[:1] != b"*" or raw_b[:1] != b"*" or raw_a[:3] == b"*-1" or raw_b[:3] == b"*-1":
        return raw_a == raw_b
    theirs, ours = _elements(raw_a), _elements(raw_b)
    if len(theirs) != len(ours) or len(theirs) != len(queued):
        return False
    for at, (x, y) in enumerate(zip(theirs, ours)):
        before = theirs[at - 1] if at and follows(queued[at - 1], queued[at]) else None
        if not equal(queued[at].norm, x, y, before) and not allowed.reason(queued[at].args, x, y):
            return False
    return True


def explain(norm, raw_a, raw_b):
    """What of a long reply differs, for the report."""
    try:
        a, b = parse(raw_a), parse(raw_b)
        if norm == "info":
            return "\n  missing fields: %r" % info_missing(a[1], b[1])
        if norm == "config":
            return "\n  differing directives (name, Redis, ours): %r" % config_differences(a, b)
        if len(raw_a) + len(raw_b) > 300:
            return "\n  first difference at %s: redis %.200r, ours %.200r" % first_difference(a, b)
    except (ValueError, TypeError, IndexError):
        pass
    return ""


def first_difference(a, b, path="reply"):
    """Where two trees part: the path, and both sides there."""
    if a[0] == b[0] and isinstance(a[1], list) and isinstance(b[1], list) and len(a[1]) == len(b[1]):
        for at, (x, y) in enumerate(zip(a[1], b[1])):
            if x != y:
                return first_difference(x, y, "%s[%d]" % (path, at))
    return path, a, b
