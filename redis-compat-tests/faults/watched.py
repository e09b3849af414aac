"""A server that is checked after each test: it answers, and its memory has not grown beyond a bound."""
from report import expect_true
from resp import Connection
from servers import Server, cloakroom_binary, poll_until

MB = 1024 * 1024


class Watched:
    def __init__(self, *options):
        self.server = Server(cloakroom_binary(), options)
        self.port = self.server.port
        self.base = self.server.rss_bytes()

    def connect(self, timeout_s=10.0):
        return Connection(self.port, timeout_s=timeout_s)

    def grown_mb(self):
        return (self.server.rss_bytes() - self.base) / MB

    def clients(self):
        conn = self.connect()
        text = conn.value("INFO", "clients")
        conn.close()
        return int(text.split(b"connected_clients:")[1].split(b"\r\n")[0]) - 1

    def healthy(self, most_mb=64):
        """Still there, still answering, back to few clients and little memory."""
        expect_true(self.server.alive(), "the server has ended: " + self.server.log())
        conn = self.connect()
        expect_true(conn.value("PING") == b"PONG", "PING")
        expect_true(conn.value("SET", "health", "1") == b"OK" and conn.value("GET", "health") == b"1", "SET and GET")
        conn.close()
        expect_true(poll_until(lambda: self.clients() == 0, 10.0), "connections left over: %d" % self.clients())
        expect_true(self.grown_mb() < most_mb, "%.0f MB more than at start" % self.grown_mb())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()


def run_each(report, what, tests):
    """Runs tests, each a function with the megabytes it may leave behind, on a server of their own."""
    for test, most_mb in tests:
        def body(test=test, most_mb=most_mb):
            with Watched() as watched:
                test(watched)
                watched.healthy(most_mb)
        report.run("%s: %s" % (what, test.__name__.replace("_", " ")), body)
