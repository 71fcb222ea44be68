"""The keys that a user may write for ``strace``."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

import attrs

from panther_hookspecs import Bytes, ExecutionEnvironmentOptions, Seconds, option

CLASSES = frozenset({"clock", "creds", "desc", "file", "ipc", "memory", "net", "network", "process", "pure", "signal"})
"""Classes of system calls that may be written without strace's percent sign, which YAML reserves."""

_CALL = re.compile(r"%{0,2}\w+|/[^,:]+")
_FAILURE = re.compile(r"(?:\w+:)?E[A-Z0-9]+|\w+:\*")


def _calls(_instance: object, _attribute: attrs.Attribute[tuple[str, ...]], names: tuple[str, ...]) -> None:
    for name in names:
        if not _CALL.fullmatch(name):
            raise ValueError(
                f"expected a system call (sendto), a class (network) or /a regular expression, got {name!r}"
            )


def _failures(_instance: object, _attribute: attrs.Attribute[tuple[str, ...]], patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        if not _FAILURE.fullmatch(pattern):
            raise ValueError(f"expected ERROR, CALL:ERROR or CALL:*, for example connect:ECONNREFUSED, got {pattern!r}")


def _error(_instance: object, _attribute: attrs.Attribute[str], name: str) -> None:
    if name and not re.fullmatch(r"E[A-Z0-9]+", name):
        raise ValueError(f"expected the name of an error, for example ENETUNREACH, got {name!r}")


def _signal(_instance: object, _attribute: attrs.Attribute[str], name: str) -> None:
    if name and f"SIG{name.removeprefix('SIG')}" not in signal.Signals.__members__:
        raise ValueError(f"expected the name of a signal, for example SIGINT, got {name!r}")


@attrs.frozen(kw_only=True)
class Fault:
    """Something to go wrong in chosen system calls of each thread."""

    calls: tuple[str, ...] = option(
        validator=[attrs.validators.min_len(1), _calls], help="System calls or classes that the fault is put into."
    )
    error: str = option("", validator=_error, help="The call is not made and fails with this error.")
    result: int | None = option(None, help="The call is not made and returns this value.")
    signal: str = option("", validator=_signal, help="The thread receives this signal when it makes the call.")
    delay: Seconds = option(Seconds(0), help="The call is held back for this time before it is made.")
    first: int = option(
        1, validator=attrs.validators.ge(1), help="Number of the first call of a thread that the fault is put into."
    )
    last: int = option(0, validator=attrs.validators.ge(0), help="Number of the last one; 0 means that there is none.")
    every: int = option(
        1, validator=attrs.validators.ge(1), help="From the first on: 1 means each call, 2 every other one, ..."
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a fault that does nothing, or two things that exclude each other."""
        if self.error and self.result is not None:
            raise ValueError("a call either fails with `error` or returns `result`, not both")
        if not (self.error or self.signal or self.delay) and self.result is None:
            raise ValueError("a fault needs one of error, result, signal, delay")
        if self.last and self.last < self.first:
            raise ValueError(f"the last call, {self.last}, comes before the first, {self.first}")


@attrs.frozen(kw_only=True)
class StraceOptions(ExecutionEnvironmentOptions):
    """Options of the execution environment ``strace``.

    ``cleanup_on_exit: false`` changes nothing here: the log is evidence that is kept anyway.
    """

    calls: tuple[str, ...] = option(
        (), validator=_calls, help="Record these only: system calls (sendto), classes (network), /regular expressions."
    )
    exclude: tuple[str, ...] = option(
        (), validator=_calls, help="Record all but these: system calls, classes, /regular expressions."
    )
    string_limit: int = option(
        32, validator=[attrs.validators.ge(0), attrs.validators.le(65536)], help="Bytes of each text or buffer to show."
    )
    seccomp_bpf: bool = option(
        True, help="Where calls or exclude are given, let the kernel stop a program at the recorded calls only."
    )
    inject: tuple[Fault, ...] = option((), help="Faults to put into system calls, to see what a program makes of them.")
    attach: bool = option(
        False, help="Attach to the running service instead of starting it under strace; misses how it starts and ends."
    )
    log_limit: Bytes = option(
        Bytes(256 << 20), validator=attrs.validators.ge(1 << 16), help="Size at which the log of a service is cut off."
    )
    ignore: tuple[str, ...] = option(
        (), validator=_failures, help="Failures that are no finding: ERROR, CALL:ERROR or CALL:*."
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what strace cannot do, or not at once."""
        if self.sampling_rate:
            raise ValueError("strace has no sampling_rate: it records every call; calls or exclude make it record less")
        if self.target_process and not self.attach:
            raise ValueError(
                "strace cannot follow only a target_process of a service that it starts: attach: true can, later"
            )
        if self.calls and self.exclude:
            raise ValueError("strace takes either `calls` or `exclude`, not both: name the calls that are wanted")
        hidden = {name for fault in self.inject for name in fault.calls} & set(self.exclude)
        if hidden:
            raise ValueError(f"a fault goes into calls that are excluded: {', '.join(sorted(hidden))}")


def as_strace_names(names: Iterable[str]) -> str:
    """Return system calls and classes the way strace wants them."""
    return ",".join(f"%{name}" if name in CLASSES else name for name in names)
