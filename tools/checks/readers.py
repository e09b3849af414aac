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
