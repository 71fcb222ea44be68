"""The control group of a container: what runs in it, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from panther_hookspecs import Usage

_ROOT = Path("/sys/fs/cgroup")
_NANO, _MICRO = 1e-9, 1e-6


@attrs.frozen
class Cgroup:
    """The folders of one group: one for each controller of version 1, or one with the name "" of version 2."""

    folders: Mapping[str, Path]

    @classmethod
    def of(cls, pid: int) -> Cgroup:
        """Return the group that ``pid`` is in."""
        folders: dict[str, Path] = {}
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except OSError:
            lines = []
        for line in lines:
            _, controllers, path = line.split(":", 2)
            for name in controllers.split(","):
                folder = (_ROOT / name if name else _ROOT) / path.lstrip("/")
                if path != "/" and (folder / "cgroup.procs").exists():
                    folders[name] = folder
        return cls(folders)

    def _read(self, controller: str, name: str) -> str:
        folder = self.folders.get(controller)
        if folder is None:
            return ""
        try:
            return (folder / name).read_text()
        except OSError:  # it goes away with the container
            return ""

    def pids(self) -> tuple[int, ...]:
        """Return every process of the container, as this machine numbers them."""
        for controller in self.folders:
            text = self._read(controller, "cgroup.procs")
            if text:
                return tuple(int(each) for each in text.split())
        return ()

    def oom_kills(self) -> int:
        """Return how many processes were killed because the group used too much memory."""
        text = self._read("memory", "memory.oom_control") or self._read("", "memory.events")
        counts = dict(line.split()[:2] for line in text.splitlines())
        return int(counts.get("oom_kill", 0))

    def usage(self) -> Usage | None:
        """Return what the container has cost so far; None once it is gone."""
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
