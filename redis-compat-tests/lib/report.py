"""Counting checks. The last line a suite prints is `N passed, N failed`."""
import sys
import time
import traceback


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.started = time.monotonic()

    def ok(self, name, detail=""):
        self.passed += 1
        self.line("ok   %s%s" % (name, "  (" + detail + ")" if detail else ""))

    def fail(self, name, detail=""):
        self.failed += 1
        self.line("FAIL %s%s" % (name, "\n     " + detail.replace("\n", "\n     ") if detail else ""))

    def check(self, name, condition, detail=""):
        if condition:
            self.ok(name)
        else:
            self.fail(name, detail if isinstance(detail, str) else repr(detail))
        return condition

    def run(self, name, function, *args):
        """Runs one test function; an exception is its failure."""
        begin = time.monotonic()
        try:
            function(*args)
        except Exception as error:  # a test's failure must not stop the others
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.fail(name, "%s: %s (%s:%d)" % (type(error).__name__, error, where.name, where.lineno))
            return False
        self.ok(name, "%.2f s" % (time.monotonic() - begin))
        return True

    def skip(self, name, reason):
        """A check that the server under test is not meant to pass; it counts for neither side."""
        self.line("skip %s  (%s)" % (name, reason))

    @staticmethod
    def line(text):
        print(text, flush=True)

    def finish(self):
        self.line("%.1f s" % (time.monotonic() - self.started))
        self.line("%d passed, %d failed" % (self.passed, self.failed))
        sys.exit(1 if self.failed else 0)


def expect(actual, wanted, what=""):
    if actual != wanted:
        raise AssertionError("%s: got %r, wanted %r" % (what or "value", actual, wanted))


def expect_true(condition, what):
    if not condition:
        raise AssertionError(what)
