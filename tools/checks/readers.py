"""How the outcome of a step is read: (exit code, or None when out of time; output) -> (passed, what failed)."""
import re


def ended(code):
    return "out of time" if code is None else f"ended with {code}"


def last_line(output):
    lines = output.strip().splitlines()
    return lines[-1] if lines else ""


def exit_code(code, output):
    """A program that says all with its exit code, such as a build."""
    return (1, []) if code == 0 else (0, [ended(code)])


def summary(code, output):
    """A program whose last line is "N passed, N failed", with a line "FAIL name" for each that failed."""
    match = re.fullmatch(r"(\d+) passed, (\d+) failed", last_line(output))
    if not match or code is None:
        return 0, [ended(code) if code is None else f"{ended(code)} and no summary"]
    passed, failed = int(match.group(1)), int(match.group(2))
    if failed == 0:
        return passed, [] if code == 0 and passed > 0 else [f"{passed} passed, {ended(code)}"]
    names = re.findall(r"^FAIL\w*:?\s+(.+)$", output, re.MULTILINE)
    return passed, names if len(names) == failed else [f"{i + 1} of {failed}, see above" for i in range(failed)]


def doctest(code, output):
    """A test program: its test cases are counted."""
    match = re.search(r"test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed", output)
    passed = int(match.group(2)) if match else 0
    if code == 0 and passed > 0:
        return passed, []
    names = list(dict.fromkeys(re.findall(r"^TEST CASE:\s+(.*)$", output, re.MULTILINE)))
    return passed, names or [ended(code) if code != 0 else "no test case ran"]


DOCTEST = "TEST CASE:  a, b\n[doctest] test cases: 3 | 2 passed | 1 failed | 0 skipped\n"
# (reader, exit code, output, what is read)
OUTCOMES = [
    (exit_code, 0, "", (1, [])),
    (exit_code, 2, "", (0, ["ended with 2"])),
    (exit_code, None, "", (0, ["out of time"])),
    (summary, 0, "ok a\n2 passed, 0 failed\n", (2, [])),
    (summary, 1, "FAIL b: why\n1 passed, 1 failed\n", (1, ["b: why"])),
    (summary, 1, "1 passed, 2 failed\n", (1, ["1 of 2, see above", "2 of 2, see above"])),
    (summary, 0, "0 passed, 0 failed\n", (0, ["0 passed, ended with 0"])),
    (summary, -11, "2 passed, 0 failed\n", (2, ["2 passed, ended with -11"])),
    (summary, 0, "2 passed, 0 failed\nmore\n", (0, ["ended with 0 and no summary"])),
    (summary, None, "2 passed, 0 failed\n", (0, ["out of time"])),
    (doctest, 0, "[doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped\n", (3, [])),
    (doctest, 1, DOCTEST, (2, ["a, b"])),
    (doctest, 0, "[doctest] test cases: 0 | 0 passed | 0 failed | 0 skipped\n", (0, ["no test case ran"])),
    (doctest, -6, "", (0, ["ended with -6"])),
]


def self_test():
    """What is read differently from how it must be."""
    for reader, code, output, wanted in OUTCOMES:
        if reader(code, output) != wanted:
            yield f"{reader.__name__} of {code} and {output!r}: {reader(code, output)}"
