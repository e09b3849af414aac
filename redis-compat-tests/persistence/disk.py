"""A disk after the machine has stopped: shim.c notes what was synced, and of the rest anything may be left."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

from files import Home

SOURCE = pathlib.Path(__file__).with_name("shim.c")
_built = []


def library():
    if not _built:
        folder = tempfile.TemporaryDirectory(prefix="cloakroom-shim-")
        path = pathlib.Path(folder.name) / "shim.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", path, SOURCE, "-ldl"], check=True)
        _built.append((folder, path))
    return _built[0][1]


class Disk:
    """What is noted of one server's directory, from now on; what is there already is safe."""

    def __init__(self, home):
        self.home = home
        self.notes = Home()  # the same file system, another directory
        self.journal = self.notes.path / "journal"
        self.safe_bytes = {path.stat().st_ino: path.stat().st_size for path in self.files()}
        self.begin = {".": self.names(home.path), home.log.name: self.names(home.log)}
        self.syncs = []  # when they began, those of increments that had something in them

    def environment(self, lie=False):
        return {**os.environ, "LD_PRELOAD": str(library()), "AOF_SHIM_DIR": str(self.home.path),
                "AOF_SHIM_JOURNAL": str(self.journal), **({"AOF_SHIM_LIE": "1"} if lie else {})}

    @contextlib.contextmanager
    def fault(self, name):
        """While it lasts, syncs hang ("hangs") or writes fail ("full")."""
        (self.notes.path / name).touch()
        yield
        (self.notes.path / name).unlink()

    def files(self):
        return [path for path in self.home.log.iterdir() if path.is_file()] if self.home.log.exists() else []

    @staticmethod
    def names(directory):
        return {path.name: path.stat().st_ino for path in directory.iterdir()} if directory.exists() else {}

    def read(self):
        """{directory: [what it may hold, what it was synced with first]}, once the server is gone."""
        safe = {name: (0, names) for name, names in self.begin.items()}
        changes = []
        for line in self.journal.read_text().splitlines() if self.journal.exists() else ():
            kind, begin, _, rest = line.split(" ", 3)
            if kind == "S":
                inode, size, name = rest.split(" ", 2)
                self.safe_bytes[int(inode)] = int(size)
                if name.endswith(".incr.aof") and int(size):
                    self.syncs.append(int(begin))
            else:
                directory, _, listing = rest.partition(" ")
                words = listing.split("/") if listing else []
                names = {words[i]: int(words[i + 1]) for i in range(0, len(words), 2)}
                changes.append((int(begin), directory, names))
                if kind == "D" and int(begin) > safe.get(directory, (0,))[0]:
                    safe[directory] = int(begin), names
        last = {".": self.names(self.home.path), self.home.log.name: self.names(self.home.log)}
        return {name: [names, *(c[2] for c in changes if c[1] == name and c[0] > begin), last.get(name, {})]
                for name, (begin, names) in safe.items()}

    def has_synced(self):
        """An increment with something in it."""
        text = self.journal.read_text() if self.journal.exists() else ""
        notes = [line for line in text.splitlines() if line.startswith("S") and line.endswith(".incr.aof")]
        return any(line.split(" ")[4] != "0" for line in notes)

    def left(self, rng, zeros=False, least=False):
        """A directory as it may be found then; `least`: only what was synced."""
        self.left_names = self.read()
        found = Home()
        data = {path.stat().st_ino: path for path in self.files()}
        data.update({int(path.suffix[1:]): path for path in self.notes.path.glob("journal.*")})
        found.log.mkdir(mode=0o700)
        names = self.left_names[self.home.log.name]
        for name, inode in (names[0] if least else rng.choice(names)).items():
            if inode in data:
                content = data[inode].read_bytes()
                safe = content[:self.safe_bytes.get(inode, 0)]
                (found.log / name).write_bytes(safe if least else self.torn(content, len(safe), rng, zeros))
        return found

    @staticmethod
    def torn(data, safe, rng, zeros):
        end = rng.choice([safe, rng.randint(safe, len(data)), rng.randint(safe, len(data)), len(data)])
        return data[:end] + (b"\0" * (len(data) - end) if zeros and rng.randrange(3) == 0 else b"")

    def name_is_safe(self):
        """The log's directory itself is found after a crash."""
        return all(self.home.log.name in names for names in self.left_names["."])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.notes.__exit__()
