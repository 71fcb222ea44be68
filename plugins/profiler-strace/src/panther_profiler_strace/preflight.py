"""What keeps strace from watching a service, found out before anything is started."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_hookspecs import CommandProcessor, Context, InstrumentTarget, Problem, ShellCommand
from panther_profiler_strace.command import expressions
from panther_profiler_strace.options import StraceOptions

OLDEST = (5, 7)
"""The first strace with all options that are used."""
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_TIMEOUT = 20.0
_DENIED = re.compile(
    r"PTRACE_\w+.*(?:not permitted|denied)|ptrace\(.*(?:not permitted|denied)|ptrace.*not implemented", re.IGNORECASE
)


@attrs.define
class Inspector:
    """Looks at the machine once for each run and set of options, since every case of a run would ask the same."""

    _known: dict[tuple[str, bool, tuple[str, ...]], tuple[Problem, ...]] = attrs.field(factory=dict)

    def problems(self, target: InstrumentTarget, options: StraceOptions, context: Context) -> Iterator[Problem]:
        """Yield everything that makes strace impossible or useless on this service."""
        yield from _program_problems(target)
        if shutil.which("strace") is None:
            yield Problem(what="strace is not installed", fix="apt-get install strace")
            return
        key = (context.run_id, options.attach, expressions(options))
        if key not in self._known:
            self._known[key] = tuple(_machine_problems(options, context.commands))
        yield from self._known[key]


def _machine_problems(options: StraceOptions, commands: CommandProcessor) -> Iterator[Problem]:
    unfit = tuple(_tool_problems(options, commands))
    yield from unfit
    if not unfit:
        yield from _attach_problems() if options.attach else _trace_problems(commands)


def _program_problems(target: InstrumentTarget) -> Iterator[Problem]:
    program = target.command.program
    path = shutil.which(program.command, path=program.env.get("PATH"))
    if path is None or os.geteuid() == 0:
        return
    mode = Path(path).stat().st_mode
    privileged = mode & (stat.S_ISUID | stat.S_ISGID) or "security.capability" in os.listxattr(path)
    if privileged:
        yield Problem(
            what=f"{program.command} loses its privileges under strace",
            why="it is setuid, setgid or has capabilities, which the kernel withholds from a traced program",
            fix="run as root, or take a copy of the program without these bits",
        )


def _tool_problems(options: StraceOptions, commands: CommandProcessor) -> Iterator[Problem]:
    """Let strace read the options that matter and then tell its version: it refuses what it does not know."""
    chosen = tuple(text for each in expressions(options) for text in ("-e", each))
    asked = ShellCommand("strace", ("--syscall-times=ns", "--seccomp-bpf", *chosen, "-V"), timeout=_TIMEOUT)
    result = commands.execute(asked)
    said = result.stderr.strip().partition("\n")[0].removeprefix("strace: ")
    unknown = re.match(r"invalid system call '(.*)'", said)
    if unknown:
        yield Problem(
            what=f"strace knows no system call or class {unknown[1]!r}",
            where="calls, exclude or inject",
            fix="man 2 syscalls lists the calls, man strace the classes; a ? before a name makes it optional",
        )
    elif "unrecognized option" in said:
        yield _too_old(said)
    elif result.exit_code != 0:
        where = "inject" if "inject" in said else ""
        yield Problem(what="strace refuses its options", where=where, why=said or str(result.exit), fix="man strace")
    elif (version := version_in(result.stdout)) < OLDEST:
        yield _too_old(f"this is {'.'.join(map(str, version))}")


def version_in(text: str) -> tuple[int, ...]:
    """Return the version that ``strace -V`` tells; a development version counts as the newest."""
    match = re.search(r"version (\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (999,)


def _too_old(why: str) -> Problem:
    oldest = ".".join(map(str, OLDEST))
    return Problem(what="strace is too old", why=why, fix=f"strace {oldest} or newer")


def _trace_problems(commands: CommandProcessor) -> Iterator[Problem]:
    """Try to trace a program that does nothing."""
    probe = ShellCommand("strace", ("-o", "/dev/null", "-e", "trace=none", "--", "true"), timeout=_TIMEOUT)
    result = commands.execute(probe)
    if result.exit_code == 0:
        return
    said = result.stderr.strip().replace("strace: ", "").partition("\n")[0] or str(result.exit)
    tracer = tracer_of("self")
    if tracer:
        yield Problem(
            what="strace cannot trace a program that is traced already",
            why=f"process {tracer} traces PANTHER and all that it starts",
            fix="run PANTHER without strace or a debugger around it",
        )
    elif _DENIED.search(result.stderr):
        fix = "in a container, the capability SYS_PTRACE or a seccomp profile that allows ptrace"
        yield Problem(what="the kernel does not let strace trace a program", why=said, fix=fix)
    else:
        yield Problem(what="strace does not work here", why=said)


def _attach_problems() -> Iterator[Problem]:
    scope = _YAMA.read_text().strip() if _YAMA.exists() else "0"
    if scope == "3" or (scope != "0" and os.geteuid() != 0):
        yield Problem(
            what="the kernel does not let strace attach to a running program",
            where="attach",
            why=f"{_YAMA} is {scope}",
            fix="attach: false, so that strace starts the program, or run as root",
        )


def tracer_of(pid: int | str) -> int:
    """Return the process that traces ``pid``, 0 if none does or ``pid`` has gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    match = re.search(r"^TracerPid:\s*(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else 0
