"""What the simulator needs of the machine and of programs, told before anything starts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from panther_hookspecs import CommandResult, Problem, ServiceSpec, ShellCommand

OLDEST = (3, 0)
WHERE_TO_GET = "it has no package: build Shadow 3 or later from github.com/shadow/shadow and put it on PATH"
_WHERE = "network_environment"
_SHM = "/dev/shm"  # noqa: S108 - that is where Shadow shares memory
_SMALLEST_SHM = 256 << 20
_FILTERED = "2"
_PROGRAM_HEADERS, _INTERPRETER = 64, 3
_HEADER = 56
_ELF64 = b"\x7fELF\x02"


@attrs.frozen(kw_only=True)
class Machine:
    """What matters of the machine; made by :func:`look` or by a test."""

    shm_size: int
    """Bytes in /dev/shm; 0 where there is none."""
    shm_options: tuple[str, ...]
    seccomp: str
    """The line Seccomp of /proc/self/status: 2 where a filter is in force."""
    keeps_addresses: bool
    """Whether a program can be started with its memory always at the same addresses."""


def look(execute: Callable[[ShellCommand], CommandResult]) -> Machine:
    """Look at this machine."""
    trial = execute(ShellCommand("setarch", ("-R", "true"), timeout=10))
    return Machine(
        shm_size=_size_of(Path(_SHM)),
        shm_options=_mount_options(Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace"), _SHM),
        seccomp=_field(Path("/proc/self/status").read_text(encoding="utf-8"), "Seccomp"),
        keeps_addresses=trial.exit_code == 0,
    )


def _size_of(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    found = os.statvfs(folder)
    return found.f_frsize * found.f_blocks


def _mount_options(mounts: str, place: str) -> tuple[str, ...]:
    lines = (line.split() for line in mounts.splitlines())
    return next((tuple(words[3].split(",")) for words in lines if len(words) > 3 and words[1] == place), ())  # noqa: PLR2004 - device, place, type, options


def _field(status: str, name: str) -> str:
    match = re.search(rf"^{name}:\s*(\S+)", status, re.MULTILINE)
    return match[1] if match else ""


def machine_problems(machine: Machine) -> Iterator[Problem]:
    """Yield what keeps the simulator from working on this machine; mostly, that it is a container."""
    if machine.shm_size < _SMALLEST_SHM:
        yield Problem(
            what=f"{_SHM} has {machine.shm_size >> 20} MiB, and Shadow shares its memory there",
            where=_WHERE,
            fix="docker run --shm-size=1g, or --tmpfs /dev/shm:rw,nosuid,nodev,exec,size=1g",
        )
    if "noexec" in machine.shm_options:
        yield Problem(
            what=f"{_SHM} is mounted noexec, and Shadow maps programs from there",
            where=_WHERE,
            fix="docker run --tmpfs /dev/shm:rw,nosuid,nodev,exec,size=1g",
        )
    if not machine.keeps_addresses:
        filtered = machine.seccomp == _FILTERED
        yield Problem(
            what="programs cannot be started at fixed addresses, so nothing would happen twice in the same way",
            where=_WHERE,
            why="a seccomp filter forbids personality()" if filtered else "setarch -R fails",
            fix="docker run --security-opt seccomp=unconfined",
        )


def version_problem(said: str) -> Problem | None:
    """Return what is wrong with the version that ``shadow --version`` tells."""
    match = re.search(r"(\d+)\.(\d+)", said)
    if match is None:
        return Problem(
            what=f"shadow does not tell its version, but {said.strip()[:80]!r}", where=_WHERE, fix=WHERE_TO_GET
        )
    if (int(match[1]), int(match[2])) < OLDEST:
        return Problem(what=f"Shadow {match[0]} is too old: 3.0 is needed", where=_WHERE, fix=WHERE_TO_GET)
    return None


def service_problems(services: Sequence[ServiceSpec]) -> Iterator[Problem]:
    """Yield which programs cannot be simulated, as far as their plans tell."""
    for spec in services:
        if spec.plan.runtime == "static":
            yield Problem(
                what=f"{spec.name} is linked statically, and Shadow can only load itself into a program that is not",
                where=f"services.{spec.name}",
                fix="link it dynamically",
            )
        if any(".ip6" in each for each in (*spec.plan.run.argv, *spec.plan.run.env.values())):
            yield Problem(
                what=f"{spec.name} wants an IPv6 address, and there are none: Shadow has IPv4 only",
                where=f"services.{spec.name}",
                fix="its options without IPv6, or another network environment",
            )


def why_unfit(program: str, path: str) -> str:
    """Return why a program cannot be simulated, or nothing; ``path`` is where programs are looked for."""
    found = shutil.which(program, path=path)
    if found is None:
        return f"there is no program {program}"
    head = Path(found).read_bytes()[:1024]
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n")[0].split()
        return why_unfit(os.fsdecode(words[0]), path) if words else ""
    if head.startswith(_ELF64) and not _is_dynamic(head):
        return f"{found} is linked statically, as Go does: link it dynamically (Go: with cgo, or -linkshared)"
    return ""


def _is_dynamic(head: bytes) -> bool:
    """Return whether an ELF file asks for a dynamic loader."""
    count = int.from_bytes(head[56:58], "little")
    starts = (_PROGRAM_HEADERS + number * _HEADER for number in range(count))
    return any(int.from_bytes(head[at : at + 4], "little") == _INTERPRETER for at in starts)
