"""What a run depends on: enough to repeat it, and to see what has changed when it comes out differently."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import threading
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs

from panther_core.plugin_manager import PluginRecord
from panther_core.results.directory import LOCK, RunDirectory
from panther_hookspecs import EnvironmentUnavailableError

FORMAT = 1
_SYSCTLS = (
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/core/rmem_default",
    "net/core/wmem_default",
    "net/core/default_qdisc",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/udp_mem",
)
_NOT_COMPARED = {"programs", "folder", "select"}
"""Programs are compared when they start; where the experiment file lay and what was selected do not matter."""
_FORM = "{}: recorded {!r}, now {!r}"
_LIBRARIES = ("panther-pluggy", "pluggy", "attrs", "cattrs", "ruamel.yaml", "rich")


def lock_of(plugins: Iterable[PluginRecord], *, seed: int, experiment_hash: str) -> dict[str, Any]:
    """Return the content of the lock file, without the programs, which are known when they were started."""
    return {
        "v": FORMAT,
        "seed": seed,
        "experiment_sha256": experiment_hash,
        "plugins": {
            each.name: f"{each.distribution} {each.version}".strip() for each in plugins if each.status == "active"
        },
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": machine(),
        "programs": {},
    }


def machine() -> dict[str, Any]:
    """Return what the results may depend on: kernel, processor, memory, and the network's settings."""
    cpu = _text("/proc/cpuinfo")
    model = re.search(r"model name\s*:\s*(.+)", cpu)
    memory = re.search(r"MemTotal:\s*(\d+) kB", _text("/proc/meminfo"))
    return {
        "kernel": f"{platform.system()} {platform.release()}",
        "distribution": _os_release(),
        "libc": " ".join(platform.libc_ver()),
        "architecture": platform.machine(),
        "cpu": model[1].strip() if model else platform.processor(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(os.sched_getaffinity(0)),
        "memory_kib": int(memory[1]) if memory else None,
        "clocksource": _text("/sys/devices/system/clocksource/clocksource0/current_clocksource").strip(),
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip(),
        "sysctls": {name.replace("/", "."): _text(f"/proc/sys/{name}").strip() for name in _SYSCTLS},
    }


def differences(
    recorded: Mapping[str, Any], now: Mapping[str, Any], where: str = "", *, form: str = _FORM
) -> list[str]:
    """Return one line for each value of a recorded lock that is different now."""
    found: list[str] = []
    ignored = set() if where else _NOT_COMPARED
    for key in sorted({*recorded, *now} - ignored):
        path = f"{where}.{key}".lstrip(".")
        before, after = recorded.get(key), now.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, path, form=form)
        elif before != after:
            found.append(form.format(path, before, after))
    return found


@attrs.define
class Programs:
    """The programs that a run has started, with their hashes, for the lock file."""

    directory: RunDirectory
    expected: Mapping[str, str]
    """What each program that it names has to be."""
    _hashes: dict[tuple[str, int, int], str] = attrs.field(factory=dict)
    _programs: dict[str, str] = attrs.field(factory=dict)
    _names: set[str] = attrs.field(factory=set)
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def seen(self, program: str) -> None:
        """Note a program that is about to be watched; refuse one that differs from the lock."""
        if program in self._names:
            return
        with self._lock:
            found = _program_hash(program, self._hashes)
            self._names.add(program)
            if found is None:
                return
            path, digest = found
            self._programs[path] = digest
        if self.expected.get(path, digest) != digest:
            raise EnvironmentUnavailableError(f"{path} is not the program that the lock file recorded")

    def write(self) -> None:
        """Add the programs to the run's lock file."""
        path = self.directory.folder / LOCK
        lock = json.loads(path.read_text(encoding="utf-8"))
        lock["programs"] |= dict(sorted(self._programs.items()))
        self.directory.write(LOCK, json.dumps(lock, indent=1))


def _program_hash(program: str, known: dict[tuple[str, int, int], str]) -> tuple[str, str] | None:
    """Return the path of a program and the SHA-256 of its file, from ``known`` if it was hashed before."""
    path = shutil.which(program)
    if path is None:
        return None
    real = os.path.realpath(path)
    status = Path(real).stat()
    key = (real, status.st_mtime_ns, status.st_size)
    if key not in known:
        with Path(real).open("rb") as file:
            known[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return real, known[key]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _os_release() -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', _text("/etc/os-release"), re.MULTILINE)
    return found[1] if found else ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
