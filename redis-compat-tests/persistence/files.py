"""The files of a multi-part append-only file."""
import pathlib
import shutil
import tempfile

from resp import request


class Home:
    """A directory for servers, one after the other."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="cloakroom-persist-"))
        self.log = self.path / "appendonlydir"
        self.manifest = self.log / "appendonly.aof.manifest"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def copy(self):
        other = Home()
        shutil.copytree(self.log, other.log)
        return other

    def listed(self):
        """[(name, type)] of the manifest, in its order."""
        words = [line.split() for line in self.manifest.read_text().splitlines() if not line.startswith("#")]
        return [(line[1], line[5]) for line in words]

    def last(self):
        return self.log / [name for name, kind in self.listed() if kind == "i"][-1]

    def write(self, manifest, files):
        """A log by hand."""
        self.log.mkdir(mode=0o700, exist_ok=True)
        self.manifest.write_bytes(manifest)
        for name, data in files.items():
            (self.log / name).write_bytes(data)

    def state(self):
        """What is in the log's files, without what a server needs to keep others out."""
        return {name: data for name, data in tree(self.log).items() if name != "lock"}


def tree(path):
    """{name: bytes} of all files but a server's output; directories have None."""
    return {str(found.relative_to(path)): found.read_bytes() if found.is_file() else None
            for found in path.rglob("*") if found.name != "server.log"}


def log_of(*commands):
    """The bytes of these commands, each a line of words."""
    return b"".join(request(*command.split(" ")) for command in commands)


def groups(data):
    """[(commands, end)]: whole groups of a log, and the offset behind each. A group of SELECT or an annotation alone
    counts as one."""
    found, at, group, in_group = [], 0, [], False
    while at < len(data):
        words, at = record(data, at)
        if words is None:
            return found
        name = words[0].upper() if words else b""
        if name == b"MULTI":
            in_group = True
        elif name == b"EXEC":
            in_group = False
        elif words:
            group.append(words)
        if not in_group:
            found.append((group, at))
            group = []
    return found


def record(data, at):
    """(words, end) of the record at `at`; words are None when it is not whole, [] of an annotation."""
    end = data.find(b"\n", at)
    if end < 0:
        return None, at
    if data[at:at + 1] == b"#":
        return [], end + 1
    count, at, words = int(data[at + 1:end]), end + 1, []
    for _ in range(count):
        end = data.find(b"\n", at)
        if end < 0:
            return None, at
        size = int(data[at + 1:end])
        if len(data) < end + 1 + size + 2:
            return None, at
        words.append(data[end + 1:end + 1 + size])
        at = end + 1 + size + 2
    return words, at
