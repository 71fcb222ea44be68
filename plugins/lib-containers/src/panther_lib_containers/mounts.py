"""Which paths of this machine a container sees: only what its command needs, and read-only but for its own folders."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import attrs

from panther_hookspecs import ServiceLaunch

OF_THE_INIT = "/sbin"
"""The engine puts the init of containers there; nothing may cover it."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("alternatives", "group", "ld.so.cache", "localtime", "nsswitch.conf", "passwd", "ssl")
_OF_THE_IMAGE = (*_SYSTEM, "/dev", "/etc", "/proc", "/run", "/sys", "/var")


@attrs.frozen(order=True)
class Mount:
    """One path that a container sees where this machine has it."""

    path: str
    writable: bool = False


def links_of_the_system() -> tuple[tuple[str, str], ...]:
    """Return the top-level names that are links into /usr, each with its target."""
    links = (Path(name) for name in _SYSTEM if name != OF_THE_INIT and Path(name).is_symlink())
    return tuple((str(link), str(link.readlink())) for link in links)


def mounts_of(launch: ServiceLaunch, more: Iterable[Path], profiles: Path, *, host: bool) -> list[Mount]:
    """Return what the container of one service sees; with ``host`` also the programs of this machine."""
    writable = [launch.folder, *([profiles] if profiles.is_dir() else [])]
    readable = {*more, *_needed(launch)}
    if host:
        readable.update(Path(each.path) for each in system_mounts())
    kept: list[Path] = []
    for path in sorted(readable):
        if not any(path.is_relative_to(each) for each in (*kept, *writable)):
            kept.append(path)
    return sorted([*(Mount(str(path)) for path in kept), *(Mount(str(path), writable=True) for path in writable)])


def system_mounts() -> list[Mount]:
    """Return what shows the programs of this machine."""
    shown = (Path(name) for name in _SYSTEM if name != OF_THE_INIT)
    found = [path for path in shown if path.is_dir() and not path.is_symlink()]
    found += [path for name in _SETTINGS if (path := Path("/etc") / name).exists()]
    return sorted(Mount(str(path)) for path in found)


def _needed(launch: ServiceLaunch) -> Iterator[Path]:
    """Yield the paths that the command of a service mentions, the folders around its own one apart."""
    program, ready = launch.command.program, launch.ready.command
    texts = [*launch.command.argv, *program.env.values(), *(ready.argv if ready else ())]
    found = shutil.which(launch.command.argv[0], path=program.env.get("PATH"))
    texts += [found] if found else []
    words = (word for text in texts for part in text.split("=") for word in part.split(":"))
    for word in words:
        path = Path(word)
        if path.is_absolute() and path != Path("/") and os.path.lexists(path):
            whole = [each for each in _whole(path) if not any(map(each.is_relative_to, _OF_THE_IMAGE))]
            yield from (each for each in whole if not launch.folder.is_relative_to(each))
            yield from (project for each in whole for project in _edited(each))


def _edited(prefix: Path) -> Iterator[Path]:
    """Yield the folders of what is installed editable in an environment of Python: only their paths are in it."""
    for note in prefix.glob("lib/python*/site-packages/*.dist-info/direct_url.json"):
        told = json.loads(note.read_text(encoding="utf-8"))
        if told.get("dir_info", {}).get("editable"):
            yield Path(unquote(urlsplit(told["url"]).path))


def _whole(path: Path) -> Iterator[Path]:
    """Yield what belongs together with ``path``: an interpreter is nothing without its libraries."""
    prefix = path.parent.parent
    installed = path.parent.name == "bin" and (prefix / "lib").is_dir() and prefix != Path("/")
    yield prefix if installed else path
    if path.is_symlink():
        yield from _whole(path.parent / path.readlink())
