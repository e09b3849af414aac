"""What a unit's outcome means, held against its list."""
from dataclasses import dataclass, field

import listed

TOO_MANY = 12  # failing cases of one unit that are run again: more say that the server, not a moment, is at fault


@dataclass
class Verdict:
    passed: int = 0
    listed: int = 0
    second: list = field(default_factory=list)  # (name, detail): failed, and passed alone
    failures: list = field(default_factory=list)  # (name, detail)


def judge(outcome, listing, again):
    """`again(name)` runs one case alone and returns it, or None when it did not get that far."""
    verdict = Verdict()
    failing = []
    for name, case in outcome.cases.items():
        entry = listing.entries.get(name)
        if not entry:
            if case.state == "ok":
                verdict.passed += 1
            else:
                failing.append((name, case))
        elif case.state == "ok" and entry.mark == listed.FAILS:
            verdict.failures.append((name, "it passes: take it off %s (%s)" % (listed.path_of(listing.unit).name, entry.reason)))
    verdict.listed = len(listing.entries)
    for name, case in failing:
        second = again(name) if len(failing) <= TOO_MANY else None
        if second and second.state == "ok":
            verdict.passed += 1
            verdict.second.append((name, case.detail))
        else:
            alone = "\nalone: %s" % (tell(second) if second else "it was not run, or did not begin")
            verdict.failures.append((name, tell(case) + alone))
    count_all(outcome, listing, verdict)
    return verdict


def tell(case):
    return "%s after %.1f s: %s" % (case.state, case.seconds, "\n".join(case.detail.splitlines()[:8]))


def count_all(outcome, listing, verdict):
    """Every case of the unit is either listed or has run: none can vanish with a block that ended early."""
    seen = len(set(outcome.cases) | set(listing.entries))
    if listing.total < 0:
        verdict.failures.append(("(all of it)", "nothing was ever measured of this unit: see --measure"))
    elif seen != listing.total:
        verdict.failures.append(("(number of cases)", "%d of %d cases have run or are listed\n%s" % (
            seen, listing.total, "\n".join(note[:400] for note in outcome.notes))))
