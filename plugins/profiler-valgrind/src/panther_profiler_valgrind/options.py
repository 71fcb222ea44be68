"""The keys that a user may write for the tools of valgrind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs import ExecutionEnvironmentOptions, Share, option

_OURS = ("tool", "xml", "log-", "trace-children", "vgdb", "gen-suppressions", "error-exitcode", "leak-check")
_OUR_FILES = re.compile(r"--(?:callgrind|massif|dhat)-out-file\b")
LEAK_KINDS = ("definite", "possible", "indirect", "reachable")


def _arguments(_instance: object, _attribute: attrs.Attribute[tuple[str, ...]], arguments: tuple[str, ...]) -> None:
    for each in arguments:
        if not each.startswith("--"):
            raise ValueError(f"expected options of valgrind such as --num-callers=30, got {each!r}")
        if each.startswith(tuple(f"--{name}" for name in _OURS)) or _OUR_FILES.match(each):
            raise ValueError(f"{each.partition('=')[0]} is set by PANTHER, which has to find what valgrind writes")


def _leak_kinds(_instance: object, _attribute: attrs.Attribute[tuple[str, ...]], kinds: tuple[str, ...]) -> None:
    for each in kinds:
        if each not in LEAK_KINDS:
            raise ValueError(f"expected one of {', '.join(LEAK_KINDS)}, got {each!r}")


def _python_malloc() -> Any:
    return option(
        True, help="Make Python allocate each object with malloc, without which its objects cannot be told apart."
    )


@attrs.frozen(kw_only=True)
class ValgrindOptions(ExecutionEnvironmentOptions):
    """Options of all tools of valgrind.

    ``cleanup_on_exit: false`` changes nothing here: what valgrind writes is evidence that is kept anyway.
    """

    TOOL: ClassVar[str] = ""
    trace_children: bool = option(
        False, help="Also watch the programs that the service starts; copies that it forks are always watched."
    )
    arguments: tuple[str, ...] = option(
        (), validator=_arguments, help="More options of valgrind, for example --fair-sched=no."
    )
    force: bool = option(
        False, help="Watch a static or Go program too, although what is found is mostly false, and much is missed."
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what valgrind cannot do."""
        if self.sampling_rate:
            raise ValueError(f"{self.TOOL} has no sampling_rate: it sees everything; leave it out")
        if self.monitoring_duration:
            raise ValueError(
                f"{self.TOOL} has no monitoring_duration: valgrind cannot leave a program that it runs; leave it out"
            )

    @property
    def follows(self) -> bool:
        """Whether programs that the service starts are watched."""
        return self.trace_children or bool(self.target_process)


@attrs.frozen(kw_only=True)
class CheckerOptions(ValgrindOptions):
    """Options of the tools that find defects."""

    suppressions: tuple[Path, ...] = option(
        (), help="Suppression files of valgrind: what matches is not reported; relative to the experiment's file."
    )
    shipped_suppressions: bool = option(
        True, help="Suppress what is known to say nothing about the program: see the how-to."
    )
    baseline: Path | None = option(
        None, help="File with the fingerprints of known findings, which are accepted; a run writes one for you."
    )
    error_exitcode: int = option(
        0,
        validator=[attrs.validators.ge(0), attrs.validators.le(255)],
        help="Exit code of a program with errors, known ones too; 0 leaves the program its own.",
    )
    num_callers: int = option(
        20,
        validator=[attrs.validators.ge(1), attrs.validators.le(500)],
        help="How many callers to show in each stack.",
    )


@attrs.frozen(kw_only=True)
class MemcheckOptions(CheckerOptions):
    """Options of ``memcheck``."""

    TOOL: ClassVar[str] = "memcheck"
    leak_kinds: tuple[str, ...] = option(
        ("definite", "possible"),
        validator=_leak_kinds,
        help="Kinds of leak that are findings: definite, possible, indirect, reachable; an empty list looks for none.",
    )
    track_origins: bool = option(
        False, help="Say where an uninitialised value comes from; takes half as long again and more memory."
    )
    python_malloc: bool = _python_malloc()


@attrs.frozen(kw_only=True)
class HelgrindOptions(CheckerOptions):
    """Options of ``helgrind``."""

    TOOL: ClassVar[str] = "helgrind"
    history_level: str = option(
        "full",
        validator=attrs.validators.in_(("full", "approx", "none")),
        help="How much to remember of earlier accesses: full shows both stacks of a race, none is a little faster.",
    )


@attrs.frozen(kw_only=True)
class DrdOptions(CheckerOptions):
    """Options of ``drd``."""

    TOOL: ClassVar[str] = "drd"


@attrs.frozen(kw_only=True)
class CallgrindOptions(ValgrindOptions):
    """Options of ``callgrind``."""

    TOOL: ClassVar[str] = "callgrind"
    functions: tuple[str, ...] = option(
        (), help="Functions to measure by name, however small their share; one that never runs is an error."
    )


@attrs.frozen(kw_only=True)
class MassifOptions(ValgrindOptions):
    """Options of ``massif``."""

    TOOL: ClassVar[str] = "massif"
    stacks: bool = option(False, help="Measure the stacks of the threads as well, which is much slower.")
    peak_inaccuracy: Share = option(
        Share(0.01),
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
        help="How far below the true peak the recorded one may be; 0% is exact and slower.",
    )
    python_malloc: bool = _python_malloc()


@attrs.frozen(kw_only=True)
class DhatOptions(ValgrindOptions):
    """Options of ``dhat``."""

    TOOL: ClassVar[str] = "dhat"
    python_malloc: bool = _python_malloc()
