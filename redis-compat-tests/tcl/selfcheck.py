"""The harness checked: with a unit of its own every way a case can end is told apart, and nothing is left running."""
import pathlib
import tempfile

import listed
import suite_source
import tcl_list
import units
import verdict
from report import expect, expect_true

UNIT = pathlib.Path(__file__).with_name("selfcheck.tcl")
HANG_SECONDS = 3
PASS = ("passes", "passes [2]", "in braces { and [brackets", "before an error between cases", "at the end")
STATES = {"fails": "failed", "raises an error": "failed", "hangs": "hung"}
UNREACHED = ("behind it", "without a server")
WORDS = (("a b", ["a", "b"]), ("{a b} {}", ["a b", ""]), ("a\\ b\\n", ["a b\n"]), ("{a {b} \\{} c", ["a {b} \\{", "c"]), ("", []))
ONE_LINE = """
# deb http://archive.example/debian bookworm main
deb http://archive.example/debian bookworm main contrib
deb [arch=amd64 signed-by=/a/key] http://archive.example/security bookworm-security main # why
deb-src http://archive.example/debian bookworm main contrib
deb http://other.example/apt stretch main
deb http://flat.example/ ./
"""
ONE_LINE_SOURCES = [
    "deb-src http://archive.example/debian bookworm main contrib",
    "deb-src [signed-by=/a/key] http://archive.example/security bookworm-security main",
]
STANZAS = """Types: deb
URIs: http://archive.example/debian
# a remark
Suites: bookworm bookworm-updates other
Components: main
Signed-By:
 -----BEGIN
 .
 key

Types: deb
URIs: http://other.example/
Suites: nodistro

Enabled: no
Types: deb
URIs: http://archive.example/debian
Suites: bookworm
"""
STANZA_SOURCES = ("Types: deb-src\nUris: http://archive.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
                  "Signed-By:\n -----BEGIN\n .\n key\n")


def lists():
    for text, words in WORDS:
        expect(tcl_list.parse(text), words, text)
        expect(tcl_list.parse(tcl_list.render(words)), words, "rendered " + text)


def sources():
    with tempfile.TemporaryDirectory() as folder:
        etc, out = pathlib.Path(folder, "etc"), pathlib.Path(folder, "out")
        (etc / "sources.list.d").mkdir(parents=True)
        (etc / "sources.list").write_text(ONE_LINE)
        (etc / "sources.list.d" / "more.list").write_text(ONE_LINE)
        (etc / "sources.list.d" / "debian.sources").write_text(STANZAS)
        expect(suite_source.write_sources(out, etc), 3, "archives")
        expect((out / "suite.list").read_text().splitlines(), ONE_LINE_SOURCES, "lines")
        expect((out / "suite.sources").read_text(), STANZA_SOURCES, "stanzas")


def listing(text):
    return listed.parse("selfcheck: %d cases\n%s" % (len(PASS) + len(STATES) + len(UNREACHED), text))


def entries(names, mark=listed.FAILS):
    return "".join("%s %s\n" % (mark, name) for name in names)


def reds(outcome, text, io_threads=1):
    return sorted(name for name, _ in verdict.judge(outcome, listing(text).for_threads(io_threads), lambda name: None).failures)


def outcomes(lane, _):
    (lane.folder / "tests" / "selfcheck.tcl").symlink_to(UNIT)
    outcome = lane.run("selfcheck", units.directives(1), case_seconds=HANG_SECONDS)
    expect({name: case.state for name, case in outcome.cases.items()},
           {**dict.fromkeys(PASS[:2], "ok"), **STATES}, "until a case hangs")
    expect(outcome.whole, False, "whole")
    expect(list(lane.processes()), [], "processes of a case that hung")

    outcome = lane.run("selfcheck", units.directives(1), skip=["hangs"], case_seconds=HANG_SECONDS)
    expect({name: case.state for name, case in outcome.cases.items()},
           {**dict.fromkeys(PASS, "ok"), **STATES, "hangs": "skipped"}, "states")
    expect(outcome.whole, True, "whole")
    expect(len(outcome.notes), 2, "errors outside of cases: %r" % outcome.notes)
    expect_true("selfcheck-knows-no-such-command" in outcome.cases["raises an error"].detail, "the error's text")
    expect(list(lane.processes()), [], "processes")
    verdicts(outcome)
    alone = lane.run("selfcheck", units.directives(1), only="passes [2]").cases
    expect([name for name, case in alone.items() if case.state == "ok"], ["passes", "passes [2]"], "alone")


def verdicts(outcome):
    """Only a list that says exactly what happened is green."""
    known = "not due: needs much\n%s! hangs\ndue, missing: all\n%s" % (
        entries(n for n in STATES if n != "hangs"), entries(UNREACHED))
    expect(reds(outcome, known), [], "all that fails is listed")
    expect(reds(outcome, known + "- at the end\n"), ["at the end"], "a listed case that passes")
    expect(reds(outcome, known + "? at the end\n"), [], "one that may")
    in_threads = known.replace("- fails\n", "~ fails\n")
    expect(reds(outcome, in_threads, io_threads=2), [], "one that may fail with several threads")
    expect(reds(outcome, in_threads), ["fails"], "the same with one")
    expect(reds(outcome, known.replace("- fails\n", "")), ["fails"], "a failing case")
    expect(reds(outcome, known.replace("! hangs\n", "")), ["hangs"], "a case that did not run")
    expect(reds(outcome, known.replace("- behind it\n", "")), ["(number of cases)"], "a case that was not reached")
    expect(reds(outcome, known + "- no such case\n"), ["(number of cases)"], "a case that is none")
    second = verdict.judge(outcome, listing(known.replace("- fails\n", "")), lambda name: outcome.cases["passes"])
    expect(([name for name, _ in second.second], second.failures), (["fails"], []), "a case that passes alone")
    expect(listed.render(listing(known)), "selfcheck: 10 cases\n" + known, "the list, written again")


def run_all(report, lanes):
    report.run("self-check: Tcl's lists", lists)
    report.run("self-check: archives of sources", sources)
    for _, passed in lanes.each(lambda lane, job: report.run("self-check: how cases end", outcomes, lane, job), [None]):
        pass
