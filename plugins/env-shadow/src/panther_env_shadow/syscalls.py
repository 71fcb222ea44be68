"""The execution environment ``shadow_syscalls``: what the simulator knows about the system calls of a service.

The log is the same for the same case: it has no addresses and no times but simulated ones.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from panther_env_shadow.process import SimulatedProcess
from panther_env_shadow.simulation import SYSCALLS
from panther_hookspecs import (
    Artifact,
    ExecutionEnvironmentInterface,
    ExecutionEnvironmentOptions,
    Layer,
    LayerRole,
    Measurement,
    MonitoringData,
    Problem,
    Process,
    ServiceCommand,
)

_CALL = re.compile(r"\S+ \[tid \d+\] (\w+)\(.*\) = (?:-\d+ \((E[A-Z0-9]+)\)|.*)\Z")
UNSUPPORTED = ("ENOSYS", "ENOPROTOOPT", "EAFNOSUPPORT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT")
"""What the simulator answers where it cannot do what is asked for."""
_IN_VAIN = re.compile(rf"\] (\w+)\([^\n]*\) = -\d+ \(({'|'.join(UNSUPPORTED)})\)\Z".encode())
_REFUSED = re.compile(rf"\(({'|'.join(UNSUPPORTED)})\)\n".encode())


def calls_in(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield name and error of every call; no error for one that succeeded."""
    for line in lines:
        match = _CALL.match(line.rstrip("\n"))
        if match:
            yield match[1], match[2] or ""


def counted(logs: Iterable[Path]) -> Counter[tuple[str, str]]:
    """Count the calls of some processes by name and error."""
    found: Counter[tuple[str, str]] = Counter()
    for path in logs:
        with path.open(encoding="utf-8", errors="replace") as file:
            found.update(calls_in(file))
    return found


def in_vain(log: Path) -> Counter[tuple[str, str]]:
    """Count the calls of one process that the simulator cannot do, looking at no other line: there are thousands."""
    data = log.read_bytes()
    found: Counter[tuple[str, str]] = Counter()
    for refused in _REFUSED.finditer(data):
        start = data.rfind(b"\n", 0, refused.start()) + 1
        call = _IN_VAIN.search(data[start : refused.end() - 1])
        if call:
            found[call[1].decode(), call[2].decode()] += 1
    return found


@attrs.define(slots=False)
class SyscallLog(ExecutionEnvironmentInterface):
    """Keeps the log of one service, and counts what is in it."""

    options: Any = attrs.field(factory=ExecutionEnvironmentOptions)
    _process: Process | None = attrs.field(default=None, init=False)

    def wrap(self, command: ServiceCommand) -> ServiceCommand:
        """Leave a mark for the network environment; the program itself is started as it is."""
        return command.wrapped(Layer(role=LayerRole.INSTRUMENT, by=SYSCALLS))

    def start_monitoring(self, target_process: Process) -> None:
        """Remember whom to ask at the end."""
        self._process = target_process

    def stop_monitoring(self) -> None:
        """Do nothing: it is all over."""

    def get_monitoring_data(self) -> MonitoringData:
        """Take the logs of the service, and count calls and errors."""
        process = self._process
        if not isinstance(process, SimulatedProcess) or not process.syscall_logs:
            return MonitoringData(problems=(Problem(what="the simulator has written no log of system calls"),))
        kept = [self.context.folder / each.name for each in process.syscall_logs]
        for source, target in zip(process.syscall_logs, kept, strict=True):
            shutil.copyfile(source, target)
        return MonitoringData(
            measurements=tuple(_measurements(counted(kept), process.name)),
            artifacts=tuple(
                Artifact(path=each.name, kind="syscalls", service=process.name, title="System calls, as simulated")
                for each in kept
            ),
        )


def _measurements(calls: Counter[tuple[str, str]], service: str) -> Iterator[Measurement]:
    totals: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for (name, error), count in calls.items():
        totals[name] += count
        errors[name] += count if error else 0
    for name in sorted(totals):
        yield Measurement(name=f"{SYSCALLS}.{name}.count", value=totals[name], service=service)
        if errors[name]:
            yield Measurement(name=f"{SYSCALLS}.{name}.errors", value=errors[name], service=service)
