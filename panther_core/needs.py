"""Looks for what plugins need from the machine: the same answers for `panther doctor` and before a run."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

import attrs

from panther_hookspecs import Descriptor, EnvironmentUnavailableError, Need

_VERSION = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")
_PATIENCE = 5.0


@attrs.frozen(kw_only=True)
class Found:
    """What looking for a need has shown."""

    need: Need
    ok: bool | None
    """None if nothing can tell."""
    detail: str = ""
    """The version or the place of what was found."""

    @property
    def advice(self) -> str:
        """How to get what is missing, as far as the plugin says."""
        need = self.need
        if need.kind == "root":
            return "run as root"
        if not need.package:
            return need.why
        return f"pip install {need.package}" if need.kind == "python" else f"apt install {need.package}"


def look_for(need: Need, *, version: bool = False) -> Found:
    """Look for one need; with ``version`` also start what has to be started: a tool to tell its own, a command."""
    if need.kind == "answer":
        return Found(need=need, ok=_answers(need) if version else None)
    ok, detail = _LOOK[need.kind](need)
    if ok and version and need.kind == "tool":
        detail = tool_version(detail)
    return Found(need=need, ok=ok, detail=detail)


def missing(needs: Iterable[Need]) -> tuple[Found, ...]:
    """Return the needs that are certainly not met."""
    return tuple(found for found in map(look_for, needs) if found.ok is False)


def require(descriptors: Iterable[Descriptor]) -> None:
    """Raise EnvironmentUnavailableError if this machine lacks what any of these needs; the message lists all of it."""
    wanted: dict[Need, list[str]] = {}
    for descriptor in descriptors:
        for need in descriptor.needs:
            if descriptor.name not in wanted.setdefault(need, []):
                wanted[need].append(descriptor.name)
    lines = [
        f"  {found.need.kind} {found.need.name}, for {', '.join(wanted[found.need])}"
        + (f": {found.advice}" if found.advice else "")
        for found in missing(wanted)
    ]
    if lines:
        raise EnvironmentUnavailableError("\n".join(["this machine lacks what the experiment needs:", *lines]))


def tool_version(path: str) -> str:
    """Return the version that a tool reports about itself, or nothing."""
    for option in ("--version", "-V", "version"):
        try:
            done = subprocess.run(
                [path, option], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = (
            _VERSION.search((done.stdout + done.stderr).decode("utf-8", "replace")) if done.returncode == 0 else None
        )
        if found:
            return found[0]
    return ""


def _tool(need: Need) -> tuple[bool, str]:
    path = shutil.which(need.name)
    return path is not None, path or ""


def _answers(need: Need) -> bool:
    """Return whether a command ends well, soon."""
    try:
        done = subprocess.run(
            need.name.split(), stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _library(need: Need) -> tuple[bool, str]:
    if "/" in need.name:
        return Path(need.name).exists(), need.name
    stem = need.name if need.name.startswith("lib") else f"lib{need.name}"
    wanted = stem if ".so" in stem else f"{stem}.so"
    path = next((path for name, path in _shared_libraries() if name == wanted or name.startswith(f"{wanted}.")), "")
    return bool(path), path


@cache
def _shared_libraries() -> tuple[tuple[str, str], ...]:
    """Return name and path of every library that the dynamic loader knows."""
    tool = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if tool is None:
        return ()
    listed = subprocess.run([tool, "-p"], capture_output=True, text=True, check=False, timeout=_PATIENCE).stdout
    return tuple((line.split()[0], line.rpartition("=> ")[2]) for line in listed.splitlines() if "=>" in line)


def _python(need: Need) -> tuple[bool, str]:
    for name in filter(None, (need.package, need.name)):
        try:
            return True, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return importlib.util.find_spec(need.name.partition(".")[0]) is not None, ""


def _root(_need: Need) -> tuple[bool, str]:
    return os.geteuid() == 0, ""


def _kernel(need: Need) -> tuple[bool | None, str]:
    """Look for a file of /proc or /sys, a kind of namespace, or a module; one that is not loaded may still exist."""
    if need.name.startswith("/"):
        return Path(need.name).exists(), need.name
    for place in (f"/proc/self/ns/{need.name}", f"/sys/module/{need.name}"):
        if Path(place).exists():
            return True, place
    return None, ""


def _linux(_need: Need) -> tuple[bool, str]:
    return sys.platform == "linux", os.uname().release


_LOOK = {"tool": _tool, "library": _library, "python": _python, "root": _root, "kernel": _kernel, "linux": _linux}
