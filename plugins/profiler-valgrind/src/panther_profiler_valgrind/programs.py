"""What kind of program a file holds, as far as it matters to valgrind."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import attrs

_INTERPRETER = 3
_CLASS_64 = 2
_MOST_SECTIONS = 4096
_FOLLOWS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "busybox", "env"})
"""Interpreters of scripts whose work is to start other programs."""


@attrs.frozen(kw_only=True)
class Traits:
    """What was found out about a program file."""

    static: bool = False
    go: bool = False
    stripped: bool = False
    privileged: bool = False
    """Whether it is setuid, setgid or has capabilities."""
    readable: bool = True
    interpreter: str = ""
    """Of a script: the program in its first line."""

    @property
    def starts_others(self) -> bool:
        """Whether it is a script whose work is to start other programs."""
        return self.interpreter in _FOLLOWS


def traits_of(path: Path) -> Traits:
    """Return what kind of program the file is; a file of unknown kind has no traits."""
    mode = path.stat().st_mode
    privileged = bool(mode & (stat.S_ISUID | stat.S_ISGID)) or "security.capability" in os.listxattr(path)
    if not os.access(path, os.R_OK):
        return Traits(privileged=privileged, readable=False)
    with path.open("rb") as file:
        data = file.read(64)
        if data.startswith(b"#!"):
            file.seek(0)
            words = file.readline(256)[2:].decode("utf-8", "replace").split()
            return Traits(privileged=privileged, interpreter=Path(words[0]).name if words else "")
        if not data.startswith(b"\x7fELF"):
            return Traits(privileged=privileged)
        try:
            types, sections = _headers(file.fileno(), data)
        except struct.error:
            return Traits(privileged=privileged)
    return Traits(
        static=_INTERPRETER not in types,
        go=".go.buildinfo" in sections,
        stripped=bool(sections) and not {".symtab", ".debug_info"} & sections,
        privileged=privileged,
    )


def _headers(file: int, head: bytes) -> tuple[set[int], set[str]]:
    """Return the types of an ELF file's program headers and the names of its sections."""
    order = "<" if head[5] == 1 else ">"
    wide = head[4] == _CLASS_64
    places = struct.unpack_from(order + ("QQ" if wide else "II"), head, 32 if wide else 28)
    sizes = struct.unpack_from(order + "HHHHH", head, 54 if wide else 42)
    programs = os.pread(file, sizes[0] * sizes[1], places[0])
    types = {struct.unpack_from(order + "I", programs, sizes[0] * each)[0] for each in range(sizes[1])}
    return types, _sections(file, order, wide, places[1], sizes[2:])


def _sections(file: int, order: str, wide: bool, place: int, sizes: tuple[int, ...]) -> set[str]:
    size, number, names_at = sizes
    if not place or not number or number > _MOST_SECTIONS:
        return set()
    table = os.pread(file, size * number, place)
    layout, at = ("QQ", 24) if wide else ("II", 16)
    offset, length = struct.unpack_from(order + layout, table, size * names_at + at)
    names = os.pread(file, length, offset)
    starts = (struct.unpack_from(order + "I", table, size * each)[0] for each in range(number))
    return {names[start : names.find(b"\0", start)].decode("ascii", "replace") for start in starts}
