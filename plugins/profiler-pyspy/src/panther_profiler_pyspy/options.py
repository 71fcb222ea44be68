"""The keys that a user may write for ``pyspy``."""

from __future__ import annotations

import attrs

from panther_hookspecs import ExecutionEnvironmentOptions, option


@attrs.frozen(kw_only=True)
class PySpyOptions(ExecutionEnvironmentOptions):
    """Options of ``pyspy``."""

    subprocesses: bool = option(False, help="Watch the Python programs that the service starts, too.")
    native: bool = option(False, help="Show functions of extensions and of the interpreter itself, written in C.")
    idle: bool = option(False, help="Look at threads that wait, too; shares are then of all time, not of work.")
    gil: bool = option(False, help="Look only at threads that hold the lock of the interpreter.")
    nonblocking: bool = option(
        False, help="Do not stop the program for a look: it is disturbed less, and some looks see nonsense."
    )
    lines: bool = option(False, help="Tell the lines of a function apart.")
    timeline: bool = option(
        True, help="Keep when each stack was seen, for speedscope; without it, hours need no more memory than minutes."
    )
    functions: tuple[str, ...] = option(
        (), help="Functions that get measurements of their own in every case, even if they were never seen."
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what py-spy refuses."""
        if self.native and self.nonblocking:
            raise ValueError("`native` needs the program to be stopped for a look, which `nonblocking` forbids")
