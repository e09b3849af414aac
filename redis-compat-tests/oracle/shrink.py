"""Makes a differing stream small: removes commands as long as the same difference remains."""
import time


def shrink(engine, revive, ops, signature, budget_s):
    """The smallest list found within the budget and its difference, or ([], None) if it does not repeat."""
    deadline = time.monotonic() + budget_s

    def differs(candidate):
        try:
            revive(engine)
            engine.reset()
            diff = engine.run(candidate, deep_every=10**9)
        except (OSError, RuntimeError):
            return None
        return diff if diff and diff.signature() == signature else None

    found = differs(ops)
    if not found:
        return [], None
    ops = _only_same_keys(ops, found, differs) or ops[:found.at + 1]
    size = max(len(ops) // 2, 1)
    while size and time.monotonic() < deadline:
        at = 0
        while at < len(ops) and time.monotonic() < deadline:
            candidate = ops[:at] + ops[at + size:]
            again = differs(candidate) if candidate else None
            if again:
                found = again
                ops = candidate
            else:
                at += size
        size //= 2
    return ops, differs(ops) or found


def _only_same_keys(ops, diff, differs):
    """A cheap first cut: only commands that share an argument with the differing one."""
    keys = set(diff.op.args[1:])
    general = {b"SELECT", b"HELLO", b"MULTI", b"EXEC", b"DISCARD", b"WATCH", b"CONFIG", b"SWAPDB"}
    candidate = [o for o in ops if keys & set(o.args[1:]) or o.args[0].upper() in general]
    return candidate if differs(candidate) else None
