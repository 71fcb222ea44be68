"""Control groups of the kernel, version 1 and 2: what runs in one, what it costs, and one for a limited service."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from panther_hookspecs.networks import Leftover, ResourceLimits
from panther_hookspecs.values import Usage

_ROOT = Path("/sys/fs/cgroup")
_NANO, _MICRO = 1e-9, 1e-6
_PERIOD = 100_000
"""Microseconds over which the kernel gives out time on the processors."""
_LEAST = 1000
"""The least that it takes for a period."""
_PATIENCE, _PAUSE = 2.0, 0.002
_PROCESSES = "cgroup.procs"
_SWAP = ("memsw.limit_in_bytes", "swap.max")
"""Files that are missing where the kernel does not count what is swapped out."""
_ENTER = 'until [ "$1" = -- ]; do echo $$ >"$1" || exit 126; shift; done; shift; exec "$@"'
PREFIX = "panther-"
"""Begins the name of every group that PANTHER makes; the run's id follows."""
_TRIAL = "trial-"
"""Stands for a run's id, with the process's, in the name of a group that shows whether one can be made."""


@attrs.frozen
class ControlGroup:
    """The folders of one group: one for each controller of version 1, or one with the name "" of version 2."""

    folders: Mapping[str, Path]

    @classmethod
    def of(cls, pid: int) -> ControlGroup:
        """Return the group that ``pid`` is in; a controller of which it is in no group of its own is left out."""
        return cls({name: folder for name, folder in _places(pid) if folder not in (_ROOT, _ROOT / name)})

    @classmethod
    def beside(cls, pid: int, name: str, limits: ResourceLimits) -> ControlGroup:
        """Make a group that keeps limits, where the group of ``pid`` is; raise OSError where nobody may.

        In version 1 it is below the group of ``pid``. In version 2 it is beside it, for there a group has processes or
        groups in it.
        """
        places = dict(_places(pid))
        made: dict[str, Path] = {}
        try:
            for controller, values in _settings(limits, old="memory" in places or "cpu" in places).items():
                folder = _place(places, controller) / name
                folder.mkdir(exist_ok=folder in made.values())
                made[controller if controller in places else ""] = folder
                for file, value in values:
                    if (folder / file).exists() or not file.endswith(_SWAP):
                        (folder / file).write_text(value)
        except OSError:
            cls(made).remove()
            raise
        return cls(made)

    def take(self, pid: int) -> None:
        """Move a process in; nothing happens if it has ended."""
        with contextlib.suppress(ProcessLookupError):
            for folder in self.folders.values():
                (folder / _PROCESSES).write_text(f"{pid}")

    def entering(self) -> tuple[str, ...]:
        """Return the words before a command that has to run in it."""
        files = (str(folder / _PROCESSES) for folder in self.folders.values())
        return ("sh", "-c", _ENTER, "enter", *files, "--")

    def remove(self) -> None:
        """Remove it; its last process may still be ending."""
        end = time.monotonic() + _PATIENCE
        while any(map(_stays, self.folders.values())) and time.monotonic() < end:
            time.sleep(_PAUSE)

    def left(self) -> Iterator[str]:
        """Yield a description of what is still there."""
        for folder in self.folders.values():
            if folder.exists():
                yield f"control group {folder}"

    def _read(self, controller: str, name: str) -> str:
        folder = self.folders.get(controller)
        if folder is None:
            return ""
        try:
            return (folder / name).read_text()
        except OSError:  # it goes away with what is in it
            return ""

    def pids(self) -> tuple[int, ...]:
        """Return every process in it, as this machine numbers them."""
        found = {int(pid) for name in self.folders for pid in self._read(name, _PROCESSES).split()}
        return tuple(sorted(found))

    def oom_kills(self) -> int:
        """Return how many processes were killed because the group used too much memory."""
        text = self._read("memory", "memory.oom_control") or self._read("", "memory.events")
        counts = dict(line.split()[:2] for line in text.splitlines())
        return int(counts.get("oom_kill", 0))

    def usage(self) -> Usage | None:
        """Return what all in it has cost so far; None once it is gone."""
        return self._usage2() if "memory" not in self.folders else self._usage1()

    def _usage1(self) -> Usage | None:
        user, system = self._read("cpuacct", "cpuacct.usage_user"), self._read("cpuacct", "cpuacct.usage_sys")
        if not user:
            return None
        sums = {"Read": 0, "Write": 0}
        for line in self._read("blkio", "blkio.throttle.io_service_bytes").splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in sums:  # noqa: PLR2004 - device, kind, bytes
                sums[words[1]] += int(words[2])
        return Usage(
            cpu_user=int(user) * _NANO,
            cpu_system=int(system or 0) * _NANO,
            max_rss_bytes=int(self._read("memory", "memory.max_usage_in_bytes") or 0),
            read_bytes=sums["Read"],
            write_bytes=sums["Write"],
            source="cgroup",
        )

    def _usage2(self) -> Usage | None:
        text = self._read("", "cpu.stat")
        if not text:
            return None
        cpu = dict(line.split()[:2] for line in text.splitlines())
        peak = self._read("", "memory.peak") or self._read("", "memory.current")
        io = [word.partition("=") for word in self._read("", "io.stat").split()]
        sums = {key: sum(int(value) for name, _, value in io if name == key) for key in ("rbytes", "wbytes")}
        return Usage(
            cpu_user=int(cpu.get("user_usec", 0)) * _MICRO,
            cpu_system=int(cpu.get("system_usec", 0)) * _MICRO,
            max_rss_bytes=int(peak or 0),
            read_bytes=sums["rbytes"],
            write_bytes=sums["wbytes"],
            source="cgroup",
        )


def why_not(limits: ResourceLimits) -> str:
    """Return why no group can be made that keeps these limits; nothing if one can."""
    try:
        group = ControlGroup.beside(os.getpid(), f"{PREFIX}{_TRIAL}{os.getpid()}-{time.monotonic_ns()}", limits)
    except OSError as error:
        who = ", and this user may make none" if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else ""
        return f"it takes control groups of the kernel{who}: {error.strerror}: {error.filename or _ROOT}"
    group.remove()
    return ""


def abandoned_groups() -> Iterator[Leftover]:
    """Yield each group without processes that a run has made, wherever it is: in a container's group, perhaps."""
    for parent, names, _ in os.walk(_ROOT):
        for name in fnmatch.filter(names, f"{PREFIX}*-*"):
            place = Path(parent, name)
            group, run_id = ControlGroup({"": place}), name.removeprefix(PREFIX).rpartition("-")[0]
            trying = run_id.startswith(_TRIAL) and Path("/proc", run_id.removeprefix(_TRIAL)).exists()
            if not (trying or group.pids()):
                yield Leftover(what=f"control group {place}", run_id=run_id, remove=group.remove)


def _places(pid: int) -> Iterator[tuple[str, Path]]:
    """Yield the name of each controller and the folder of the group that ``pid`` is in; "" is version 2."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            folder = (_ROOT / name if name else _ROOT) / path.lstrip("/")
            if (folder / _PROCESSES).exists():
                yield name, folder


def _settings(limits: ResourceLimits, *, old: bool) -> dict[str, list[tuple[str, str]]]:
    """Return what has to be written where, by controller."""
    quota = max(_LEAST, int(limits.cpu * _PERIOD))
    memory = str(int(limits.memory))
    found: dict[str, list[tuple[str, str]]] = {}
    if limits.cpu:
        parts = [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", str(quota))]
        found["cpu"] = parts if old else [("cpu.max", f"{quota} {_PERIOD}")]
    if limits.memory and old:
        found["memory"] = [("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)]
    elif limits.memory:
        found["memory"] = [("memory.max", memory), ("memory.swap.max", "0")]
    if limits.processes:
        found["pids"] = [("pids.max", str(limits.processes))]
    return found


def _place(places: Mapping[str, Path], controller: str) -> Path:
    """Return the folder in which groups have a controller, which may have to be switched on in version 2."""
    if controller in places:
        return places[controller]
    if "" not in places:
        raise OSError(errno.ENODEV, f"the kernel has no controller {controller} here")
    own = places[""]
    place = own.parent if own != _ROOT else own
    for folder in reversed([each for each in (place, *place.parents) if each.is_relative_to(_ROOT)]):
        switched = folder / "cgroup.subtree_control"
        if controller not in switched.read_text().split():
            switched.write_text(f"+{controller}")
    return place


def _stays(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def child_below(pid: int, levels: int) -> int:
    """Return the process ``levels`` below ``pid``, as deep as there is one."""
    for _ in range(levels):
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            children = []
        if not children:
            break
        pid = int(children[0])
    return pid
