"""Where programs are: on this machine, or in a folder with the files of another Debian release."""

from __future__ import annotations

import functools
import gzip
import os
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from panther_hookspecs import ConfigurationException
from panther_protocol_quic.implementation import Probe

ROOTS = "PANTHER_ROOTS"
"""The environment variable with the folder that has a folder for each Debian release."""
_PATIENCE = 10.0
_DEPTH = 3
"""How far below the root of a Debian system its programs are: usr, bin, program."""
_FOLDERS = ("usr/bin", "usr/sbin", "usr/local/bin", "usr/libexec", "usr/lib/nghttp2")
_LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}


def roots() -> Path:
    """Return the folder that has a folder for each Debian release."""
    given = os.environ.get(ROOTS)
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(cache) if cache else Path.home() / ".cache") / "panther" / "roots"


def root_of(release: str) -> Path | None:
    """Return the folder of a Debian release, if this machine has it."""
    folder = roots() / release
    return folder if release and folder.is_dir() else None


def bringing(package: str, release: str, root: Path) -> str:
    """Return the command that puts a package of a Debian release into a root."""
    return f"mmdebstrap --variant=extract --include={package} {release} {root}"


def find(program: str, root: Path | None) -> str:
    """Return the path of a program, an empty text if there is none."""
    if root is None:
        return shutil.which(program) or ""
    folders = os.pathsep.join(str(root / each) for each in _FOLDERS)
    return shutil.which(str(root) + program if program.startswith("/") else program, path=folders) or ""


def started(path: str, root: Path | None) -> tuple[str, ...]:
    """Return the words that start a program: in a root through its own loader, with its own libraries."""
    return (path,) if root is None or not _is_dynamic(path) else (*loaded(root), path)


def loaded(root: Path) -> tuple[str, ...]:
    """Return the words that load a program with the libraries of a root."""
    libraries = [root / place / triplet() for place in ("usr/lib", "lib")]
    name = _LOADERS[platform.machine()]
    loader = next((each / name for each in libraries if (each / name).exists()), None)
    if loader is None:
        raise ConfigurationException(f"{root} has no dynamic loader for {platform.machine()}: it is no Debian root")
    return (str(loader), "--library-path", os.pathsep.join(map(str, libraries)))


def triplet() -> str:
    """Return the name of this kind of machine in the paths of Debian."""
    return f"{platform.machine()}-linux-gnu"


@functools.cache
def _is_dynamic(path: str) -> bool:
    """Whether a program is an ELF file that asks for a loader."""
    with Path(path).open("rb") as file:
        start = file.read(4096)
    return start[:4] == b"\x7fELF" and b"/ld-linux" in start


def version_of(probe: Probe | None, command: tuple[str, ...], root: Path | None = None) -> str:
    """Return the version that a program says it has; an empty text where nobody can tell."""
    if probe is None:
        return ""
    if probe.python:
        return _distribution(probe.python)
    path = command[-1]
    if probe.debian:
        return _package(probe.debian, path)
    path = find(probe.program, root) if probe.program else path
    if not path:
        return ""
    asked = (*command[:-1], path, *probe.args)
    stamp = Path(path).stat().st_mtime if Path(path).exists() else 0.0
    return _asked(asked, probe.pattern, stamp)


@functools.cache
def _distribution(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


@functools.cache
def _package(name: str, path: str) -> str:
    """Return the version of the Debian package that has brought a program, as its authors number it.

    A system that was only unpacked has an empty list of packages, but the changelog of each.
    """
    root = Path("/", *Path(path).parts[1:-_DEPTH])
    listed, changes = root / "var/lib/dpkg/status", root / "usr/share/doc" / name / "changelog.Debian.gz"
    entry = rf"^Package: {re.escape(name)}\n(?:.+\n)*?Version: (?:\d+:)?([\d.]+)"
    found = re.search(entry, listed.read_text(errors="replace"), re.MULTILINE) if listed.is_file() else None
    if found is None and changes.is_file():
        found = re.match(r"\S+ \((?:\d+:)?([\d.]+)", gzip.decompress(changes.read_bytes()).decode(errors="replace"))
    return found[1].rstrip(".") if found else ""


@functools.cache
def _asked(argv: tuple[str, ...], pattern: str, _stamp: float) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(pattern, (done.stdout + done.stderr).decode("utf-8", "replace"))
    return (found[1] if found.re.groups else found[0]) if found else ""


PYTHON = sys.executable
"""The interpreter that runs PANTHER, and implementations in Python."""
