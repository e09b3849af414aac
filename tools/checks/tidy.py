#!/usr/bin/python3
"""clang-tidy on every C++ body. The last line is "N passed, N failed".

What it said of a file is kept outside the build tree, under a name made of all that it depends on: the contents of the
file and of the headers of the project that it includes, the compile command, .clang-tidy, and the versions of the
programs and headers that are installed. Neither time nor history matters, and any checkout finds what another has done.
"""
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
FOLDERS = ("protocol", "storage", "server", "tests")
TIDY = "clang-tidy-14"
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
KEPT_FILES = 20000
HERE = "<root>"  # stands for the checkout in what is kept


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def cache_folder():
    """Where every checkout of this user looks; a user without a home has the build tree."""
    home = os.environ.get("HOME")
    base = os.environ.get("XDG_CACHE_HOME") or (os.path.join(home, ".cache") if home else "")
    for folder in (os.path.join(base, "cloakroom/tidy") if os.path.isabs(base) else "", os.path.join(ROOT, "build/tidy-cache")):
        try:
            os.makedirs(folder, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    sys.exit("no folder for the results can be written")


class Sources:
    """The project's C++ files, read once."""

    def __init__(self):
        self.texts = {}
        for folder in FOLDERS:
            for path in sorted(glob.glob(f"{glob.escape(ROOT)}/{folder}/**/*", recursive=True)):
                if path.endswith((".cc", ".h")):
                    path = os.path.relpath(path, ROOT)
                    self.texts[path] = self.read(path)
        self.included = {path: INCLUDE.findall(text.decode("utf-8", "replace")) for path, text in self.texts.items()}

    @staticmethod
    def read(path):
        with open(os.path.join(ROOT, path), "rb") as file:
            return file.read()

    def unchanged(self, paths):
        return all(self.texts[path] == self.read(path) for path in paths)

    def bodies(self):
        return [path for path in self.texts if path.endswith(".cc")]

    def closure(self, path):
        """The file and every header of the project that it includes, which is always by its path from the root."""
        found, waiting = set(), [path]
        while waiting:
            path = waiting.pop()
            if path in self.texts and path not in found:
                found.add(path)
                waiting += self.included[path]
        return sorted(found)


class Tidy:
    def __init__(self, sources, commands):
        self.sources = sources
        self.commands = commands
        self.folder = cache_folder()
        with open(os.path.join(ROOT, ".clang-tidy"), encoding="utf-8") as file:
            config = file.read()
        installed = output_of("dpkg-query", "-W", "*-dev", "clang*", "libclang*", "libstdc++*")
        self.base = "\0".join((config, output_of(TIDY, "--version"), installed))

    def key(self, path):
        digest = hashlib.sha256(self.base.encode())
        digest.update(self.commands[path].replace(ROOT, HERE).encode())
        for part in self.sources.closure(path):
            digest.update(f"\0{part}\0{len(self.sources.texts[part])}\0".encode() + self.sources.texts[part])
        return digest.hexdigest()

    def check(self, path):
        """(whether clang-tidy had to run, whether the file is clean, what was said)."""
        kept = os.path.join(self.folder, self.key(path))
        try:
            with open(kept, encoding="utf-8") as file:
                said = file.read().replace(HERE, ROOT)
            os.utime(kept)
            return False, not said, said
        except OSError:
            pass
        done = subprocess.run([TIDY, "--quiet", "-p", "build/tidy", path], cwd=ROOT, capture_output=True, text=True,
                              errors="replace", check=False)
        found = re.search(r": (error|warning): ", done.stdout)
        said = "" if done.returncode == 0 else done.stdout if found else f"{done.stdout}{done.stderr}\nended with {done.returncode}"
        told = done.returncode == 0 or (done.returncode == 1 and found)
        if told and self.sources.unchanged(self.sources.closure(path)):  # since it was read
            self.keep(kept, said.replace(ROOT, HERE))
        return True, not said, said

    def keep(self, path, text):
        try:
            with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False, encoding="utf-8") as file:
                file.write(text)
            os.replace(file.name, path)
        except OSError as error:
            print(f"not kept: {error}")

    def forget_oldest(self):
        with os.scandir(self.folder) as entries:
            by_age = sorted((entry.stat().st_mtime, entry.path) for entry in entries)
        for _, path in by_age[: max(len(by_age) - KEPT_FILES, 0)]:
            os.unlink(path)


def compile_commands():
    """{path from the root: command}, of a configuration without precompiled headers."""
    configured = subprocess.run(["cmake", "--preset", "tidy"], cwd=ROOT, capture_output=True, text=True, check=False)
    if configured.returncode != 0:
        sys.exit(f"{configured.stdout}{configured.stderr}\nnot configured")
    with open(os.path.join(ROOT, "build/tidy/compile_commands.json"), encoding="utf-8") as file:
        return {os.path.relpath(entry["file"], ROOT): shlex.join(shlex.split(entry["command"])) for entry in json.load(file)}


def main():
    sources, commands = Sources(), compile_commands()
    tidy = Tidy(sources, commands)
    # What includes most takes longest, and should not be what is waited for at the end.
    paths = sorted(sources.bodies(), key=lambda path: -len(sources.closure(path)))
    failed = [path for path in paths if path not in commands]
    known = [path for path in paths if path in commands]
    ran = 0
    for path in failed:
        print(f"FAIL {path}: the build does not compile it")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (was_run, clean, said) in zip(known, pool.map(tidy.check, known)):
            ran += was_run
            if not clean:
                print(f"{said}\nFAIL {path}", flush=True)
                failed.append(path)
    tidy.forget_oldest()
    print(f"clang-tidy read {ran} files, of {len(paths) - ran} it was known what it says")
    print(f"{len(paths) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
