"""What keeps gperftools from seeing anything of a program, found out before it is started."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import attrs

from panther_hookspecs import InstrumentTarget, Problem, ShellCommand
from panther_profiler_gperf.elf import Elf, read_elf

_PROFILING = frozenset({"mcount", "_mcount", "__fentry__"})
"""What a program calls that was built with -pg."""
_USE_PERF = "the execution environment perf_record, which needs nothing of the program"


@attrs.frozen
class Program:
    """The ELF file that will be run: the program itself, or the interpreter of a script."""

    binary: Path
    elf: Elf


def program_of(command: ShellCommand) -> Program | None:
    """Return the program, or None if this machine does not have it (it may be in an image)."""
    path = _found(command.command, command)
    for _ in range(4):  # a script may be interpreted by a script
        if path is None:
            return None
        try:
            return Program(path, read_elf(path))
        except ValueError:  # it is no ELF file, or empty
            path = _interpreter(path, command)
        except OSError:
            return None
    return None


def _found(name: str, command: ShellCommand) -> Path | None:
    if "/" in name:
        path = Path(command.working_dir or ".") / name
        return path if path.is_file() else None
    found = shutil.which(name, path=command.env.get("PATH"))
    return Path(found) if found else None


def _interpreter(script: Path, command: ShellCommand) -> Path | None:
    with script.open("rb") as file:
        words = os.fsdecode(file.readline(256)).split()
    if not words or not words[0].startswith("#!"):
        return None
    named = [word for word in (words[0][2:], *words[1:]) if word]
    if named and PurePosixPath(named[0]).name == "env":
        named = [word for word in named[1:] if not word.startswith("-") and "=" not in word]
    return _found(named[0], command) if named else None


def program_problems(target: InstrumentTarget, program: Program | None) -> Iterator[Problem]:
    """Yield why a preloaded library would have no effect on the program, or a bad one."""
    name = target.command.program.command
    if target.runtime == "go" or (program and program.elf.is_go):
        yield Problem(
            what=f"{name} is a Go program",
            why="it neither ends by exit() nor allocates by malloc(), so gperftools sees nothing of it",
            fix=f"its own profiles (net/http/pprof), or {_USE_PERF}",
        )
    elif target.runtime == "static" or (program and not program.elf.interpreter):
        yield Problem(
            what=f"{name} is a static program",
            why="LD_PRELOAD, which brings gperftools into a program, has no effect on it, and nobody says so",
            fix=f"link it dynamically, or use {_USE_PERF}",
        )
    elif program is not None:
        yield from _file_problems(name, program)


def _file_problems(name: str, program: Program) -> Iterator[Problem]:
    elf, own = program.elf, read_elf(Path("/proc/self/exe"))
    if (elf.bits, elf.machine) != (own.bits, own.machine):
        yield Problem(
            what=f"{name} is made for another machine ({elf.bits} bits) than PANTHER's Python",
            why="the library of this machine cannot be loaded into it",
            fix="build it for this machine",
        )
    if "musl" in elf.interpreter:
        yield Problem(
            what=f"{name} uses the C library musl", why="gperftools is built for glibc", fix="build it with glibc"
        )
    if any(each.startswith("libasan.") for each in elf.needed):
        yield Problem(
            what=f"{name} is built with -fsanitize=address",
            why="AddressSanitizer ends a program that has another library preloaded",
            fix="build it without -fsanitize",
        )
    if privileged(program.binary):
        yield Problem(
            what=f"{name} is a setuid or setgid program, or has capabilities",
            why="the loader ignores LD_PRELOAD for programs that gain privileges, and nobody says so",
            fix="take a copy without these bits, or run as the user that they give",
        )


def privileged(path: Path) -> bool:
    """Return whether running the file changes what the process may do, which makes the loader careful."""
    status = path.stat()
    user = status.st_mode & stat.S_ISUID and status.st_uid != os.geteuid()
    group = status.st_mode & stat.S_ISGID and status.st_gid != os.getegid()
    try:
        capable = os.geteuid() != 0 and "security.capability" in os.listxattr(path)
    except OSError:  # a file system without attributes
        capable = False
    return bool(user or group or capable)


def cpu_problems(target: InstrumentTarget, program: Program | None) -> Iterator[Problem]:
    """Yield what only sampling stumbles over."""
    if program and program.elf.imported & _PROFILING:
        yield Problem(
            what=f"{target.command.program.command} is built with -pg",
            why="gprof has taken the signal SIGPROF, so there would be no sample",
            fix="build it without -pg",
        )


def heap_problems(target: InstrumentTarget, program: Program | None) -> Iterator[Problem]:
    """Yield what only heap profiles stumble over."""
    if program and "malloc" in program.elf.exported:
        yield Problem(
            what=f"{target.command.program.command} brings an allocator of its own",
            why="its malloc() goes before that of a preloaded library, which would see nothing",
            fix="build it without, or use that allocator's own profiler; or target_process, if it starts the program "
            "of interest, as shells do",
        )


def kill_problems(target: InstrumentTarget, fix: str) -> Iterator[Problem]:
    """Yield why a program that is stopped the hard way writes nothing."""
    if target.stop_signal == signal.SIGKILL:
        yield Problem(
            what=f"service {target.service} is stopped by SIGKILL",
            why="gperftools writes the profile when the program ends by itself",
            fix=f"another stop_signal, or {fix}",
        )
