"""When two errors are the same defect: fingerprints that do not change from run to run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from panther_profiler_valgrind.report import Frame, Stack, ToolError

_FRAMES = 4
_RUNTIME = re.compile(r"(?:vgpreload_.*|ld-linux.*|ld-musl.*|ld-\d.*|lib(?:c|pthread)[.-].*so.*|libc-\d.*)")
"""Objects between the program and the machine, whose frames differ from one machine to the next."""
_SYMBOL = re.compile(r'inside data symbol "([^"]+)"')
_BOTH_SIDES = ("Race", "LockOrder", "ConflictingAccess")


def own_frames(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """Return the frames of the program and its libraries; all frames that are anywhere if those are none."""
    known = tuple(frame for frame in frames if frame.obj)
    return tuple(frame for frame in known if not _RUNTIME.fullmatch(Path(frame.obj).name)) or known


def place_of(frames: Iterable[Frame]) -> str:
    """Return where in the program a stack ends, for a message."""
    return next(map(str, own_frames(frames)), "")


def symbol_of(error: ToolError) -> str:
    """Return the global variable that an error is about, if it is about one."""
    found = (_SYMBOL.search(stack.text) for stack in error.stacks)
    return next((match[1] for match in found if match), "")


def fingerprint(error: ToolError) -> str:
    """Return what an error has in common with itself in other runs, in 16 digits.

    That is its kind and the innermost functions with their files, without lines. Which of two racing threads is
    reported is a matter of luck: a race is known by its variable, or by the functions of both sides in any order.
    """
    if error.kind in _BOTH_SIDES:
        symbol = symbol_of(error)
        parts = [f"variable {symbol}"] if symbol else sorted({_side(stack) for stack in error.stacks if stack.frames})
    else:
        frames = error.stacks[0].frames if error.stacks else ()
        parts = [_name(frame) for frame in own_frames(frames)[:_FRAMES]] or [error.what]
    return digest(error.kind, *parts)


def digest(*parts: str) -> str:
    """Return 16 hexadecimal digits that stand for ``parts``."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]


def digest_of_death(name: str, frames: Iterable[Frame]) -> str:
    """Return the fingerprint of a death by signal."""
    return digest("FatalSignal", name, *(_name(frame) for frame in own_frames(frames)[:_FRAMES]))


def _side(stack: Stack) -> str:
    return next((_name(frame) for frame in own_frames(stack.frames)), "")


def _name(frame: Frame) -> str:
    """Return a frame's name; in a stripped object the address, at which valgrind loads it every time."""
    if not frame.fn:
        return f"{Path(frame.obj).name} {frame.ip}"
    return f"{frame.fn} {frame.file or Path(frame.obj).name}"
