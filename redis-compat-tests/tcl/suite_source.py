"""Redis' suite as Debian's source package has it: fetched into build/tcl-suite once, nothing of it is committed.

The package's archives are those the machine's own apt uses, asked for sources instead of binaries in a configuration and
a list folder of their own; /etc stays as it is.
"""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess

from servers import ROOT

VERSION = "7.0.15"
HOME = ROOT / "build" / "tcl-suite"
APT = pathlib.Path("/etc/apt")
RELEASES = ("bookworm", "stable", "oldstable")
FETCH_SECONDS = 300
ONE_LINE = re.compile(r"deb(?:-src)?\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)(\s.*)?")


class NotFetched(Exception):
    pass


def one_line_sources(text):
    """The deb-src lines for the archives in a file of sources.list's form."""
    for line in text.splitlines():
        match = ONE_LINE.fullmatch(line.split("#")[0].strip())
        if match and is_debian(match[3]):
            options = re.sub(r"\barch[+-]?=\S+\s*", "", match[1] or "").replace("[]", "").strip()
            yield " ".join(f"deb-src {options} {match[2]} {match[3]} {match[4] or ''}".split())


def deb822_sources(text):
    """The stanzas for the same archives' sources in a file of the form with fields."""
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if line.strip() and not line.startswith("#")]
        fields = {}
        for line in lines:
            if line[0].isspace():
                fields[name] += "\n" + line
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value
        suites = [suite for suite in fields.get("suites", "").split() if is_debian(suite)]
        if not suites or fields.get("enabled", "yes").strip().lower() == "no":
            continue
        fields.update({"types": " deb-src", "suites": " " + " ".join(suites)})
        fields.pop("architectures", None)
        yield "".join(f"{name.title()}:{value}\n" for name, value in fields.items())


def is_debian(suite):
    """Whether a suite's name is one of this release of Debian's: others need not have sources."""
    return re.split(r"[-/]", suite)[0] in RELEASES


def write_sources(folder, etc=APT):
    """Writes what this machine's apt sources become; returns how many there are."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines, stanzas = [], []
    for path in (etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))):
        if path.suffix == ".list" and path.is_file():
            lines += one_line_sources(path.read_text())
        elif path.suffix == ".sources":
            stanzas += deb822_sources(path.read_text())
    lines = list(dict.fromkeys(lines))
    (folder / "suite.list").write_text("".join(line + "\n" for line in lines))
    (folder / "suite.sources").write_text("\n".join(dict.fromkeys(stanzas)))
    return len(lines) + len(stanzas)


def apt_get(*arguments):
    private = {"Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": HOME / "sources",
               "Dir::State::lists": HOME / "lists", "Dir::Cache": HOME / "cache",
               "APT::Sandbox::User": "root", "Acquire::Languages": "none", "Acquire::Retries": 2}
    command = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in private.items()), *arguments]
    try:
        done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, timeout=FETCH_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFetched("apt-get %s: %s" % (arguments[0], error)) from error
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def fetch():
    """Returns the folder of the unpacked source, which is fetched first when it is not there."""
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpacked = HOME / ("redis-" + VERSION)
        if not (HOME / "complete").exists():
            shutil.rmtree(unpacked, ignore_errors=True)
            download()
            if not (unpacked / "tests" / "test_helper.tcl").exists():
                raise NotFetched("the source package has no %s with the suite in it" % unpacked.name)
            (HOME / "complete").touch()
        return unpacked


def download():
    if not shutil.which("dpkg-source"):
        raise NotFetched("dpkg-source is not installed (Debian package dpkg-dev)")
    if not write_sources(HOME / "sources"):
        raise NotFetched("apt on this machine has no archive of Debian 12 to take sources from")
    for folder in ("lists/partial", "cache/archives/partial"):
        (HOME / folder).mkdir(parents=True, exist_ok=True)
    updated, said = apt_get("update")
    # An archive without sources fails the update and does no harm when another has them.
    fetched, also = apt_get("source", "redis")
    if fetched:
        raise NotFetched("apt-get source redis failed; is there a network?\n%s" % (said + also if updated else also))
    for folder in ("lists", "cache"):
        shutil.rmtree(HOME / folder, ignore_errors=True)


def make_lane(source, folder, server):
    """A folder in which the suite runs beside others: its own tests/tmp, the server under test as src/redis-server."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "tests" / "tmp").mkdir(parents=True)
    (folder / "src").mkdir()
    for path in (source / "tests").iterdir():
        if path.name != "tmp":
            (folder / "tests" / path.name).symlink_to(path)
    for name, target in (("server", server), ("cli", tool("redis-cli")), ("benchmark", tool("redis-benchmark"))):
        (folder / "src" / ("redis-" + name)).symlink_to(os.path.realpath(target))


def tool(name):
    path = shutil.which(name)
    if not path:
        raise NotFetched("%s is not installed (Debian package redis-tools)" % name)
    return path
