"""The cases that need not pass: one file a unit in listed/, which may only get shorter.

  unit/type/set: 117 cases          how many the suite has of them under its tags; all but the listed ones must pass
  not due: needs DEBUG RELOAD       why the cases below are not expected to pass: passed by no server without it
  - name of a case                  it fails; should it pass, the line must go
  due, missing: pub/sub             the same for what the server has to learn
  due, meant otherwise: a reason    the same for what it does otherwise than Redis, and will
  ! name of a case                  it is left out: it hangs, or what it does ends or spoils the cases after it
  ? name of a case                  it comes out either way
  ~ name of a case                  with several I/O threads it comes out either way, with one it passes
"""
import pathlib
import re
from dataclasses import dataclass, field

FOLDER = pathlib.Path(__file__).with_name("listed")
REASONS = ("not due: ", "due, meant otherwise: ", "due, missing: ")
FAILS, LEFT_OUT, EITHER, EITHER_IN_THREADS = MARKS = "-", "!", "?", "~"


@dataclass
class Entry:
    mark: str
    reason: str

    def due(self):
        return self.reason.startswith("due")

    def missing(self):
        return self.reason.startswith("due, missing")


@dataclass
class Listing:
    unit: str
    total: int = -1  # not measured
    entries: dict = field(default_factory=dict)

    def for_threads(self, io_threads):
        """What of it counts with so many I/O threads."""
        entries = {name: entry for name, entry in self.entries.items() if io_threads > 1 or entry.mark != EITHER_IN_THREADS}
        return Listing(self.unit, self.total, entries)

    def left_out(self):
        return [name for name, entry in self.entries.items() if entry.mark == LEFT_OUT]


def path_of(unit, folder=FOLDER):
    return folder / (unit.replace("unit/", "", 1).replace("/", "-") + ".txt")


def read(unit, folder=FOLDER):
    path = path_of(unit, folder)
    return parse(path.read_text(encoding="latin-1")) if path.exists() else Listing(unit)


def parse(text):
    head, *lines = text.splitlines()
    unit, total = re.fullmatch(r"(\S+): (\d+) cases", head).groups()
    listing, reason = Listing(unit, int(total)), None
    for number, line in enumerate(lines, 2):
        if line.startswith(REASONS):
            reason = line
        elif line[1:2] == " " and line[0] in MARKS and reason and line[2:] not in listing.entries:
            listing.entries[line[2:]] = Entry(line[0], reason)
        else:
            raise SystemExit("%s, line %d of the list: %s" % (unit, number, line))
    return listing


def render(listing):
    lines = ["%s: %d cases" % (listing.unit, listing.total)]
    for kind in REASONS:
        for reason in dict.fromkeys(entry.reason for entry in listing.entries.values()):
            if reason.startswith(kind):
                lines.append(reason)
                lines += ["%s %s" % (entry.mark, name) for name, entry in listing.entries.items() if entry.reason == reason]
    return "\n".join(lines) + "\n"


def write(listing, folder=FOLDER):
    folder.mkdir(exist_ok=True)
    path_of(listing.unit, folder).write_text(render(listing), encoding="latin-1")
