"""What keeps valgrind from watching a service, found out before anything is started."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from panther_hookspecs import CommandProcessor, Context, InstrumentTarget, Problem, ShellCommand
from panther_profiler_valgrind.baseline import read_baseline
from panther_profiler_valgrind.command import arguments
from panther_profiler_valgrind.options import CallgrindOptions, CheckerOptions, ValgrindOptions
from panther_profiler_valgrind.programs import Traits, traits_of

OLDEST = {"dhat": (3, 17)}
"""The first valgrind whose tool writes what is read here."""
_OLDEST_OF_ALL = (3, 15)
_TIMEOUT = 60.0
_STATIC = {
    "memcheck": "malloc of a static program cannot be replaced: it finds no leak, and what it finds is mostly false",
    "massif": "malloc of a static program cannot be replaced: its heap would look empty",
    "dhat": "malloc of a static program cannot be replaced: its heap would look empty",
    "helgrind": "the locks of a static program cannot be seen: races would be reported that are none",
    "drd": "the locks of a static program cannot be seen: races would be reported that are none",
}


def problems(target: InstrumentTarget, options: ValgrindOptions, context: Context) -> Iterator[Problem]:
    """Yield everything that makes the tool impossible or useless on this service."""
    if isinstance(options, CheckerOptions):
        yield from _file_problems(options)
    traits = program_traits(target)
    yield from _unwatchable(target, options, traits)
    if not options.force:
        yield from _unsuited(target, options, traits)
    if shutil.which("valgrind") is None:
        yield Problem(what="valgrind is not installed", fix="apt-get install valgrind")
        return
    yield from _tool_problems(options, context)


def program_traits(target: InstrumentTarget) -> Traits:
    """Return what the program of a service is, as far as it can be seen from here."""
    program = target.command.program
    path = shutil.which(program.command, path=program.env.get("PATH"))
    return traits_of(Path(path)) if path is not None else Traits()


def _file_problems(options: CheckerOptions) -> Iterator[Problem]:
    for path in options.suppressions:
        if not path.is_file():
            yield Problem(what=f"there is no suppression file {path}", where="suppressions")
    if options.baseline is None:
        return
    if not options.baseline.is_file():
        yield Problem(
            what=f"there is no baseline {options.baseline}",
            where="baseline",
            fix=f"run without it and copy {options.TOOL}.baseline from the profiles of the service",
        )
        return
    try:
        read_baseline(options.baseline)
    except ValueError as error:
        yield Problem(what=f"the baseline cannot be read: {error}", where="baseline")


def _unwatchable(target: InstrumentTarget, options: ValgrindOptions, traits: Traits) -> Iterator[Problem]:
    name = target.command.program.command
    if traits.privileged:
        yield Problem(
            what=f"valgrind cannot run {name}",
            why="it is setuid, setgid or has capabilities",
            fix="a copy of the program without these bits",
        )
    if not traits.readable:
        yield Problem(what=f"valgrind cannot run {name}", why="the file may be executed but not read", fix="chmod +r")
    if traits.starts_others and not options.follows:
        yield Problem(
            what=f"valgrind would watch {traits.interpreter} and not what the script starts",
            where=name,
            fix="trace_children: true, or target_process: NAME, or the path of the program itself",
        )


def _unsuited(target: InstrumentTarget, options: ValgrindOptions, traits: Traits) -> Iterator[Problem]:
    tool, name = options.TOOL, target.command.program.command
    if traits.go or target.runtime == "go":
        yield Problem(
            what=f"{name} is a Go program",
            why=f"{tool} does not understand Go's stacks, memory and threads: thousands of its reports would be false",
            fix="perf, or Go's own profiler and race detector; force: true if you want to see them",
        )
    elif (traits.static or target.runtime == "static") and not isinstance(options, CallgrindOptions):
        yield Problem(
            what=f"{name} is statically linked",
            why=_STATIC[tool],
            fix="link it dynamically; callgrind can watch it; force: true takes what there is",
        )


def _tool_problems(options: ValgrindOptions, context: Context) -> Iterator[Problem]:
    result = context.commands.execute(ShellCommand("valgrind", ("--version",), timeout=_TIMEOUT))
    version = version_in(result.stdout)
    oldest = OLDEST.get(options.TOOL, _OLDEST_OF_ALL)
    if version is None:
        said = (result.stderr or result.stdout).strip().partition("\n")[0]
        yield Problem(what="valgrind does not work here", why=said or str(result.exit))
    elif version < oldest:
        yield Problem(
            what=f"valgrind is too old for {options.TOOL}",
            why=f"this is {version[0]}.{version[1]}",
            fix=f"valgrind {oldest[0]}.{oldest[1]} or newer",
        )
    elif options.arguments or getattr(options, "suppressions", ()):
        yield from _refused(options, context.folder, context.commands)


def _refused(options: ValgrindOptions, folder: Path, commands: CommandProcessor) -> Iterator[Problem]:
    """Let valgrind read what the user gave it, around a program that does nothing."""
    trial = folder / "trial"
    trial.mkdir(parents=True, exist_ok=True)
    result = commands.execute(ShellCommand("valgrind", (*arguments(options, trial), "true"), timeout=_TIMEOUT))
    shutil.rmtree(trial)
    if result.exit_code != 0:
        yield Problem(
            what="valgrind refuses its options",
            where="arguments or suppressions",
            why=complaint(result.stderr) or str(result.exit),
            fix="valgrind --help",
        )


def version_in(text: str) -> tuple[int, int] | None:
    """Return the version that ``valgrind --version`` tells; None if it tells none."""
    match = re.search(r"valgrind-(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def complaint(text: str) -> str:
    """Return the first two lines that valgrind itself wrote among the output of a program, or nothing."""
    said = (re.match(r"(?:valgrind|==\d+==(?: FATAL)?):? *(?P<text>.*\w.*)", line) for line in text.splitlines())
    return " ".join([match["text"].strip() for match in said if match][:2])
