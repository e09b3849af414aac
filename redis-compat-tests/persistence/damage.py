"""Files that end too early, or hold what they should not."""
import commands
from files import Home, groups
from report import expect, expect_true
from restarts import LOGGED, fill, start
from servers import Server

BAD_FORMAT = "Bad file format reading the append only file"


def a_log(binary, rng, home):
    server = start(binary, home)
    fill(server, rng, 120)
    server.stop()
    return home.last().read_bytes()


def refused(binary, home, text, *options):
    """The start is refused, with this in the log, and nothing is touched."""
    before = home.state()
    server = Server(binary, [*LOGGED, *options], directory=str(home.path), wait=False)
    expect(server.process.wait(10), 1, "exit code")
    expect_true(text in server.log(), "%r is not in the log:\n%s" % (text, server.log()))
    expect_true({**home.state(), "lock": None} == {**before, "lock": None}, "files were changed")


def torn(binary, rng):
    """Cut anywhere, a log is what its whole groups were; what is behind them is gone for good."""
    with Home() as home:
        data = a_log(binary, rng, home)
        ends = [0] + [end for _, end in groups(data)]
        for cut in sorted(rng.sample(range(len(data)), 12)):
            wanted = max(end for end in ends if end <= cut)
            for tail in (b"", b"\0" * 4096):
                home.last().write_bytes(data[:cut] + tail)
                with start(binary, home) as server, server.connect() as connection:
                    connection.call("PING")
                expect(len(home.last().read_bytes()), wanted, "bytes left of %d" % cut)
        home.last().write_bytes(data[:-1])
        refused(binary, home, "Unexpected end of file reading the append only file. You can: 1) Make a backup of your AOF",
                "--aof-load-truncated", "no")


def flipped(binary, rng):
    """A length that is none is damage, not an end."""
    with Home() as home:
        data = bytearray(a_log(binary, rng, home))
        at = data.index(b"$", len(data) // 2)
        data[at] = ord("%")
        home.last().write_bytes(data)
        refused(binary, home, BAD_FORMAT)


def not_the_last(binary, rng):
    with Home() as home:
        data = a_log(binary, rng, home)
        home.write(appendonly__aof__9__incr__aof=b"")
        home.manifest.write_text(home.manifest.read_text() + "file appendonly.aof.9.incr.aof seq 9 type i\n")
        home.log.joinpath("appendonly.aof.1.incr.aof").write_bytes(data[:-3])
        refused(binary, home, "the truncated file is not the last file")


def manifests(binary, rng):
    del rng
    line = "file appendonly.aof.%d.incr.aof seq %d type %s\n"
    for text, why in (("", "Found an empty AOF manifest"), (line % (1, 1, "x"), "Unknown AOF file type"),
                      (line % (1, 1, "b") + line % (2, 2, "b"), "Found duplicate base file information"),
                      (line % (2, 2, "i") + line % (1, 1, "i"), "Found a non-monotonic sequence number"),
                      ("file x seq 1\n", "Invalid AOF manifest file format"),
                      ("file ../x seq 1 type i\n", "File can't be a path, just a filename"),
                      (line % (1, 1, "i") + line % (3, 3, "i"), "The append log file appendonly.aof.3.incr.aof doesn't exist")):
        with Home() as home:
            home.write(appendonly__aof__1__incr__aof=b"", appendonly__aof__2__incr__aof=b"",
                       appendonly__aof__manifest=text.encode())
            refused(binary, home, why)


def by_hand(binary, rng):
    """Several files, an annotation, history, comments, a name in quotation marks."""
    del rng
    with Home() as home:
        home.write(a=b"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n#TS:1628217470\r\n*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\n1\r\n",
                   b=b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n",
                   appendonly__aof__manifest=b"# by hand\nfile gone seq 1 type h\nfile a seq 1 type b\nseq 7 file \"b\" type i\n")
        with start(binary, home) as server, server.connect() as connection:
            found = commands.contents(connection)
        expect(found, {(1, b"a"): (b"string", b"1", -1), (0, b"b"): (b"string", b"2", -1)}, "contents")


CHECKS = [
    ("a torn end is cut back to the last whole group", torn),
    ("a damaged record refuses the start", flipped),
    ("a short file that is not the last refuses the start", not_the_last),
    ("manifests that are none refuse the start", manifests),
    ("files written by hand", by_hand),
]
